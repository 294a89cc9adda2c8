//! The one writer. Writes that arrive while a commit is under way wait together and share the next one (group
//! commit): each in its own savepoint, all in one transaction, one flush to disk and one addition to the search index for the lot. A caller hears the result
//! only after the commit that holds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Histogram;
use tokio::sync::{mpsc, oneshot};

use super::condition::Condition;
use super::connect::connect_writer;
use super::operation::Operation;
use super::search_index;
use crate::error::StoreError;

/// Writes that may wait; more are refused at once, so that the wait of those that are let in stays bounded.
const QUEUE: usize = 1_024;
/// Writes in one transaction at most: past this the flush is spread thin enough already.
const GROUP: usize = 256;
/// A write that waited longer is not begun any more: whoever asked has been told that it failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the caller, once it is known whether the group was committed.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A write whose result type only its caller knows.
trait PendingWrite: Send {
    fn run(self: Box<Self>, conn: &mut SqliteConnection) -> Answer;
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Pending<T, W> {
    work: W,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> PendingWrite for Pending<T, W>
where
    T: Send + 'static,
    W: FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send,
{
    fn run(self: Box<Self>, conn: &mut SqliteConnection) -> Answer {
        // Inside the group's transaction, diesel makes this one a savepoint.
        let done = conn.transaction(self.work);
        let reply = self.reply;
        Box::new(move |committed| drop(reply.send(committed.and(done))))
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error)));
    }
}

struct Job {
    begin_before: Instant,
    write: Box<dyn PendingWrite>,
}

/// Hands writes to the writer task. A cheap handle; the task ends when it is told to stop and has nothing left to do.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
    operation: Operation,
    condition: Arc<Condition>,
}

impl Writer {
    pub(super) fn spawn(url: String, tasks: &Tasks, operation: Operation, condition: &Arc<Condition>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let stopping = tasks.stopping();
        let commits = operation.durations.clone();
        tasks.spawn_loop("database writer", async move {
            let mut connection = WriteConnection { url, open: None, commits };
            let mut jobs: mpsc::Receiver<Job> = jobs;
            loop {
                let mut group = Vec::new();
                tokio::select! {
                    // Stop first: from then on nothing new is accepted, and what had been accepted is still written.
                    biased;
                    () = stopping.cancelled(), if !jobs.is_closed() => jobs.close(),
                    received = jobs.recv_many(&mut group, GROUP) => if received == 0 { break },
                }
                if !group.is_empty() {
                    connection.write(group).await;
                }
            }
        });
        Writer { queue, operation, condition: Arc::clone(condition) }
    }

    /// Runs `work` in a savepoint of its own; an error from it undoes what it did and nothing else. Returns after the
    /// commit. If the caller stops waiting, the write happens all the same.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let outcome = self.operation.shared(self.enqueue(work)).await;
        self.condition.note_write(&outcome);
        outcome
    }

    /// As [`submit`](Writer::submit), for what is neither counted nor noted.
    pub(super) async fn enqueue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let job = Job { begin_before: Instant::now() + PATIENCE, write: Box::new(Pending { work, reply }) };
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded("too many writes are waiting"),
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        result.await.unwrap_or(Err(StoreError::Closed))
    }
}

struct WriteConnection {
    url: String,
    /// Opened when first needed, and again after a failure.
    open: Option<SyncConnectionWrapper<SqliteConnection>>,
    commits: Histogram,
}

impl WriteConnection {
    /// Writes one group in one hop to the blocking threads.
    async fn write(&mut self, group: Vec<Job>) {
        let mut conn = match self.open.take() {
            Some(conn) => conn,
            None => match self.connect().await {
                Ok(conn) => conn,
                Err(error) => return group.into_iter().for_each(|job| job.write.refuse(error.clone())),
            },
        };
        let timer = self.commits.start_timer();
        // When the closure panics, the jobs' reply channels close and the connection is given up with its transaction.
        match conn.spawn_blocking(move |conn| Ok(write_group(conn, group))).await {
            Ok(true) => self.open = Some(conn),
            // That writes fail is told once, by the condition.
            Ok(false) => tracing::debug!("a group of writes could not be committed; reconnecting"),
            Err(error) => tracing::error!(%error, "the database writer failed; reconnecting"),
        }
        timer.observe_duration();
    }

    async fn connect(&self) -> Result<SyncConnectionWrapper<SqliteConnection>, StoreError> {
        let url = self.url.clone();
        let connected =
            tokio::task::spawn_blocking(move || connect_writer(&url)).await.map_err(|_| StoreError::Closed)?;
        let unavailable = |error: ConnectionError| diesel::result::Error::QueryBuilderError(error.into());
        Ok(SyncConnectionWrapper::new(connected.map_err(unavailable)?))
    }
}

/// `false` when the commit failed.
fn write_group(conn: &mut SqliteConnection, group: Vec<Job>) -> bool {
    let mut answers = Vec::with_capacity(group.len());
    let mut unanswered = group.into_iter();
    let committed = conn.immediate_transaction(|conn| {
        for job in unanswered.by_ref() {
            if job.begin_before < Instant::now() {
                job.write.refuse(StoreError::Overloaded("the write waited too long for its turn"));
            } else {
                answers.push(job.write.run(conn));
            }
        }
        search_index::catch_up(conn)
    });
    let outcome = committed.map_err(|error: diesel::result::Error| StoreError::from(error));
    for answer in answers {
        answer(outcome.clone());
    }
    // Left over when the transaction could not even begin.
    for job in unanswered {
        job.write.refuse(outcome.clone().err().unwrap_or(StoreError::Closed));
    }
    outcome.is_ok()
}

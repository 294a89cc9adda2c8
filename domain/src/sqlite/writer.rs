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
use tokio_util::sync::CancellationToken;

use super::condition::Condition;
use super::connect::connect_writer;
use super::identity::Identity;
use super::operation::Operation;
use super::search_index;
use crate::error::StoreError;

/// Writes that may wait; more are refused at once, so that the wait of those that are let in stays bounded.
const QUEUE: usize = 1_024;
/// Writes in one transaction at most: past this the flush is spread thin enough already.
const GROUP: usize = 256;
/// A write that waited longer is not begun any more: whoever asked has been told that it failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of what came before the first write: nothing was changed.
const NOT_BEGUN: StoreError = StoreError::Overloaded("no write can be begun");

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
    pub(super) fn spawn(
        mut connection: WriteConnection,
        tasks: &Tasks,
        operation: Operation,
        condition: &Arc<Condition>,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let stopping = tasks.stopping();
        tasks.spawn_loop("database writer", async move {
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

/// The connection of the writer.
pub(super) struct WriteConnection {
    url: String,
    identity: Arc<Identity>,
    /// Opened when first needed, and again after a failure.
    open: Option<SyncConnectionWrapper<SqliteConnection>>,
    ending: CancellationToken,
    commits: Histogram,
}

impl WriteConnection {
    /// Opened when it is first needed. Once `ending` is cancelled, no write is begun any more, accepted or not.
    pub(super) fn new(url: String, identity: &Arc<Identity>, ending: CancellationToken, operation: &Operation) -> Self {
        let (identity, commits) = (Arc::clone(identity), operation.durations.clone());
        WriteConnection { url, identity, open: None, ending, commits }
    }

    /// Writes one group in one hop to the blocking threads.
    async fn write(&mut self, group: Vec<Job>) {
        if let Err(error) = self.identity.confirm() {
            return group.into_iter().for_each(|job| job.write.refuse(error.clone()));
        }
        let mut conn = match self.open.take() {
            Some(conn) => conn,
            None => match self.connect().await {
                Ok(conn) => conn,
                Err(error) => {
                    tracing::debug!(%error, "the database cannot be opened for writing");
                    return group.into_iter().for_each(|job| job.write.refuse(NOT_BEGUN));
                }
            },
        };
        let timer = self.commits.start_timer();
        // When the closure panics, the jobs' reply channels close and the connection is given up with its transaction.
        let (identity, ending) = (Arc::clone(&self.identity), self.ending.clone());
        match conn.spawn_blocking(move |conn| Ok(write_group(conn, &identity, group, &ending))).await {
            Ok(true) => self.open = Some(conn),
            // It has been said, and is no reason to open anything.
            Ok(false) if self.identity.confirm().is_err() => {}
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
        let failed = |error: ConnectionError| StoreError::failed(error.to_string());
        Ok(SyncConnectionWrapper::new(connected.map_err(failed)?))
    }
}

/// `false` when the commit failed.
fn write_group(conn: &mut SqliteConnection, identity: &Identity, group: Vec<Job>, ending: &CancellationToken) -> bool {
    let in_time = |job: Job| match job.begin_before < Instant::now() || ending.is_cancelled() {
        true => {
            job.write.refuse(StoreError::Overloaded("the write waited too long for its turn"));
            None
        }
        false => Some(job),
    };
    // Before the lock is waited for, which may take as long as a write may wait.
    let mut unanswered = group.into_iter().filter_map(in_time).collect::<Vec<_>>().into_iter();
    if unanswered.len() == 0 {
        return true;
    }
    let mut answers = Vec::with_capacity(unanswered.len());
    let mut begun = false;
    let committed = identity.begin_group().and_then(|commits| {
        conn.immediate_transaction(|conn| {
            begun = true;
            let row = identity.enter(conn, commits)?;
            answers.extend(unanswered.by_ref().filter_map(in_time).map(|job| job.write.run(conn)));
            search_index::catch_up(conn)?;
            Identity::leave(conn, row)
        })
    });
    // Acknowledged is only what is in the file that will be opened after the next start.
    let outcome = match committed.and_then(|record| identity.end_group(record)) {
        Err(StoreError::Unavailable(error)) if !begun => {
            tracing::debug!(%error, "no write can be begun, another process may hold the database");
            Err(NOT_BEGUN)
        }
        outcome => outcome,
    };
    for answer in answers {
        answer(outcome.clone());
    }
    // Left over when the transaction could not even begin.
    for job in unanswered {
        job.write.refuse(outcome.clone().err().unwrap_or(StoreError::Closed));
    }
    outcome.is_ok()
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;

    use super::super::connect::connect;
    use super::*;

    type Reply = oneshot::Receiver<Result<usize, StoreError>>;

    fn job(begin_before: Instant) -> (Job, Reply) {
        let (reply, result) = oneshot::channel();
        let work =
            |conn: &mut SqliteConnection| Ok(diesel::sql_query("UPDATE copy_epoch SET epoch = 7").execute(conn)?);
        (Job { begin_before, write: Box::new(Pending { work, reply }) }, result)
    }

    fn overloaded(reply: Reply) -> bool {
        let refused = reply.blocking_recv().unwrap();
        matches!(&refused, Err(StoreError::Overloaded(_))) && refused.is_err_and(|error| error.changed_nothing())
    }

    #[test]
    fn what_cannot_be_begun_has_changed_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let url = path.to_str().unwrap();
        let (identity, _first) = crate::sqlite::identity::opened(&path);
        let (mut conn, mut other) = (connect_writer(url).unwrap(), connect(url).unwrap());
        conn.batch_execute("PRAGMA busy_timeout = 0").unwrap();
        let (going_on, soon) = (CancellationToken::new(), Instant::now() + Duration::from_secs(60));

        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let (locked_out, reply) = job(soon);
        assert!(!write_group(&mut conn, &identity, vec![locked_out], &going_on));
        assert!(overloaded(reply), "another process holds the database");
        // Those that nobody waits for any more do not wait for the lock.
        let (late, reply) = job(Instant::now());
        assert!(write_group(&mut conn, &identity, vec![late], &going_on));
        assert!(overloaded(reply));
        other.batch_execute("ROLLBACK").unwrap();

        let ending = CancellationToken::new();
        ending.cancel();
        let (not_begun, reply) = job(soon);
        assert!(write_group(&mut conn, &identity, vec![not_begun], &ending));
        assert!(overloaded(reply));

        let (write, reply) = job(soon);
        assert!(write_group(&mut conn, &identity, vec![write], &going_on));
        assert_eq!(reply.blocking_recv().unwrap().unwrap(), 1);
    }
}

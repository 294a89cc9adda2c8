//! The one writer. Writes that arrive while a commit is under way wait together and share the next one (group
//! commit): all in one transaction, one flush to disk and one addition to the search index for the lot. A caller hears the result
//! only after the commit that holds it.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Histogram;
use tokio::sync::{mpsc, oneshot};

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

/// A write whose result type only its caller knows.
trait PendingWrite: Send {
    /// Whether it succeeded. What it did otherwise is the caller's to undo.
    fn run(&mut self, conn: &mut SqliteConnection) -> bool;
    /// In a savepoint of its own: it undoes what it did if it fails.
    fn run_alone(&mut self, conn: &mut SqliteConnection);
    /// Tells what came of it, once it is known whether the group was committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Pending<T, W> {
    work: W,
    /// Of the last time that it was run.
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> PendingWrite for Pending<T, W>
where
    T: Send + 'static,
    W: Fn(&mut SqliteConnection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, conn: &mut SqliteConnection) -> bool {
        self.done.insert((self.work)(conn)).is_ok()
    }

    fn run_alone(&mut self, conn: &mut SqliteConnection) {
        // Inside the group's transaction, diesel makes this one a savepoint.
        self.done = Some(conn.transaction(&self.work));
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let done = self.done.unwrap_or(Err(StoreError::Closed));
        drop(self.reply.send(committed.and(done)));
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
}

impl Writer {
    pub(super) fn spawn(url: String, tasks: &Tasks, operation: Operation) -> Self {
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
        Writer { queue, operation }
    }

    /// Runs `work` as one among others; an error from it undoes what it did and nothing else. It may be run twice, the first
    /// time undone. Returns after the commit. If the caller stops waiting, the write happens all the same.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl Fn(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.operation.shared(self.enqueue(work)).await
    }

    async fn enqueue<T: Send + 'static>(
        &self,
        work: impl Fn(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let job = Job { begin_before: Instant::now() + PATIENCE, write: Box::new(Pending { work, done: None, reply }) };
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
            Ok(false) => tracing::warn!("a group of writes could not be committed; reconnecting"),
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
    let mut begun = Vec::with_capacity(group.len());
    let mut unanswered = group.into_iter();
    let committed = conn.immediate_transaction(|conn| {
        for job in unanswered.by_ref() {
            if job.begin_before < Instant::now() {
                job.write.refuse(StoreError::Overloaded("the write waited too long for its turn"));
            } else {
                begun.push(job.write);
            }
        }
        run_all(conn, &mut begun);
        search_index::catch_up(conn)
    });
    let outcome = committed.map_err(|error: diesel::result::Error| StoreError::from(error));
    for write in begun {
        write.answer(outcome.clone());
    }
    // Left over when the transaction could not even begin.
    for job in unanswered {
        job.write.refuse(outcome.clone().err().unwrap_or(StoreError::Closed));
    }
    outcome.is_ok()
}

/// Mostly all of them succeed, and share one savepoint: with each, SQLite sets every page aside that is written after it,
/// which is a third of what a create costs. If one fails, all are undone and each is run again in a savepoint of its own.
fn run_all(conn: &mut SqliteConnection, writes: &mut [Box<dyn PendingWrite>]) {
    let together = conn.transaction(|conn| match writes.iter_mut().all(|write| write.run(conn)) {
        true => Ok(()),
        false => Err(diesel::result::Error::RollbackTransaction),
    });
    if together.is_err() {
        writes.iter_mut().for_each(|write| write.run_alone(conn));
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::BigInt;

    use super::*;

    fn pending(
        work: impl Fn(&mut SqliteConnection) -> Result<(), StoreError> + Send + 'static,
    ) -> (Box<dyn PendingWrite>, oneshot::Receiver<Result<(), StoreError>>) {
        let (reply, told) = oneshot::channel();
        (Box::new(Pending { work, done: None, reply }), told)
    }

    #[test]
    fn a_write_that_fails_undoes_itself_and_none_of_those_beside_it() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        conn.batch_execute("CREATE TABLE numbers (number INTEGER)").unwrap();
        let enter = |number: i64, fails: bool| {
            pending(move |conn| {
                diesel::sql_query("INSERT INTO numbers VALUES (?)").bind::<BigInt, _>(number).execute(conn)?;
                if fails { Err(StoreError::Overloaded("after it has written")) } else { Ok(()) }
            })
        };
        let (mut writes, told): (Vec<_>, Vec<_>) = (1..=4).map(|number| enter(number, number == 3)).unzip();
        conn.transaction::<_, diesel::result::Error, _>(|conn| {
            run_all(conn, &mut writes);
            Ok(())
        })
        .unwrap();
        writes.into_iter().for_each(|write| write.answer(Ok(())));

        let succeeded: Vec<_> = told.into_iter().map(|told| told.blocking_recv().unwrap().is_ok()).collect();
        assert_eq!(succeeded, [true, true, false, true]);
        let sum = diesel::dsl::sql::<BigInt>("SELECT sum(number) + 100 * count(*) FROM numbers");
        assert_eq!(sum.get_result::<i64>(&mut conn).unwrap(), 1 + 2 + 4 + 300);
    }
}

//! The one writer. Writes that arrive while a commit is under way wait together and share the next one (group
//! commit): all in one transaction, one flush to disk and one addition to the search index for the lot. A caller
//! hears the result only after the commit that holds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use hotshelf_domain::StoreError;
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Histogram;
use tokio::sync::{mpsc, oneshot};

use super::condition::Condition;
use super::connect::connect_writer;
use super::error::SqlError;
use super::identity::{Identity, Target};
use super::operation::Operation;
use super::search_index;

/// Writes that may wait; more are refused at once, so that the wait of those that are let in stays bounded.
const QUEUE: usize = 1_024;
/// Writes in one transaction at most: past this the flush is spread thin enough already.
const GROUP: usize = 256;
/// Rows in one transaction, unless a single write has more: those who wait behind it wait for tenths of a second at
/// most.
const GROUP_ROWS: usize = 2_000;
/// A write that waited longer is not begun any more: whoever asked has been told that it failed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// While another process holds the database: nothing was changed.
const NOT_BEGUN: StoreError = StoreError::Overloaded("no write can be begun");

/// A write whose result type only its caller knows.
trait PendingWrite: Send {
    /// If it fails, the caller undoes what it did.
    fn run(&mut self, conn: &mut SqliteConnection) -> Result<(), StoreError>;
    /// Sends the result of the last run, or the error for which the group was not committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<T, W> {
    work: W,
    /// The result of the last run.
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> PendingWrite for Pending<T, W>
where
    T: Send + 'static,
    W: Fn(&mut SqliteConnection) -> Result<T, SqlError> + Send,
{
    fn run(&mut self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        let done = self.done.insert((self.work)(conn).map_err(SqlError::into));
        done.as_ref().map(|_| ()).map_err(StoreError::clone)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let done = self.done.unwrap_or(Err(StoreError::Closed));
        drop(self.reply.send(committed.and(done)));
    }
}

struct Job {
    begin_before: Instant,
    /// About how many it writes.
    rows: usize,
    write: Box<dyn PendingWrite>,
}

/// Hands writes to the writer task. A cheap handle; the task ends when it is told to stop and has nothing left to do.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    operation: Operation,
    condition: Arc<Condition>,
}

impl Writer {
    pub(crate) fn spawn(target: Target, tasks: &Tasks, operation: Operation, condition: &Arc<Condition>) -> Self {
        let (queue, mut jobs) = mpsc::channel(QUEUE);
        let stopping = tasks.stopping();
        let mut connection = WriteConnection { target, open: None, commits: operation.durations.clone() };
        tasks.spawn_loop("database writer", async move {
            loop {
                let mut group = Vec::new();
                tokio::select! {
                    // Stop first: from then on nothing new is accepted, and what had been accepted is still written.
                    biased;
                    () = stopping.cancelled(), if !jobs.is_closed() => jobs.close(),
                    received = jobs.recv_many(&mut group, GROUP) => if received == 0 { break },
                }
                for group in in_groups(group) {
                    connection.write(group).await;
                }
            }
        });
        Writer { queue, operation, condition: Arc::clone(condition) }
    }

    /// Runs `work`, which writes about so many rows, in one transaction with others; an error from it undoes what it
    /// did and nothing else. It may be run twice, the first time undone. Returns after the commit. If the caller stops
    /// waiting, the write happens all the same.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl Fn(&mut SqliteConnection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let outcome = self.operation.shared(self.enqueue(rows, work)).await;
        self.condition.writes.note(&outcome);
        outcome
    }

    /// As [`submit`](Writer::submit), for writes that nobody asked for: they neither show in the metrics nor change
    /// the condition.
    pub(crate) async fn enqueue<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl Fn(&mut SqliteConnection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let write = Box::new(Pending { work, done: None, reply });
        let job = Job { begin_before: Instant::now() + TIMEOUT, rows, write };
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded("too many writes are waiting"),
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        result.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// The connection of the writer.
struct WriteConnection {
    target: Target,
    /// Opened when first needed, and again after a failure.
    open: Option<SyncConnectionWrapper<SqliteConnection>>,
    commits: Histogram,
}

impl WriteConnection {
    /// Writes one group in one hop to the blocking threads.
    async fn write(&mut self, group: Vec<Job>) {
        let mut conn = match self.connection().await {
            Ok(conn) => conn,
            Err(error) => return group.into_iter().for_each(|job| job.write.answer(Err(error.clone()))),
        };
        let timer = self.commits.start_timer();
        // When the closure panics, the jobs' reply channels close and the connection is given up with its transaction.
        let target = self.target.clone();
        let written = conn.spawn_blocking(move |conn| Ok(write_group(conn, &target, group))).await;
        timer.observe_duration();
        // Answered here, on a thread of the runtime: from a blocking thread, each waking would be a system call.
        match written.map(Written::answer) {
            Ok(true) => self.open = Some(conn),
            // The identity has logged why, and no other connection would do better.
            Ok(false) if self.target.identity.confirm().is_err() => {}
            // The condition logs once that writes fail.
            Ok(false) => tracing::debug!("a group of writes could not be committed; reconnecting"),
            Err(error) => tracing::error!(%error, "the database writer failed; reconnecting"),
        }
    }

    async fn connection(&mut self) -> Result<SyncConnectionWrapper<SqliteConnection>, StoreError> {
        self.target.identity.confirm()?;
        if let Some(conn) = self.open.take() {
            return Ok(conn);
        }
        let url = self.target.url.clone();
        let connected = tokio::task::spawn_blocking(move || connect_writer(&url)).await;
        connected.map_err(|_| StoreError::Closed)?.map(SyncConnectionWrapper::new).map_err(|error| {
            tracing::debug!(%error, "the database cannot be opened for writing");
            StoreError::failed(error.to_string())
        })
    }
}

/// In their order, each with no more rows than are written at a time.
fn in_groups(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: Vec<Vec<Job>> = Vec::new();
    let mut room = 0;
    for job in jobs {
        match groups.last_mut() {
            Some(group) if job.rows <= room => {
                room -= job.rows;
                group.push(job);
            }
            _ => {
                room = GROUP_ROWS.saturating_sub(job.rows);
                groups.push(vec![job]);
            }
        }
    }
    groups
}

/// The writes of a group, and whether it was committed.
struct Written {
    writes: Vec<Box<dyn PendingWrite>>,
    outcome: Result<(), StoreError>,
}

impl Written {
    /// Answers those who wait. `false` when the commit failed.
    fn answer(self) -> bool {
        for write in self.writes {
            write.answer(self.outcome.clone());
        }
        self.outcome.is_ok()
    }
}

/// Runs the group in one transaction, and refuses what has waited too long.
fn write_group(conn: &mut SqliteConnection, Target { identity, ending, .. }: &Target, group: Vec<Job>) -> Written {
    let in_time = |job: Job| {
        if job.begin_before < Instant::now() || ending.is_cancelled() {
            job.write.answer(Err(StoreError::Overloaded("the write waited too long for its turn")));
            return None;
        }
        Some(job)
    };
    // Before the lock is waited for, which may take as long as a write may wait.
    let mut unanswered = group.into_iter().filter_map(in_time).collect::<Vec<_>>().into_iter();
    if unanswered.len() == 0 {
        return Written { writes: Vec::new(), outcome: Ok(()) };
    }
    let mut writes = Vec::with_capacity(unanswered.len());
    let mut begun = false;
    let committed = identity.begin_group(conn).and_then(|commits| {
        let written = conn.immediate_transaction(|conn| {
            begun = true;
            identity.enter(conn, commits)?;
            writes.extend(unanswered.by_ref().filter_map(in_time).map(|job| job.write));
            run_all(conn, &mut writes)?;
            search_index::catch_up(conn)?;
            Identity::leave(conn)
        });
        written.map_err(SqlError::into)
    });
    // Acknowledged is only what is in the file that will be opened after the next start.
    let outcome = match committed.and_then(|record| identity.end_group(conn, record)) {
        // Any other cause concerns the health of the database: that the file has become read-only shows here as well.
        Err(StoreError::Unavailable(error)) if !begun && error.contains("database is locked") => {
            tracing::debug!(%error, "no write can be begun, another process holds the database");
            Err(NOT_BEGUN)
        }
        outcome => outcome,
    };
    // When the transaction could not even begin, none was run.
    writes.extend(unanswered.map(|job| job.write));
    Written { writes, outcome }
}

/// Mostly all of them succeed, and share one savepoint: with each, SQLite sets every page aside that is written after
/// it, which is a third of what a create costs. If one fails, all are undone and each is run again in a savepoint of
/// its own.
fn run_all(conn: &mut SqliteConnection, writes: &mut [Box<dyn PendingWrite>]) -> Result<(), SqlError> {
    if !in_savepoint(conn, |conn| writes.iter_mut().try_for_each(|write| write.run(conn)))? {
        for write in writes {
            in_savepoint(conn, |conn| write.run(conn))?;
        }
    }
    Ok(())
}

/// `false` when the work has failed and was undone.
///
/// # Errors
/// When the disk is full or fails, SQLite undoes the whole transaction by itself, and there is no savepoint left:
/// nothing more may be run then, since it would be committed by itself.
fn in_savepoint(
    conn: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> Result<(), StoreError>,
) -> Result<bool, SqlError> {
    let mut failure = None;
    // Inside the group's transaction, diesel makes this one a savepoint.
    let savepoint = conn.transaction(|conn| {
        work(conn).map_err(|error| {
            failure = Some(error);
            diesel::result::Error::RollbackTransaction
        })
    });
    match savepoint {
        Ok(()) => Ok(true),
        Err(diesel::result::Error::RollbackTransaction) => Ok(false),
        // What was wrong with the write says more than that its transaction is gone.
        Err(error) => Err(failure.map_or_else(|| error.into(), SqlError::from)),
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::BigInt;
    use tokio_util::sync::CancellationToken;

    use super::super::connect::connect;
    use super::*;

    type Reply = oneshot::Receiver<Result<usize, StoreError>>;

    fn job(begin_before: Instant) -> (Job, Reply) {
        let (reply, result) = oneshot::channel();
        let work =
            |conn: &mut SqliteConnection| Ok(diesel::sql_query("UPDATE copy_epoch SET epoch = 7").execute(conn)?);
        (Job { begin_before, rows: 1, write: Box::new(Pending { work, done: None, reply }) }, result)
    }

    fn overloaded(reply: Reply) -> bool {
        let refused = reply.blocking_recv().unwrap();
        matches!(&refused, Err(StoreError::Overloaded(_))) && refused.is_err_and(|error| error.changed_nothing())
    }

    #[test]
    fn a_group_has_a_bound_in_rows() {
        let soon = Instant::now() + Duration::from_secs(60);
        let jobs = [1_000, 1_000, 1, 5_000, 3, 4].map(|rows| Job { rows, ..job(soon).0 });
        let groups = in_groups(Vec::from(jobs));
        let rows = |group: &Vec<Job>| group.iter().map(|job| job.rows).collect::<Vec<_>>();
        let rows: Vec<_> = groups.iter().map(rows).collect();
        assert_eq!(rows, [vec![1_000, 1_000], vec![1], vec![5_000], vec![3, 4]]);
    }

    #[test]
    fn what_cannot_be_begun_has_changed_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let url = path.to_str().unwrap();
        let (identity, _first) = crate::sqlite::identity::opened(&path);
        let (mut conn, mut other) = (connect_writer(url).unwrap(), connect(url).unwrap());
        conn.batch_execute("PRAGMA busy_timeout = 0").unwrap();
        let going_on = Target { url: url.to_owned(), identity, ending: CancellationToken::new() };
        let soon = Instant::now() + Duration::from_secs(60);

        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let (locked_out, reply) = job(soon);
        assert!(!write_group(&mut conn, &going_on, vec![locked_out]).answer());
        assert!(overloaded(reply), "another process holds the database");
        // Those that nobody waits for any more do not wait for the lock.
        let (late, reply) = job(Instant::now());
        assert!(write_group(&mut conn, &going_on, vec![late]).answer());
        assert!(overloaded(reply));
        other.batch_execute("ROLLBACK").unwrap();

        let ending = Target { ending: CancellationToken::new(), ..going_on.clone() };
        ending.ending.cancel();
        let (not_begun, reply) = job(soon);
        assert!(write_group(&mut conn, &ending, vec![not_begun]).answer());
        assert!(overloaded(reply));

        let (write, reply) = job(soon);
        assert!(write_group(&mut conn, &going_on, vec![write]).answer());
        assert_eq!(reply.blocking_recv().unwrap().unwrap(), 1);
    }

    fn pending(
        work: impl Fn(&mut SqliteConnection) -> Result<(), SqlError> + Send + 'static,
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
                if fails { Err(StoreError::Overloaded("after it has written").into()) } else { Ok(()) }
            })
        };
        let (mut writes, told): (Vec<_>, Vec<_>) = (1..=4).map(|number| enter(number, number == 3)).unzip();
        conn.transaction::<_, diesel::result::Error, _>(|conn| {
            run_all(conn, &mut writes).unwrap();
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

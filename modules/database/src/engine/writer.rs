//! The one writer. Writes that arrive while a commit is under way wait together and share the next one (group
//! commit): all in one transaction, one flush to disk and one addition to the search index for the lot. A caller
//! hears the result only after the commit that holds it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotshelf_domain::{History, StoreError};
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Histogram;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::condition::Condition;
use super::operation::Operation;
use crate::backend::{Backend, Target, WriteConnection};
use crate::error::SqlError;
use crate::port::Tx;

/// Writes that may wait; more are refused at once, so that the wait of those that are let in stays bounded.
const QUEUE: usize = 1_024;
/// Writes in one transaction at most: past this the flush is spread thin enough already.
const GROUP: usize = 256;
/// Rows in one transaction, unless a single write has more: those who wait behind it wait for tenths of a second at
/// most.
const GROUP_ROWS: usize = 2_000;
/// A write that waited longer is not begun any more: whoever asked has been told that it failed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A write whose result type only its caller knows.
pub(crate) trait PendingWrite: Send {
    /// If it fails, the caller undoes what it did.
    fn run(&mut self, tx: &mut dyn Tx) -> Result<(), StoreError>;
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
    W: Fn(&mut dyn Tx) -> Result<T, SqlError> + Send,
{
    fn run(&mut self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        let done = self.done.insert((self.work)(tx).map_err(SqlError::into));
        done.as_ref().map(|_| ()).map_err(StoreError::clone)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let done = self.done.unwrap_or(Err(StoreError::Closed));
        drop(self.reply.send(committed.and(done)));
    }
}

pub(crate) struct Job {
    begin_before: Instant,
    /// The history of the database in which it was prepared: versions and ids of another one mean something else.
    pub(crate) prepared_in: History,
    /// About how many it writes.
    rows: usize,
    write: Box<dyn PendingWrite>,
    /// Whether it was committed, once that is settled.
    outcome: Option<Result<(), StoreError>>,
}

impl Job {
    pub(crate) fn new<T, W>(
        begin_before: Instant,
        prepared_in: History,
        rows: usize,
        work: W,
    ) -> (Self, oneshot::Receiver<Result<T, StoreError>>)
    where
        T: Send + 'static,
        W: Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let write = Box::new(Pending { work, done: None, reply });
        (Job { begin_before, prepared_in, rows, write, outcome: None }, result)
    }

    pub(crate) fn run(&mut self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        self.write.run(tx)
    }

    /// Settles whether it was committed.
    pub(crate) fn settle(&mut self, outcome: Result<(), StoreError>) {
        self.outcome = Some(outcome);
    }

    fn answer(self) {
        self.write.answer(self.outcome.unwrap_or(Err(StoreError::Closed)));
    }
}

/// Writes that are committed together.
pub(crate) struct Group {
    jobs: Vec<Job>,
    /// Cancelled: nothing more is begun.
    ending: CancellationToken,
}

impl Group {
    pub(crate) fn new(jobs: Vec<Job>, ending: CancellationToken) -> Self {
        Group { jobs, ending }
    }

    /// The writes that are not settled yet. Those that have waited too long are settled first: none is run that nobody
    /// waits for any more.
    pub(crate) fn timely(&mut self) -> Vec<&mut Job> {
        let (now, ending) = (Instant::now(), self.ending.is_cancelled());
        let mut timely = Vec::with_capacity(self.jobs.len());
        for job in self.jobs.iter_mut().filter(|job| job.outcome.is_none()) {
            if job.begin_before < now || ending {
                job.settle(Err(StoreError::Overloaded("the write waited too long for its turn")));
            } else {
                timely.push(job);
            }
        }
        timely
    }

    /// Settles those that are not settled yet.
    pub(crate) fn settle(&mut self, outcome: &Result<(), StoreError>) {
        for job in self.jobs.iter_mut().filter(|job| job.outcome.is_none()) {
            job.settle(outcome.clone());
        }
    }

    pub(crate) fn answer(self) {
        self.jobs.into_iter().for_each(Job::answer);
    }
}

/// Hands writes to the writer task. A cheap handle; the task ends when it is told to stop and has nothing left to do.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    backend: Arc<dyn Backend>,
    operation: Operation,
    condition: Arc<Condition>,
}

impl Writer {
    pub(crate) fn spawn(target: Target, tasks: &Tasks, operation: Operation, condition: &Arc<Condition>) -> Self {
        let (queue, mut jobs) = mpsc::channel(QUEUE);
        let stopping = tasks.stopping();
        let backend = Arc::clone(&target.backend);
        let mut connection = Connection { target, open: None, commits: operation.durations.clone() };
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
        Writer { queue, backend, operation, condition: Arc::clone(condition) }
    }

    /// Runs `work`, which writes about so many rows, in one transaction with others; an error from it undoes what it
    /// did and nothing else. It may be run twice, the first time undone. Returns after the commit. If the caller stops
    /// waiting, the write happens all the same.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit_in(self.backend.progress().0, rows, work).await
    }

    /// As [`submit`](Writer::submit), of a write whose caller has seen rows in this history. In another one it is
    /// refused: the same ids and versions mean something else there.
    pub(crate) async fn submit_in<T: Send + 'static>(
        &self,
        history: History,
        rows: usize,
        work: impl Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let outcome = self.operation.shared(self.enqueue_in(history, rows, work)).await;
        self.condition.writes.note(&outcome);
        outcome
    }

    /// As [`submit`](Writer::submit), for writes that nobody asked for: they neither show in the metrics nor change
    /// the condition.
    pub(crate) async fn enqueue<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.enqueue_in(self.backend.progress().0, rows, work).await
    }

    async fn enqueue_in<T: Send + 'static>(
        &self,
        history: History,
        rows: usize,
        work: impl Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, result) = Job::new(Instant::now() + TIMEOUT, history, rows, work);
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded("too many writes are waiting"),
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        result.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// The connection of the writer.
struct Connection {
    target: Target,
    /// Opened when first needed, and again after a failure.
    open: Option<Box<dyn WriteConnection>>,
    commits: Histogram,
}

impl Connection {
    /// Writes one group in one hop to the blocking threads.
    async fn write(&mut self, jobs: Vec<Job>) {
        let mut group = Group::new(jobs, self.target.ending.clone());
        let mut conn = match self.connection().await {
            Ok(conn) => conn,
            Err(error) => {
                group.settle(&Err(error));
                return group.answer();
            }
        };
        let timer = self.commits.start_timer();
        // When the closure panics, the jobs' reply channels close and the connection is given up with its transaction.
        let written = spawn_blocking(move || {
            let usable = conn.write(&mut group);
            (group, usable.then_some(conn))
        });
        let written = written.await;
        timer.observe_duration();
        match written {
            Ok((group, conn)) => {
                // Here, on a thread of the runtime: from a blocking thread, each waking would be a system call.
                group.answer();
                // The condition logs once that writes fail.
                if conn.is_none() {
                    tracing::debug!("a group of writes could not be committed; reconnecting");
                }
                self.open = conn;
            }
            Err(error) => tracing::error!(%error, "the database writer failed; reconnecting"),
        }
    }

    async fn connection(&mut self) -> Result<Box<dyn WriteConnection>, StoreError> {
        self.target.backend.confirm()?;
        if let Some(conn) = self.open.take().filter(|conn| conn.is_usable()) {
            return Ok(conn);
        }
        let backend = Arc::clone(&self.target.backend);
        spawn_blocking(move || backend.open_writer()).await.map_err(|_| StoreError::Closed)?
    }
}

/// In their order, each with no more rows than are written at a time.
fn in_groups(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: Vec<Vec<Job>> = Vec::new();
    let mut room = 0;
    for job in jobs {
        match groups.last_mut() {
            Some(group) if job.rows.max(1) <= room => {
                room -= job.rows.max(1);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job(begin_before: Instant, rows: usize) -> (Job, oneshot::Receiver<Result<(), StoreError>>) {
        Job::new(begin_before, History::new(1), rows, |_| Ok(()))
    }

    #[test]
    fn a_group_has_a_bound_in_rows() {
        let soon = Instant::now() + Duration::from_secs(60);
        let jobs = [1_000, 1_000, 1, 5_000, 3, 4].map(|rows| job(soon, rows).0);
        let groups = in_groups(Vec::from(jobs));
        let rows = |group: &Vec<Job>| group.iter().map(|job| job.rows).collect::<Vec<_>>();
        let rows: Vec<_> = groups.iter().map(rows).collect();
        assert_eq!(rows, [vec![1_000, 1_000], vec![1], vec![5_000], vec![3, 4]]);
    }
}

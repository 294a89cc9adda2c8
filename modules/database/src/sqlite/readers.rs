//! The readers: connections beside the writer, in lanes, so that what is read in a moment does not wait behind what
//! takes long. Each read is one closure on a blocking thread: it costs one hop however many statements it runs, and
//! cannot leave a transaction open.
//!
//! | lane | what it reads | its time |
//! |---|---|---|
//! | point | products by id, gathered ([`PointReads`](super::point_reads)) | short |
//! | keyed | rows by their keys: products, details, accounts, and what writes look at first | short, whatever it is asked |
//! | lists | pages, organizations, ids | interrupted after [`QUICK`](super::lists), then read in the next lane |
//! | heavy | searches, counts, reports, deep pages | interrupted at the deadline |
//! | watch | the epoch, whether the database answers | short, and waits for nobody |

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use hotshelf_domain::StoreError;
use hotshelf_stats::IntCounter;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, Bounds, Party, Turn};
use super::condition::Condition;
use super::connect::connect;
use super::identity::Identity;
use super::reader::Reader;
use crate::metrics::DatabaseMetrics;

/// How long a read may take, waiting for its turn included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An interrupted statement ends soon. Whoever waits is answered even when it does not.
const GRACE: Duration = Duration::from_millis(250);

/// Gathered reads. While all are under way, the next one grows.
pub(crate) const POINT: Bounds = Bounds { running: 2, running_of_one: 2, waiting: 2, waiting_of_one: 2 };
/// Reads of many ids and the rest. Each takes well below a millisecond of work.
const KEYED: Bounds = Bounds { running: 4, running_of_one: 4, waiting: 1_024, waiting_of_one: 1_024 };
/// As many may wait as writes may be under way: each that has been committed asks whose server the epoch goes with.
const WATCH: Bounds = Bounds { running: 1, running_of_one: 1, waiting: 2_048, waiting_of_one: 2_048 };

/// When a read is to end.
#[derive(Clone)]
pub(crate) struct Limit {
    until: Instant,
    /// Whoever asked is gone, or the database closes.
    given_up: CancellationToken,
}

impl Limit {
    pub(crate) fn is_over(&self) -> bool {
        self.given_up.is_cancelled() || Instant::now() >= self.until
    }

    /// The same, and no longer than so.
    pub(crate) fn at_most(&self, time: Duration) -> Self {
        Limit { until: self.until.min(Instant::now() + time), given_up: self.given_up.clone() }
    }
}

#[cfg(test)]
impl Limit {
    pub(crate) fn of(time: Duration) -> Self {
        Limit { until: Instant::now() + time, given_up: CancellationToken::new() }
    }
}

/// All lanes.
pub(crate) struct Readers {
    pub(crate) point: Lane<Reader>,
    pub(crate) keyed: Lane<SqliteConnection>,
    pub(crate) lists: Lane<Reader>,
    pub(crate) heavy: Lane<Reader>,
    pub(crate) watch: Lane<SqliteConnection>,
}

impl Readers {
    /// `ending` interrupts the reads under way and refuses all others.
    pub(crate) fn new(
        url: &str,
        identity: &Arc<Identity>,
        condition: &Arc<Condition>,
        metrics: &DatabaseMetrics,
        ending: &CancellationToken,
    ) -> Self {
        let keyed = || {
            let url = url.to_owned();
            confirmed(identity, move || connect(&url).map_err(|error| StoreError::failed(error.to_string())))
        };
        let interruptible = || {
            let url = url.to_owned();
            confirmed(identity, move || Ok(Reader::open(&url)?))
        };
        let (lists, heavy) = bounds(thread::available_parallelism().map_or(1, usize::from));
        let readers = Readers {
            point: Lane::new("point", POINT, interruptible(), Some((identity, Some(condition))), metrics, ending),
            keyed: Lane::new("keyed", KEYED, keyed(), Some((identity, Some(condition))), metrics, ending),
            lists: Lane::new("lists", lists, interruptible(), Some((identity, Some(condition))), metrics, ending),
            heavy: Lane::new("heavy", heavy, interruptible(), Some((identity, Some(condition))), metrics, ending),
            watch: Lane::new("watch", WATCH, keyed(), Some((identity, None)), metrics, ending),
        };
        readers.show_in(metrics);
        readers
    }

    /// Whether the next read may have to wait.
    pub(crate) fn are_busy(&self) -> bool {
        self.keyed.is_full() || self.lists.is_full() || self.heavy.is_full()
    }

    /// Closes the connections, when the reads under way have ended.
    pub(crate) async fn close(&self) {
        self.point.close().await;
        self.keyed.close().await;
        self.lists.close().await;
        self.heavy.close().await;
        self.watch.close().await;
    }

    fn show_in(&self, metrics: &DatabaseMetrics) {
        let (help, state) = ("Connections of the readers", |state| [("state", state)]);
        let lanes = self.lanes();
        let idle = move || lanes.iter().map(|lane| lane.idle() as u64).sum();
        metrics.registry.watch_gauge("db_connections", help, &state("idle"), idle);
        let lanes = self.lanes();
        let running = move || lanes.iter().map(|lane| lane.running() as u64).sum();
        metrics.registry.watch_gauge("db_connections", help, &state("in_use"), running);
    }

    fn lanes(&self) -> [Box<dyn Occupancy>; 5] {
        let Readers { point, keyed, lists, heavy, watch } = self;
        [
            Box::new(point.clone()),
            Box::new(keyed.clone()),
            Box::new(lists.clone()),
            Box::new(heavy.clone()),
            Box::new(watch.clone()),
        ]
    }
}

/// How many connections of a lane do what.
pub(crate) trait Occupancy: Send + Sync {
    fn idle(&self) -> usize;
    fn running(&self) -> usize;
}

/// A connection of the database that was opened first, and not of another one that has its name by now.
fn confirmed<C, F: Fn() -> Result<C, StoreError>>(
    identity: &Arc<Identity>,
    open: F,
) -> impl Fn() -> Result<C, StoreError> + use<C, F> {
    let identity = Arc::clone(identity);
    move || {
        let conn = open()?;
        identity.confirm_files()?;
        Ok(conn)
    }
}

/// Of the lists and of what is heavy, on a machine with so many processors. However much one party asks for, a place
/// is left for the others, and on two processors its heavy reads keep one of them busy at most.
fn bounds(processors: usize) -> (Bounds, Bounds) {
    let (lists, heavy) = (processors.clamp(4, 16), processors.clamp(2, 8));
    (
        Bounds { running: lists, running_of_one: lists - 1, waiting: 4_096, waiting_of_one: 512 },
        Bounds { running: heavy, running_of_one: heavy / 2, waiting: 256, waiting_of_one: 32 },
    )
}

/// Reads of one kind, and their connections, which are opened when they are first needed. A cheap handle.
pub(crate) struct Lane<C>(Arc<Inner<C>>);

struct Inner<C> {
    admission: Admission,
    /// No more of them than may run at the same time.
    idle: Mutex<Vec<C>>,
    open: Box<dyn Fn() -> Result<C, StoreError> + Send + Sync>,
    /// Whether the database is still the one that was opened, and who is told how the reads of requests end. `None`
    /// where there is no database, in tests.
    database: Option<(Arc<Identity>, Option<Arc<Condition>>)>,
    ending: CancellationToken,
    refused: Refused,
}

/// Counts the reads that brought nothing.
struct Refused {
    /// Too many were waiting.
    full: IntCounter,
    /// The deadline came before the turn did.
    waited: IntCounter,
    /// The deadline came in the middle of it.
    interrupted: IntCounter,
}

impl<C> Clone for Lane<C> {
    fn clone(&self) -> Self {
        Lane(Arc::clone(&self.0))
    }
}

impl<C: Send + 'static> Lane<C> {
    fn new(
        name: &str,
        bounds: Bounds,
        open: impl Fn() -> Result<C, StoreError> + Send + Sync + 'static,
        database: Option<(&Arc<Identity>, Option<&Arc<Condition>>)>,
        metrics: &DatabaseMetrics,
        ending: &CancellationToken,
    ) -> Self {
        let refused = |reason| metrics.reads_refused(name, reason);
        let refused = Refused { full: refused("full"), waited: refused("waited"), interrupted: refused("interrupted") };
        let lane = Lane(Arc::new(Inner {
            admission: Admission::new(bounds),
            idle: Mutex::default(),
            open: Box::new(open),
            database: database.map(|(identity, condition)| (Arc::clone(identity), condition.cloned())),
            ending: ending.clone(),
            refused,
        }));
        let seen = lane.clone();
        metrics.watch_waiting(name, move || seen.0.admission.waiting() as u64);
        lane
    }

    /// A read that is short by itself, by whoever asks.
    pub(crate) async fn read<T: Send + 'static, E: Into<StoreError>>(
        &self,
        query: impl FnOnce(&mut C) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_within(None, deadline(), move |conn, _| query(conn)).await
    }

    /// Reads when it is the party's turn, until the deadline at most. Nothing is read that nobody waits for any more:
    /// a caller that goes away leaves the queue, or ends the read that is under way, if it looks at its limit.
    pub(crate) async fn read_within<T: Send + 'static, E: Into<StoreError>>(
        &self,
        party: Party,
        deadline: Instant,
        query: impl FnOnce(&mut C, &Limit) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError> {
        let query = move |conn: &mut C, limit: &Limit| query(conn, limit).map_err(Into::into);
        let Some((identity, condition)) = &self.0.database else {
            return self.read_in_turn(party, deadline, query).await;
        };
        identity.confirm()?;
        let answer = self.read_in_turn(party, deadline, query).await;
        condition.iter().for_each(|condition| condition.note_read(&answer));
        answer
    }

    async fn read_in_turn<T: Send + 'static>(
        &self,
        party: Party,
        deadline: Instant,
        query: impl FnOnce(&mut C, &Limit) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turn(party, deadline).await?;
        let limit = Limit { until: deadline, given_up: self.0.ending.child_token() };
        let _cancelled_when_dropped = limit.given_up.clone().drop_guard();
        let lane = self.clone();
        // The place is taken until the thread is done, also when nobody waits for it any more.
        let reading = spawn_blocking(move || lane.run(turn, &limit, query));
        let answer = match timeout_at(deadline + GRACE, reading).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(died)) => Err(StoreError::failed(format!("a read died: {died}"))),
            Err(_) => Err(StoreError::Overloaded("the read took too long")),
        };
        if matches!(answer, Err(StoreError::Overloaded(_))) {
            self.0.refused.interrupted.inc();
        }
        answer
    }

    async fn turn(&self, party: Party, deadline: Instant) -> Result<Turn, StoreError> {
        let Inner { admission, ending, refused, .. } = &*self.0;
        tokio::select! {
            biased;
            () = ending.cancelled() => Err(StoreError::Closed),
            turn = timeout_at(deadline, admission.turn(party)) => match turn {
                Ok(turn) => Ok(turn.inspect_err(|_| refused.full.inc())?),
                Err(_) => {
                    refused.waited.inc();
                    Err(StoreError::Overloaded("the read waited too long for its turn"))
                }
            },
        }
    }

    fn run<T>(
        &self,
        _turn: Turn,
        limit: &Limit,
        query: impl FnOnce(&mut C, &Limit) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let answer = if limit.is_over() {
            Err(StoreError::Overloaded("the read waited too long for its turn"))
        } else {
            self.run_query(limit, query)
        };
        match answer {
            // The end is one of the things that make a limit be over, before the query begins as well as in the
            // middle.
            Err(StoreError::Overloaded(_)) if self.0.ending.is_cancelled() => Err(StoreError::Closed),
            answer => answer,
        }
    }

    fn run_query<T>(
        &self,
        limit: &Limit,
        query: impl FnOnce(&mut C, &Limit) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.0.idle.lock().pop();
        let mut conn = idle.map_or_else(|| (self.0.open)(), Ok)?;
        let answer = query(&mut conn, limit);
        // One that has failed is not used again; nor is one whose read panics.
        if !matches!(answer, Err(StoreError::Unavailable(_))) && !self.0.ending.is_cancelled() {
            self.0.idle.lock().push(conn);
        }
        answer
    }

    async fn close(&self) {
        self.0.admission.wait_for_all().await;
        self.0.idle.lock().clear();
    }
}

impl<C: Send> Occupancy for Lane<C> {
    fn idle(&self) -> usize {
        self.0.idle.lock().len()
    }

    fn running(&self) -> usize {
        self.0.admission.running()
    }
}

impl<C> Lane<C> {
    fn is_full(&self) -> bool {
        self.0.admission.is_full()
    }
}

/// Of a read that begins now.
pub(crate) fn deadline() -> Instant {
    Instant::now() + TIMEOUT
}

#[cfg(test)]
mod tests;

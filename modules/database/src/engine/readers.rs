//! The readers: connections beside the writer, in pools, so that what is read in a moment does not wait behind what
//! takes long. Each read is one closure on a blocking thread: it costs one hop however many statements it runs, and
//! cannot leave a transaction open.
//!
//! | pool (`lane` in the metrics) | what it reads | its time |
//! |---|---|---|
//! | point | products by id, gathered ([`PointReads`](super::point_reads)) | short |
//! | keyed | rows by their keys: products, details, accounts, and what writes look at first | short, whatever it is asked |
//! | lists | pages, organizations, ids | interrupted after [`QUICK`](crate::database), then read in the next pool |
//! | heavy | searches, counts, reports, deep pages | interrupted at the deadline |
//! | watch | the epoch, whether the database answers | short, and does not wait behind other reads |

use std::any::Any;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hotshelf_domain::StoreError;
use hotshelf_stats::IntCounter;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, Bounds, Party, Turn};
use super::condition::Condition;
use crate::backend::{Backend, KeyedConnection, ListReader, ReadConnection, Target};
use crate::error::SqlError;
use crate::metrics::DatabaseMetrics;
use crate::port::Tx;

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
    /// Returns when it is over.
    pub(crate) async fn over(&self) {
        self.given_up.run_until_cancelled(sleep_until(self.until)).await;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.given_up.is_cancelled() || Instant::now() >= self.until
    }

    /// The same, but not later than in so much time.
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

/// All pools.
pub(crate) struct Readers {
    pub(crate) point: Arc<Pool<dyn ListReader>>,
    pub(crate) keyed: Arc<Pool<dyn KeyedConnection>>,
    pub(crate) lists: Arc<Pool<dyn ListReader>>,
    pub(crate) heavy: Arc<Pool<dyn ListReader>>,
    pub(crate) watch: Arc<Pool<dyn KeyedConnection>>,
}

impl Readers {
    pub(crate) fn new(target: Target, condition: &Arc<Condition>, metrics: &DatabaseMetrics) -> Self {
        let (lists, heavy) = bounds(thread::available_parallelism().map_or(1, usize::from));
        let condition = Some(condition);
        let list_pool = |name, bounds| Pool::new(name, bounds, <dyn Backend>::open_lists, &target, condition, metrics);
        let keyed_pool =
            |name, bounds, condition| Pool::new(name, bounds, <dyn Backend>::open_keyed, &target, condition, metrics);
        let readers = Readers {
            point: list_pool("point", POINT),
            keyed: keyed_pool("keyed", KEYED, condition),
            lists: list_pool("lists", lists),
            heavy: list_pool("heavy", heavy),
            watch: keyed_pool("watch", WATCH, None),
        };
        let gauge = |state, connections: fn(&dyn AnyPool) -> usize| {
            let pools = readers.pools();
            let sum = move || pools.iter().map(|pool| connections(&**pool) as u64).sum();
            metrics.registry.watch_gauge("db_connections", "Connections of the readers", &[("state", state)], sum);
        };
        gauge("idle", |pool| pool.idle());
        gauge("in_use", |pool| pool.admission().running());
        readers
    }

    /// Whether the next read may have to wait.
    pub(crate) fn are_busy(&self) -> bool {
        self.keyed.admission.is_full() || self.lists.admission.is_full() || self.heavy.admission.is_full()
    }

    /// Closes the connections, when the reads under way have ended.
    pub(crate) async fn close(&self) {
        for pool in self.pools() {
            pool.admission().wait_for_all().await;
            pool.close_idle();
        }
    }

    fn pools(&self) -> [Arc<dyn AnyPool>; 5] {
        let Readers { point, keyed, lists, heavy, watch } = self;
        [point.clone(), keyed.clone(), lists.clone(), heavy.clone(), watch.clone()]
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

/// A query without its own type, so that the code that gives it a turn is compiled once, and not for each query.
type Query<C> = Box<dyn FnOnce(&mut C, &Limit) -> Result<Answer, SqlError> + Send>;
type Answer = Box<dyn Any + Send>;

/// How a connection of a pool is opened.
type Open<C> = fn(&dyn Backend) -> Result<Box<C>, StoreError>;

/// Connections for reads of one kind. They are opened when they are first needed.
pub(crate) struct Pool<C: ?Sized> {
    admission: Admission,
    /// No more of them than may run at the same time.
    idle: Mutex<Vec<Box<C>>>,
    open: Open<C>,
    target: Target,
    /// Notes how the reads of requests end.
    condition: Option<Arc<Condition>>,
    /// Counts the reads that were refused because too many were waiting,
    full: IntCounter,
    /// those whose deadline came before their turn,
    waited: IntCounter,
    /// and those whose deadline came while they ran.
    interrupted: IntCounter,
}

/// A pool, whatever its connections are.
pub(crate) trait AnyPool: Send + Sync {
    fn admission(&self) -> &Admission;
    fn idle(&self) -> usize;
    fn close_idle(&self);
}

impl<C: ReadConnection + ?Sized> AnyPool for Pool<C> {
    fn admission(&self) -> &Admission {
        &self.admission
    }

    fn idle(&self) -> usize {
        self.idle.lock().len()
    }

    fn close_idle(&self) {
        self.idle.lock().clear();
    }
}

impl<C: ReadConnection + ?Sized + 'static> Pool<C> {
    fn new(
        name: &str,
        bounds: Bounds,
        open: Open<C>,
        target: &Target,
        condition: Option<&Arc<Condition>>,
        metrics: &DatabaseMetrics,
    ) -> Arc<Self> {
        let refused = |reason| metrics.reads_refused(name, reason);
        let pool = Arc::new(Pool {
            admission: Admission::new(bounds),
            idle: Mutex::default(),
            open,
            target: target.clone(),
            condition: condition.cloned(),
            full: refused("full"),
            waited: refused("waited"),
            interrupted: refused("interrupted"),
        });
        let seen = Arc::clone(&pool);
        metrics.watch_waiting(name, move || seen.admission.waiting() as u64);
        pool
    }

    /// Reads when it is the party's turn, until the deadline at most. Nothing is read that nobody waits for any more:
    /// a caller that goes away leaves the queue, or ends the read that is under way, if it looks at its limit.
    pub(crate) async fn read_within<T: Send + 'static>(
        self: &Arc<Self>,
        party: Party,
        deadline: Instant,
        query: impl FnOnce(&mut C, &Limit) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let query = move |conn: &mut C, limit: &Limit| Ok(Box::new(query(conn, limit)?) as Answer);
        let answer = self.read_boxed(party, deadline, Box::new(query)).await?.downcast();
        answer.map(|answer| *answer).map_err(|_| StoreError::failed("a read brought another's answer".to_owned()))
    }

    async fn read_boxed(
        self: &Arc<Self>,
        party: Party,
        deadline: Instant,
        query: Query<C>,
    ) -> Result<Answer, StoreError> {
        self.target.backend.confirm()?;
        let answer = self.read_in_turn(party, deadline, query).await;
        if let Some(condition) = &self.condition {
            condition.reads.note(&answer);
        }
        answer
    }

    async fn read_in_turn(
        self: &Arc<Self>,
        party: Party,
        deadline: Instant,
        query: Query<C>,
    ) -> Result<Answer, StoreError> {
        let turn = self.turn(party, deadline).await?;
        let limit = Limit { until: deadline, given_up: self.target.ending.child_token() };
        let _cancelled_when_dropped = limit.given_up.clone().drop_guard();
        let pool = Arc::clone(self);
        // The place is taken until the thread is done, also when nobody waits for it any more.
        let reading = spawn_blocking(move || pool.run(turn, &limit, query));
        let answer = match timeout_at(deadline + GRACE, reading).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(died)) => Err(StoreError::failed(format!("a read died: {died}"))),
            Err(_) => Err(StoreError::Overloaded("the read took too long")),
        };
        if matches!(answer, Err(StoreError::Overloaded(_))) {
            self.interrupted.inc();
        }
        answer
    }

    async fn turn(&self, party: Party, deadline: Instant) -> Result<Turn, StoreError> {
        tokio::select! {
            biased;
            () = self.target.ending.cancelled() => Err(StoreError::Closed),
            turn = timeout_at(deadline, self.admission.turn(party)) => match turn {
                Ok(turn) => turn.inspect_err(|_| self.full.inc()),
                Err(_) => {
                    self.waited.inc();
                    Err(StoreError::Overloaded("the read waited too long for its turn"))
                }
            },
        }
    }

    fn run(&self, _turn: Turn, limit: &Limit, query: Query<C>) -> Result<Answer, StoreError> {
        match self.run_query(limit, query) {
            // The end of the database is one of the things that a limit stands for.
            Err(StoreError::Overloaded(_)) if self.target.ending.is_cancelled() => Err(StoreError::Closed),
            answer => answer,
        }
    }

    fn run_query(&self, limit: &Limit, query: Query<C>) -> Result<Answer, StoreError> {
        if limit.is_over() {
            return Err(StoreError::Overloaded("the read waited too long for its turn"));
        }
        let mut conn = self.connection()?;
        // What was read before the database became another may be what others have overwritten in that one.
        let answer = query(&mut *conn, limit).map_err(StoreError::from);
        let answer = answer.and_then(|answer| conn.confirm().map(|()| answer));
        // One that has failed is not used again; nor is one whose read panics.
        let failed = matches!(answer, Err(StoreError::Unavailable(_))) || !conn.is_usable();
        if !failed && !self.target.ending.is_cancelled() {
            self.idle.lock().push(conn);
        }
        answer
    }

    /// One that leads to the database of now.
    fn connection(&self) -> Result<Box<C>, StoreError> {
        loop {
            let idle = self.idle.lock().pop();
            match idle {
                Some(conn) if !conn.is_usable() || conn.confirm().is_err() => {}
                Some(conn) => return Ok(conn),
                None => return (self.open)(&*self.target.backend),
            }
        }
    }
}

impl Pool<dyn KeyedConnection> {
    /// A read that is short by itself, without a party.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_within(None, deadline(), move |conn, _| query(conn.tx())).await
    }
}

impl Pool<dyn ListReader> {
    /// A read that is short by itself, without a party.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&dyn ListReader) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_within(None, deadline(), move |conn, _| query(conn)).await
    }
}

/// Of a read that begins now.
pub(crate) fn deadline() -> Instant {
    Instant::now() + TIMEOUT
}

#[cfg(test)]
mod tests;

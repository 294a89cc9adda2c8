//! The handle on the database. What it does for whom is in the files below, by subject.

mod accounts;
mod audit;
mod catalogue;
mod epoch;
mod lists;
mod products;
mod registration;

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_domain::{History, Quotas, StoreError};
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Registry;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, Target};
use crate::engine::condition::{self, Condition};
use crate::engine::heartbeat;
use crate::engine::operation::Operation;
use crate::engine::point_reads::PointReads;
use crate::engine::readers::{self, Readers};
use crate::engine::writer::Writer;
use crate::error::{OpenError, SqlError};
use crate::metrics::DatabaseMetrics;
use crate::port::Tx;
use crate::postgres::{Postgres, ServerUrl};
use crate::sqlite::Sqlite;
use crate::usecases;
pub use audit::Noted;
use hotshelf_cache::{Committed, Fencing};

/// Which database, and who else is in it.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// Where it is.
    pub location: Location,
    /// What each organization may have that has no quotas of its own.
    pub quotas: Quotas,
}

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Location {
    /// A SQLite file, made when it is not there.
    File {
        /// The file.
        path: PathBuf,
        /// Several processes share it. Otherwise a lock file keeps a second one out.
        shared: bool,
    },
    /// A database of a PostgreSQL server, which any number of processes share.
    Server(ServerUrl),
}

impl DatabaseOptions {
    /// The database in this file, for this process alone and without quotas.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Location::File { path: path.into(), shared: false }.into()
    }
}

impl From<Location> for DatabaseOptions {
    /// Without quotas.
    fn from(location: Location) -> Self {
        DatabaseOptions { location, quotas: Quotas::default() }
    }
}

/// Without a password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File { path, .. } => write!(f, "{}", path.display()),
            Location::Server(url) => write!(f, "PostgreSQL at {url}"),
        }
    }
}

impl Location {
    /// Opens the database. Blocks.
    fn open(self) -> Result<Arc<dyn Backend>, OpenError> {
        Ok(match self {
            Location::File { path, shared } => Arc::new(Sqlite::open(&path, shared)?),
            Location::Server(url) => Arc::new(Postgres::open(url)?),
        })
    }
}

/// The database: the truth that the cache is filled from.
///
/// A cheap handle. A write that has returned `Ok` is on disk: it survives the end of the process and the loss of
/// power. A read sees every write that had returned before the read began. Writes share commits, so many concurrent
/// ones cost little more than one; a write whose caller goes away happens all the same.
///
/// Every read and every write may fail with [`StoreError::Overloaded`], [`StoreError::Unavailable`],
/// [`StoreError::Replaced`] and [`StoreError::Closed`]; the methods name only other errors. Whether a write that failed
/// may have been committed says [`StoreError::changed_nothing`].
///
/// ```
/// use hotshelf_cache::Fencing;
/// use hotshelf_database::{Database, DatabaseOptions};
/// use hotshelf_domain::ProductDraft;
/// use hotshelf_stats::Registry;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let options = DatabaseOptions::at(directory.path().join("products.db"));
/// let database = Database::open(options, &Registry::new()?).await?;
///
/// let draft = ProductDraft::from_json(br#"{"name": "Cup", "price": 4.5}"#)?;
/// let cup = database.create(draft.into_new()?, Fencing::Fenced).await?.value;
/// assert_eq!(database.find(cup.id).await?, Some(cup));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    writer: Writer,
    readers: Readers,
    point_reads: PointReads,
    tasks: Tasks,
    ending: Ending,
    operations: Operations,
    condition: Arc<Condition>,
    backend: Arc<dyn Backend>,
    /// Of organizations that have none of their own.
    quotas: Quotas,
}

/// How a stop interrupts work.
#[derive(Clone, Default)]
struct Ending {
    /// Cancelled: no read goes on.
    reads: CancellationToken,
    /// Cancelled: no write is begun any more.
    writes: CancellationToken,
}

/// The kinds of reads beside `find`, under their names in the metrics.
struct Operations {
    find_many: Operation,
    page: Operation,
    page_ids: Operation,
    details: Operation,
    count: Operation,
    ids: Operation,
    analytics: Operation,
    organizations: Operation,
    schemas: Operation,
    audit_log: Operation,
    epoch: Operation,
    ping: Operation,
}

impl Operations {
    fn new(metrics: &DatabaseMetrics) -> Self {
        let operation = |name| Operation::new(metrics, name);
        Operations {
            find_many: operation("find_many"),
            page: operation("page"),
            page_ids: operation("page_ids"),
            details: operation("details"),
            count: operation("count"),
            ids: operation("ids"),
            analytics: operation("analytics"),
            organizations: operation("organizations"),
            schemas: operation("schemas"),
            audit_log: operation("audit_log"),
            epoch: operation("epoch"),
            ping: operation("ping"),
        }
    }
}

impl Database {
    /// Locks, migrates and opens the database, and registers its metrics.
    ///
    /// # Errors
    /// [`OpenError`], each kind with what to do about it.
    pub async fn open(options: DatabaseOptions, registry: &Registry) -> Result<Self, OpenError> {
        let DatabaseOptions { location, quotas } = options;
        let opened = spawn_blocking(move || location.open()).await;
        let backend = opened.map_err(|died| OpenError::Died(died.to_string()))??;
        let metrics = DatabaseMetrics::register(registry, backend.system());
        let metrics = metrics.and_then(|metrics| metrics.watch_database(Arc::clone(&backend)).map(|()| metrics));
        let metrics = metrics.map_err(|error| OpenError::Metrics(error.to_string()))?;
        let tasks = Tasks::default();
        let (ending, condition) = (Ending::default(), Arc::new(Condition::new()));
        let target = |ending| Target { backend: Arc::clone(&backend), ending };
        let readers = Readers::new(target(ending.reads.clone()), &condition, &metrics);
        let finds = Operation::new(&metrics, "find");
        let commits = Operation::new(&metrics, "commit");
        let writer = Writer::spawn(target(ending.writes.clone()), &tasks, commits, &condition);
        heartbeat::spawn(Arc::clone(&backend), writer.clone(), &tasks);
        condition::spawn_probe(Arc::clone(&condition), writer.clone(), readers.watch.clone(), &tasks);
        Ok(Database(Arc::new(Inner {
            writer,
            point_reads: PointReads::spawn(&readers.point, readers::POINT.running, &tasks, finds, &metrics),
            operations: Operations::new(&metrics),
            readers,
            tasks,
            ending,
            condition,
            backend,
            quotas,
        })))
    }

    /// Reads a row, to find out whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let answer = self.0.operations.ping.of(self.0.readers.watch.read(|tx| tx.probe_read())).await;
        self.0.condition.reads.note_probe(&answer);
        answer
    }

    /// Prepares for a [`close`](Database::close) that is to be over within `limit`: when half of it has passed,
    /// reads end, and no write is begun any more, so that those who wait for them can stop as well.
    pub(crate) fn prepare_close(&self, limit: Duration) {
        let (Ending { reads, writes }, closing) = (self.0.ending.clone(), self.0.tasks.stopping());
        self.0.tasks.spawn(async move {
            if timeout(limit / 2, closing.cancelled()).await.is_err() {
                reads.cancel();
                writes.cancel();
            }
        });
    }

    /// Ends the reads, finishes the writes that were accepted, refuses new ones, and brings SQLite's log into its file.
    ///
    /// # Errors
    /// When that took longer than `limit` or failed; nothing acknowledged is lost either way.
    pub async fn close(&self, limit: Duration) -> Result<(), StoreError> {
        let end = Instant::now() + limit;
        self.0.ending.reads.cancel();
        let mut stopping = pin!(self.0.tasks.stop(limit));
        let stopped = match timeout(limit / 2, &mut stopping).await {
            Ok(stopped) => stopped,
            Err(_) => {
                self.0.ending.writes.cancel();
                stopping.await
            }
        };
        if !stopped || timeout_at(end, self.0.readers.close()).await.is_err() {
            return Err(StoreError::Overloaded("reads or writes were still under way"));
        }
        let backend = Arc::clone(&self.0.backend);
        let closed = timeout_at(end, spawn_blocking(move || backend.close())).await;
        let closed = closed.map_err(|_| StoreError::Overloaded("the checkpoint was still under way"))?;
        closed.map_err(|died| StoreError::failed(format!("the checkpoint died: {died}")))?
    }

    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.0.backend
    }

    /// A read of rows by their keys.
    pub(crate) async fn keyed_read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.readers.keyed.read(query).await
    }

    /// A write that nothing else is to be in a group with.
    pub(crate) async fn write_alone<T: Send + 'static>(
        &self,
        work: impl Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.submit(usize::MAX, work).await
    }

    pub(crate) fn title(&self) -> String {
        self.0.backend.title()
    }

    pub(crate) fn condition(&self) -> &Condition {
        &self.0.condition
    }

    pub(crate) fn ended_tasks(&self) -> Vec<&'static str> {
        self.0.tasks.ended_early()
    }

    /// One write of about so many rows; see [`usecases::epoch::commit`].
    async fn commit<T: Send + 'static>(
        &self,
        rows: usize,
        fencing: Fencing,
        work: impl Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        self.commit_in(self.history(), rows, fencing, work).await
    }

    /// The same of a write whose caller has seen rows in this history: in another one it is refused.
    async fn commit_in<T: Send + 'static>(
        &self,
        history: History,
        rows: usize,
        fencing: Fencing,
        work: impl Fn(&mut dyn Tx) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        self.0.writer.submit_in(history, rows, move |tx| usecases::epoch::commit(tx, fencing, &work)).await
    }
}

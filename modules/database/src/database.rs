//! The handle on the database. What it does for whom is in the files below, by subject.

mod accounts;
mod audit;
mod catalogue;
mod epoch;
mod lists;
mod products;
mod registration;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{Quotas, StoreError};
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Registry;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::error::OpenError;
use crate::metrics::DatabaseMetrics;
use crate::sqlite::condition::{self, Condition};
use crate::sqlite::connect;
use crate::sqlite::error::SqlError;
use crate::sqlite::heartbeat;
use crate::sqlite::identity::{Identity, Target};
use crate::sqlite::lock::DatabaseLock;
use crate::sqlite::operation::Operation;
use crate::sqlite::permissions::close_to_others;
use crate::sqlite::point_reads::PointReads;
use crate::sqlite::readers::{self, Readers};
use crate::sqlite::writer::Writer;
use crate::usecases;
pub use audit::Noted;
use hotshelf_cache::{Committed, Fencing};

/// Which database, and who else is in it.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// The SQLite file, made when it is not there.
    pub path: PathBuf,
    /// Several processes share the database. Otherwise a lock file keeps a second one out.
    pub shared: bool,
    /// What each organization may have that has no quotas of its own.
    pub quotas: Quotas,
}

impl DatabaseOptions {
    /// The database in this file, for this process alone and without quotas.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        DatabaseOptions { path: path.into(), shared: false, quotas: Quotas::default() }
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
    identity: Arc<Identity>,
    /// Of organizations that have none of their own.
    quotas: Quotas,
    /// The connection that was opened first. As long as one is open, SQLite keeps the files beside the database.
    first: Arc<Mutex<SqliteConnection>>,
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
        let path = canonical(options.path)?;
        let url = path.to_str().ok_or_else(|| OpenError::Path(path.clone()))?.to_owned();
        let failed = |cause: String| OpenError::Open { database: path.clone(), cause };
        let (file, address) = (path.clone(), url.clone());
        let opened = tokio::task::spawn_blocking(move || {
            close_to_others(&file);
            let lock = DatabaseLock::acquire(&file, options.shared)?;
            let (conn, opened) = connect::prepare(&file, &address, &lock, options.shared)?;
            let identity = Identity::new(&file, lock, opened.row);
            let identity = identity.map_err(|error| OpenError::Open { database: file, cause: error.to_string() })?;
            Ok::<_, OpenError>((Arc::new(identity), Arc::new(Mutex::new(conn))))
        });
        let (identity, first) = opened.await.map_err(|error| failed(error.to_string()))??;

        let metrics = DatabaseMetrics::register(registry).map_err(|error| failed(error.to_string()))?;
        let tasks = Tasks::default();
        let (ending, condition) = (Ending::default(), Arc::new(Condition::new()));
        let target = |ending| Target { url: url.clone(), identity: Arc::clone(&identity), ending };
        let readers = Readers::new(target(ending.reads.clone()), &condition, &metrics);
        let finds = Operation::new(&metrics, "find");
        let commits = Operation::new(&metrics, "commit");
        let writer = Writer::spawn(target(ending.writes.clone()), &tasks, commits, &condition);
        heartbeat::spawn(Arc::clone(&identity), Arc::clone(&first), writer.clone(), &tasks);
        condition::spawn_probe(Arc::clone(&condition), writer.clone(), readers.watch.clone(), &tasks);
        tracing::info!(path = %path.display(), shared = options.shared, "database open");
        Ok(Database(Arc::new(Inner {
            writer,
            point_reads: PointReads::spawn(&readers.point, readers::POINT.running, &tasks, finds, &metrics),
            operations: Operations::new(&metrics),
            readers,
            tasks,
            ending,
            condition,
            identity,
            quotas: options.quotas,
            first,
        })))
    }

    /// Reads a row, to find out whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let answer = self.0.operations.ping.of(self.0.readers.watch.read(condition::read_probe)).await;
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

    /// Ends the reads, finishes the writes that were accepted, refuses new ones, and checkpoints.
    ///
    /// # Errors
    /// When that took longer than `limit` or the checkpoint failed; nothing acknowledged is lost either way.
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
        // A log must not be moved into a file that it does not belong to.
        if !self.0.identity.may_move_the_log() {
            return self.0.identity.confirm();
        }
        let first = Arc::clone(&self.0.first);
        let checkpoint = tokio::task::spawn_blocking(move || connect::checkpoint(&mut first.lock()));
        let checkpoint = timeout_at(end, checkpoint).await;
        let checkpoint = checkpoint.map_err(|_| StoreError::Overloaded("the checkpoint was still under way"))?;
        if !checkpoint.map_err(|died| StoreError::failed(format!("the checkpoint died: {died}")))?? {
            tracing::warn!("the write-ahead log stays beside the database: another process is at work on it");
        }
        self.0.identity.confirm()
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
        work: impl Fn(&mut SqliteConnection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        self.0.writer.submit(rows, move |conn| usecases::epoch::commit(conn, fencing, &work)).await
    }
}

/// The one name under which every process finds the same lock file: symbolic links are followed, as SQLite does.
fn canonical(path: PathBuf) -> Result<PathBuf, OpenError> {
    match std::fs::metadata(&path) {
        Ok(file) if file.nlink() > 1 => return Err(OpenError::HardLinked { database: path, names: file.nlink() }),
        Ok(_) => {
            return path.canonicalize().map_err(|error| OpenError::Open { database: path, cause: error.to_string() });
        }
        // It is created when it is opened, or that fails and says why.
        Err(_) => {}
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (directory.canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => Ok(directory.join(name)),
        _ => Ok(path),
    }
}

//! The catalogue on SQLite: one group-committing writer, readers in lanes, gathered reads by id.

mod accounts;
mod admission;
mod bulk;
mod catalogue;
mod condition;
mod connect;
mod details;
mod epoch;
mod heartbeat;
mod history;
mod identity;
mod listing;
mod lists;
mod lock;
mod operation;
mod organizations;
mod point_reads;
mod read_counts;
mod reader;
mod readers;
mod rebuild;
mod references;
mod rows;
mod schema;
mod schemas;
mod search_index;
mod statement;
mod writer;

use hotshelf_cache::{Committed, Epoch, Fencing};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use diesel::Connection;
use diesel::sqlite::SqliteConnection;
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Stats;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::draft::NewProduct;
use crate::error::{OpenError, StoreError};
use crate::history::History;
use crate::ids::ProductId;
use crate::patch::ProductPatch;
use crate::product::{Product, Version};
use crate::repository::{DatabaseOptions, Expect};
pub(crate) use condition::Condition;
use identity::Identity;
use lock::DatabaseLock;
use operation::Operation;
use point_reads::PointReads;
use readers::Readers;
use references::References;
use writer::{WriteConnection, Writer};

/// An open SQLite catalogue.
pub(crate) struct SqliteCatalogue {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    point_reads: PointReads,
    tasks: Tasks,
    ending: Ending,
    operations: Operations,
    condition: Arc<Condition>,
    identity: Arc<Identity>,
    /// The connection that was opened first. As long as there is one, the files beside the database keep their places.
    first: Arc<Mutex<SqliteConnection>>,
}

/// What a stop tells those at work.
#[derive(Clone, Default)]
struct Ending {
    /// No read goes on.
    reads: CancellationToken,
    /// No write is begun any more.
    writes: CancellationToken,
}

/// The reads that are no point reads, each kind by the name it has in the metrics.
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
    epoch: Operation,
    ping: Operation,
}

impl Operations {
    fn new(stats: &Stats) -> Self {
        let operation = |name| Operation::new(stats, name);
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
            epoch: operation("epoch"),
            ping: operation("ping"),
        }
    }
}

impl SqliteCatalogue {
    pub(crate) async fn open(options: DatabaseOptions, stats: &Stats) -> Result<Self, OpenError> {
        let path = place_of(options.path)?;
        let url = path.to_str().ok_or_else(|| OpenError::Path(path.clone()))?.to_owned();
        let failed = |cause: String| OpenError::Open { database: path.clone(), cause };
        let (file, address) = (path.clone(), url.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let lock = DatabaseLock::acquire(&file, options.shared)?;
            let (conn, opened) = connect::prepare(&file, &address, &lock, options.shared)?;
            let identity = Identity::new(&file, lock, opened.row);
            let identity = identity.map_err(|error| OpenError::Open { database: file, cause: error.to_string() })?;
            Ok::<_, OpenError>((Arc::new(identity), Arc::new(Mutex::new(conn))))
        });
        let (identity, first) = opened.await.map_err(|error| failed(error.to_string()))??;

        let tasks = Tasks::default();
        let (ending, condition) = (Ending::default(), Arc::new(Condition::new()));
        let readers = Readers::new(&url, &identity, &condition, stats, &ending.reads);
        let finds = Operation::new(stats, "find");
        let commits = Operation::new(stats, "commit");
        let to_write = WriteConnection::new(url, &identity, ending.writes.clone(), &commits);
        let writer = Writer::spawn(to_write, &tasks, commits, &condition);
        let heartbeat = heartbeat::run(Arc::clone(&identity), Arc::clone(&first), writer.clone(), tasks.stopping());
        tasks.spawn_loop("database heartbeat", heartbeat);
        condition::spawn_probe(Arc::clone(&condition), writer.clone(), readers.watch.clone(), &tasks);
        Ok(SqliteCatalogue {
            writer,
            point_reads: PointReads::spawn(readers.point.clone(), readers::POINT.running, &tasks, finds, stats),
            operations: Operations::new(stats),
            readers,
            tasks,
            ending,
            condition,
            path,
            identity,
            first,
        })
    }

    pub(crate) async fn find(&self, id: ProductId) -> Result<Option<Product>, StoreError> {
        self.point_reads.find(id).await
    }

    pub(crate) async fn find_many(&self, ids: &[ProductId]) -> Result<HashMap<ProductId, Product>, StoreError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        let reading = self.readers.keyed.read(move |conn| rows::find_many(conn, &ids));
        let found = self.operations.find_many.of(reading).await?;
        Ok(found.into_values().map(|product| (product.id, product)).collect())
    }

    pub(crate) async fn create(&self, new: NewProduct, fencing: Fencing) -> Result<Committed<Product>, StoreError> {
        self.commit(fencing, move |conn| {
            References::default().check(conn, &new)?;
            rows::insert(conn, &new)
        })
        .await
    }

    pub(crate) async fn update(
        &self,
        id: ProductId,
        patch: ProductPatch,
        expect: Expect,
        seen: Option<Version>,
        fencing: Fencing,
    ) -> Result<Committed<Product>, StoreError> {
        self.commit(fencing, move |conn| rows::update(conn, id, &patch, &expect, seen)).await
    }

    pub(crate) async fn delete(
        &self,
        id: ProductId,
        expect: Expect,
        seen: Option<Version>,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit(fencing, move |conn| rows::delete(conn, id, &expect, seen)).await
    }

    pub(crate) async fn epoch(&self) -> Result<(Epoch, String), StoreError> {
        let (known, identity) = (self.identity.commits(), Arc::clone(&self.identity));
        let read = self.readers.watch.read(move |conn| {
            let (row, current) =
                conn.transaction(|conn| Ok::<_, StoreError>((history::current(conn)?, epoch::current(conn)?)))?;
            identity.confirm_committed(row, known)?;
            Ok(current)
        });
        self.operations.epoch.of(read).await
    }

    pub(crate) async fn advance_epoch(&self) -> Result<Epoch, StoreError> {
        self.writer.submit(epoch::advance).await
    }

    pub(crate) async fn reconcile_epoch(&self, server: String) -> Result<Epoch, StoreError> {
        // Most of the time there is nothing to write, and no need to wait for a turn among the writers.
        match self.epoch().await? {
            (epoch, known) if known == server => Ok(epoch),
            _ => self.writer.submit(move |conn| epoch::reconcile(conn, &server)).await,
        }
    }

    pub(crate) fn history(&self) -> History {
        self.identity.history()
    }

    pub(crate) fn commits(&self) -> u64 {
        self.identity.commits().cast_unsigned()
    }

    pub(crate) async fn begin_history(&self, known: History) -> Result<(), StoreError> {
        let begun = self.writer.submit(move |conn| {
            // Others who share the database may have found the same.
            if history::current(conn)?.history() == known {
                history::begin(conn, 0)?;
            }
            Ok(history::current(conn)?.history())
        });
        self.identity.adopt(begun.await?);
        Ok(())
    }

    pub(crate) fn noticed_replacement(&self) -> CancellationToken {
        self.identity.noticed()
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let answer = self.operations.ping.of(self.readers.watch.read(condition::read_probe)).await;
        self.condition.note_read_probe(&answer);
        answer
    }

    pub(crate) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Those who use the database are about to stop, within so long: from half of it on, nothing more is begun for them, and
    /// no read goes on.
    pub(crate) fn hurry(&self, patience: Duration) {
        let (Ending { reads, writes }, closing) = (self.ending.clone(), self.tasks.stopping());
        self.tasks.spawn(async move {
            if timeout(patience / 2, closing.cancelled()).await.is_err() {
                reads.cancel();
                writes.cancel();
            }
        });
    }

    /// Ends all reads, writes what has been accepted as far as half of the time allows, then moves the write-ahead log into
    /// the database file.
    pub(crate) async fn close(&self, patience: Duration) -> Result<(), StoreError> {
        let end = Instant::now() + patience;
        self.ending.reads.cancel();
        let mut stopping = pin!(self.tasks.stop(patience));
        let stopped = match timeout(patience / 2, &mut stopping).await {
            Ok(stopped) => stopped,
            Err(_) => {
                self.ending.writes.cancel();
                stopping.await
            }
        };
        if !stopped || timeout_at(end, self.readers.close()).await.is_err() {
            return Err(StoreError::Overloaded("reads or writes were still under way"));
        }
        // A log must not be moved into a file that it does not belong to.
        if !self.identity.may_move_the_log() {
            return self.identity.confirm();
        }
        let first = Arc::clone(&self.first);
        let checkpoint = tokio::task::spawn_blocking(move || connect::checkpoint(&mut first.lock()));
        match timeout_at(end, checkpoint).await {
            Ok(Ok(Ok(true))) => self.identity.confirm(),
            Ok(Ok(Ok(false))) => {
                tracing::warn!("the write-ahead log stays beside the database: another process is at work on it");
                self.identity.confirm()
            }
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(died)) => Err(StoreError::failed(format!("the checkpoint died: {died}"))),
            Err(_) => Err(StoreError::Overloaded("the checkpoint was still under way")),
        }
    }

    pub(crate) fn ended_tasks(&self) -> Vec<&'static str> {
        self.tasks.ended_early()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// One write and, when copies elsewhere may have missed it, the advance of their epoch with it: both or neither.
    async fn commit<T: Send + 'static>(
        &self,
        fencing: Fencing,
        work: impl Fn(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        self.commit_rows(1, fencing, work).await
    }

    /// As [`commit`](SqliteCatalogue::commit), of about so many rows.
    async fn commit_rows<T: Send + 'static>(
        &self,
        rows: usize,
        fencing: Fencing,
        work: impl Fn(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        self.writer
            .submit_rows(rows, move |conn| {
                let value = work(conn)?;
                let epoch = match fencing {
                    Fencing::Fenced => None,
                    Fencing::Unfenced => Some(epoch::advance(conn)?),
                };
                Ok(Committed::new(value, epoch))
            })
            .await
    }
}

/// The one name under which every process finds the same lock file: symbolic links are followed, as SQLite does.
fn place_of(path: PathBuf) -> Result<PathBuf, OpenError> {
    match std::fs::metadata(&path) {
        Ok(file) if file.nlink() > 1 => return Err(OpenError::HardLinked { database: path, names: file.nlink() }),
        Ok(_) => {
            return path.canonicalize().map_err(|error| OpenError::Open { database: path, cause: error.to_string() });
        }
        // It is to be made, or cannot be: the attempt will tell.
        Err(_) => {}
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (directory.canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => Ok(directory.join(name)),
        _ => Ok(path),
    }
}

//! The catalogue on SQLite: one group-committing writer, a pool of readers, gathered reads by id.

mod accounts;
mod bulk;
mod catalogue;
mod connect;
mod details;
mod epoch;
mod listing;
mod lists;
mod lock;
mod operation;
mod organizations;
mod point_reads;
mod read_counts;
mod readers;
mod references;
mod rows;
mod schema;
mod schemas;
mod search_index;
mod statement;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::Stats;

use crate::draft::NewProduct;
use crate::error::{OpenError, StoreError};
use crate::ids::ProductId;
use crate::patch::ProductPatch;
use crate::product::{Product, Version};
use crate::repository::{Committed, Copies, DatabaseOptions, Expect};
use lock::DatabaseLock;
use operation::Operation;
use point_reads::PointReads;
use readers::Readers;
use references::References;
use writer::Writer;

/// Connections that read at the same time. SQLite readers do not block each other; more than a few only queue on the CPU.
const READERS: usize = 4;
/// Gathered reads under way at a time.
const POINT_QUERIES: usize = 2;

/// An open SQLite catalogue.
pub(crate) struct SqliteCatalogue {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    /// Of its own, so that the word about the epoch does not wait behind pages.
    epoch_reader: Readers,
    point_reads: PointReads,
    tasks: Tasks,
    operations: Operations,
    _lock: DatabaseLock,
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
        let path = options.path;
        let url = path.to_str().ok_or_else(|| OpenError::Path(path.clone()))?.to_owned();
        let failed = |cause: String| OpenError::Open { database: path.clone(), cause };
        let lock = DatabaseLock::acquire(&path, options.shared)?;
        let (file, address) = (path.clone(), url.clone());
        let prepared = tokio::task::spawn_blocking(move || connect::prepare(&file, &address)).await;
        prepared.map_err(|error| failed(error.to_string()))??;

        let tasks = Tasks::default();
        let readers = Readers::new(&url, READERS).map_err(failed)?;
        let epoch_reader = Readers::new(&url, 1).map_err(failed)?;
        readers.show_in(stats);
        Ok(SqliteCatalogue {
            writer: Writer::spawn(url, &tasks, Operation::new(stats, "commit")),
            point_reads: PointReads::spawn(readers.clone(), POINT_QUERIES, &tasks, Operation::new(stats, "find")),
            operations: Operations::new(stats),
            readers,
            epoch_reader,
            tasks,
            path,
            _lock: lock,
        })
    }

    pub(crate) async fn find(&self, id: ProductId) -> Result<Option<Product>, StoreError> {
        self.point_reads.find(id).await
    }

    pub(crate) async fn find_many(&self, ids: &[ProductId]) -> Result<HashMap<ProductId, Product>, StoreError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        let reading = self.readers.read(move |conn| rows::find_many(conn, &ids));
        let found = self.operations.find_many.of(reading).await?;
        Ok(found.into_values().map(|product| (product.id, product)).collect())
    }

    pub(crate) async fn create(&self, new: NewProduct, copies: Copies) -> Result<Committed<Product>, StoreError> {
        self.commit(copies, move |conn| {
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
        copies: Copies,
    ) -> Result<Committed<Product>, StoreError> {
        self.commit(copies, move |conn| rows::update(conn, id, &patch, &expect, seen)).await
    }

    pub(crate) async fn delete(
        &self,
        id: ProductId,
        expect: Expect,
        seen: Option<Version>,
        copies: Copies,
    ) -> Result<Committed<()>, StoreError> {
        self.commit(copies, move |conn| rows::delete(conn, id, &expect, seen)).await
    }

    pub(crate) async fn epoch(&self) -> Result<(i64, String), StoreError> {
        self.operations.epoch.of(self.epoch_reader.read(epoch::current)).await
    }

    pub(crate) async fn advance_epoch(&self) -> Result<i64, StoreError> {
        self.writer.submit(epoch::advance).await
    }

    pub(crate) async fn reconcile_epoch(&self, server: String) -> Result<i64, StoreError> {
        // Most of the time there is nothing to write, and no need to wait for a turn among the writers.
        match self.epoch().await? {
            (epoch, known) if known == server => Ok(epoch),
            _ => self.writer.submit(move |conn| epoch::reconcile(conn, &server)).await,
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let reading = self.readers.read(|conn| Ok(conn.batch_execute("SELECT 1 FROM organization_counts")?));
        self.operations.ping.of(reading).await
    }

    /// Writes what has been accepted, then moves the write-ahead log into the database file.
    pub(crate) async fn close(&self, patience: Duration) -> Result<(), StoreError> {
        let checkpoint = self.readers.read(|conn| Ok(conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?));
        if !self.tasks.stop(patience).await {
            return Err(StoreError::Overloaded("writes were still under way"));
        }
        let done = checkpoint.await;
        self.readers.close();
        self.epoch_reader.close();
        done
    }

    pub(crate) fn ended_tasks(&self) -> Vec<&'static str> {
        self.tasks.ended_early()
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// One write and, when copies elsewhere may have missed it, the advance of their epoch with it: both or neither.
    async fn commit<T: Send + 'static>(
        &self,
        copies: Copies,
        work: impl Fn(&mut diesel::sqlite::SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        self.writer
            .submit(move |conn| {
                let value = work(conn)?;
                let epoch = match copies {
                    Copies::Fenced => None,
                    Copies::Unfenced => Some(epoch::advance(conn)?),
                };
                Ok(Committed { value, epoch })
            })
            .await
    }
}

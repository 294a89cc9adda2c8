mod accounts;
mod catalogue;
mod lists;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotshelf_domain::{Expect, History, NewProduct, Product, ProductId, ProductPatch, StoreError, Version};
use hotshelf_stats::Stats;
use tokio_util::sync::CancellationToken;

pub use accounts::AccountRepository;

use crate::error::OpenError;
use crate::sqlite::{Condition, SqliteCatalogue};

/// Which database, and who else is in it.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// The SQLite file, made when it is not there.
    pub path: PathBuf,
    /// Several processes share the database. Otherwise a lock file keeps a second one out.
    pub shared: bool,
}

/// Whether copies of what is being written are barred for the time of the write, wherever they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// They are: nobody can read an old copy or make one.
    Fenced,
    /// They are not, because their keeper is out of reach. The write advances the epoch of all copies with it.
    Unfenced,
}

/// What a write did, and the epoch it opened if it had to ([`Copies::Unfenced`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// The result.
    pub value: T,
    /// Copies of an older epoch than this are void.
    pub epoch: Option<i64>,
}

impl<T> Committed<T> {
    /// The result and the epoch. An epoch that cannot be is a failure, not none: the copies would stay good.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; the write is in the database all the same.
    pub fn into_parts(self) -> Result<(T, Option<u64>), StoreError> {
        let counted =
            |epoch| u64::try_from(epoch).map_err(|_| StoreError::from_serialization(format!("{epoch} is no epoch")));
        Ok((self.value, self.epoch.map(counted).transpose()?))
    }
}

/// The products in the database: the truth that caches hold copies of.
///
/// A cheap handle. A write that has returned `Ok` is on disk: it survives the end of the process and the loss of
/// power. A read sees every write that had returned before the read began. Writes share commits, so many concurrent
/// ones cost little more than one; a write whose caller goes away happens all the same.
///
/// ```
/// use hotshelf_database::{Copies, DatabaseOptions, ProductRepository};
/// use hotshelf_domain::ProductDraft;
/// use hotshelf_stats::Stats;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let options = DatabaseOptions { path: directory.path().join("products.db"), shared: false };
/// let products = ProductRepository::open(options, &Stats::new()?).await?;
///
/// let draft = ProductDraft::from_json(br#"{"name": "Cup", "price": 4.5}"#)?;
/// let cup = products.create(draft.into_new()?, Copies::Fenced).await?.value;
/// assert_eq!(products.find(cup.id).await?, Some(cup));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ProductRepository(Arc<SqliteCatalogue>);

impl ProductRepository {
    /// Locks, migrates and opens the database.
    ///
    /// # Errors
    /// [`OpenError`], each kind with what to do about it.
    pub async fn open(options: DatabaseOptions, stats: &Stats) -> Result<Self, OpenError> {
        let shared = options.shared;
        let repository = ProductRepository(Arc::new(SqliteCatalogue::open(options, stats).await?));
        tracing::info!(path = %repository.path().display(), shared, "database open");
        Ok(repository)
    }

    /// The product, `None` when there is none or no longer. Concurrent calls share one query.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`], [`StoreError::Unavailable`], [`StoreError::Closed`].
    pub async fn find(&self, id: ProductId) -> Result<Option<Product>, StoreError> {
        self.0.find(id).await
    }

    /// Those of the products that exist, in one query. Up to some thousands of ids.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn find_many(&self, ids: &[ProductId]) -> Result<HashMap<ProductId, Product>, StoreError> {
        self.0.find_many(ids).await
    }

    /// Stores a new product, with its fields and images, under an id that no product ever had.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its organization does not exist, or its schema does not, or belongs to another one,
    /// or its fields do not fit the schema; and as [`find`](ProductRepository::find); see [`StoreError::changed_nothing`].
    pub async fn create(&self, new: NewProduct, copies: Copies) -> Result<Committed<Product>, StoreError> {
        self.0.create(new, copies).await
    }

    /// Changes what the patch names and counts the version up by one. A patch that names nothing changes nothing.
    ///
    /// `seen` is the version that the caller derived from which copies the write makes void: at another one, they may
    /// be others.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::PreconditionFailed`], then [`StoreError::Overtaken`] when the product
    /// is not at the version `seen`; [`StoreError::Invalid`] when it cannot have the schema; and as
    /// [`create`](ProductRepository::create).
    pub async fn update(
        &self,
        id: ProductId,
        patch: ProductPatch,
        expect: Expect,
        seen: Option<Version>,
        copies: Copies,
    ) -> Result<Committed<Product>, StoreError> {
        self.0.update(id, patch, expect, seen, copies).await
    }

    /// Takes the product out of the catalogue; its id is never used again.
    ///
    /// # Errors
    /// As [`update`](ProductRepository::update).
    pub async fn delete(
        &self,
        id: ProductId,
        expect: Expect,
        seen: Option<Version>,
        copies: Copies,
    ) -> Result<Committed<()>, StoreError> {
        self.0.delete(id, expect, seen, copies).await
    }

    /// The epoch of all copies, and the server whose memory goes with it, as it was named last.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn epoch(&self) -> Result<(i64, String), StoreError> {
        self.0.epoch().await
    }

    /// Makes every copy void that is of the epoch until now, and returns the new one.
    ///
    /// # Errors
    /// As [`create`](ProductRepository::create).
    pub async fn advance_epoch(&self) -> Result<i64, StoreError> {
        self.0.advance_epoch().await
    }

    /// The epoch that goes with the memory of `server`: the current one when the same server was named last, else a
    /// new one, since another server's memory, or one that was restarted, may hold anything.
    ///
    /// # Errors
    /// As [`create`](ProductRepository::create).
    pub async fn reconcile_epoch(&self, server: String) -> Result<i64, StoreError> {
        self.0.reconcile_epoch(server).await
    }

    /// The history of the database: versions and ids of another one do not count here. One look at memory.
    pub fn history(&self) -> History {
        self.0.history()
    }

    /// How many groups of writes were committed in this history, as far as is known here: by other processes, as of the
    /// last heartbeat or the last [`epoch`](ProductRepository::epoch). One look at memory.
    pub fn commits(&self) -> u64 {
        self.0.commits()
    }

    /// Begins a new history, unless another one than `known` has begun already: somebody knows a later state of this
    /// database than it has itself. Ids go on a million later, every copy is void, and all sessions end.
    ///
    /// # Errors
    /// As [`create`](ProductRepository::create).
    pub async fn begin_history(&self, known: History) -> Result<(), StoreError> {
        self.0.begin_history(known).await
    }

    /// Cancelled when the database was found not to be the one that was opened ([`StoreError::Replaced`]): by a write
    /// before it is acknowledged, else within half a second. It stays so until the process ends.
    pub fn replaced(&self) -> CancellationToken {
        self.0.noticed_replacement()
    }

    /// Whether the database answers a read.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }

    /// Prepares for a [`close`](ProductRepository::close) that is to be over within `patience`: when half of it has passed,
    /// reads end, and no write is begun any more, so that those who wait for them can stop as well.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn hurry(&self, patience: Duration) {
        self.0.hurry(patience);
    }

    /// Ends the reads, finishes the writes that were accepted, refuses new ones, and checkpoints.
    ///
    /// # Errors
    /// When that took longer than `patience` or the checkpoint failed; nothing acknowledged is lost either way.
    pub async fn close(&self, patience: Duration) -> Result<(), StoreError> {
        self.0.close(patience).await
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn condition(&self) -> &Condition {
        self.0.condition()
    }

    pub(crate) fn ended_tasks(&self) -> Vec<&'static str> {
        self.0.ended_tasks()
    }
}

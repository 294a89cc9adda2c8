mod accounts;
mod catalogue;
mod epoch;
mod lists;

use hotshelf_cache::{Committed, Epoch, Fencing};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotshelf_stats::Stats;
use tokio_util::sync::CancellationToken;

pub use accounts::{AccountRepository, Used};

use crate::draft::NewProduct;
use crate::error::{OpenError, StoreError};
use crate::history::History;
use crate::ids::ProductId;
use crate::patch::ProductPatch;
use crate::product::{Product, Version};
use crate::sqlite::{Condition, SqliteCatalogue};

/// Which database, and who else is in it.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// The SQLite file, made when it is not there.
    pub path: PathBuf,
    /// Several processes share the database. Otherwise a lock file keeps a second one out.
    pub shared: bool,
}

/// What a write requires of the product, or the schema, it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// That it exists.
    Anything,
    /// That it is at one of these versions.
    OneOf(Vec<Version>),
}

impl Expect {
    /// Whether the write may be about what is at this version.
    pub fn holds(&self, current: Version) -> bool {
        match self {
            Expect::Anything => true,
            Expect::OneOf(versions) => versions.contains(&current),
        }
    }
}

/// The products in the database: the truth that caches hold copies of.
///
/// A cheap handle. A write that has returned `Ok` is on disk: it survives the end of the process and the loss of
/// power. A read sees every write that had returned before the read began. Writes share commits, so many concurrent
/// ones cost little more than one; a write whose caller goes away happens all the same.
///
/// ```
/// use hotshelf_cache::Fencing;
/// use hotshelf_domain::{DatabaseOptions, ProductDraft, ProductRepository};
/// use hotshelf_stats::Stats;
///
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let options = DatabaseOptions { path: directory.path().join("products.db"), shared: false };
/// let products = ProductRepository::open(options, &Stats::new()?).await?;
///
/// let draft = ProductDraft::from_json(br#"{"name": "Cup", "price": 4.5}"#)?;
/// let cup = products.create(draft.into_new()?, Fencing::Fenced).await?.value;
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
    pub async fn create(&self, new: NewProduct, fencing: Fencing) -> Result<Committed<Product>, StoreError> {
        self.0.create(new, fencing).await
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
        fencing: Fencing,
    ) -> Result<Committed<Product>, StoreError> {
        self.0.update(id, patch, expect, seen, fencing).await
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
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.0.delete(id, expect, seen, fencing).await
    }

    /// The epoch of all copies, and the server whose memory goes with it, as it was named last.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn epoch(&self) -> Result<(Epoch, String), StoreError> {
        self.0.epoch().await
    }

    /// Makes every copy void that is of the epoch until now, and returns the new one.
    ///
    /// # Errors
    /// As [`create`](ProductRepository::create).
    pub async fn advance_epoch(&self) -> Result<Epoch, StoreError> {
        self.0.advance_epoch().await
    }

    /// The epoch that goes with the memory of `server`: the current one when the same server was named last, else a
    /// new one, since another server's memory, or one that was restarted, may hold anything.
    ///
    /// # Errors
    /// As [`create`](ProductRepository::create).
    pub async fn reconcile_epoch(&self, server: String) -> Result<Epoch, StoreError> {
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

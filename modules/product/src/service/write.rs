//! How every write goes: wait for the writers of the same products, look at them, fence the caches, commit, invalidate,
//! acknowledge. From the fences on it runs in a task of its own (see `Cache::write`), so that a client that hangs up
//! cannot cut it in two.

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use hotshelf_cache::{Committed, EntryRef, Fencing, KeyGuard, Tag, WriteError, WriteStrategy};
use hotshelf_database::Database;
use hotshelf_domain::{Expect, Product, ProductId, ProductScope, StoreError, VersionInHistory};

use super::ProductService;
use crate::crash::Step;
use crate::error::ProductError;
use crate::keys;
use crate::tags::{self, Home, distinct};

/// How often a write looks again at a product that another instance changes at the same time.
const ATTEMPTS: usize = 10;

/// Sets of ids that are loaded again at the same time.
const SETS_AT_ONCE: usize = 8;

impl ProductService {
    /// The entries of a product.
    pub(super) fn entries(&self, id: ProductId) -> [EntryRef; 2] {
        [self.0.products.entry(keys::product(id)), self.0.details.entry(keys::details(id))]
    }

    /// A write of products that do not exist yet. Nobody knows their ids before the commit, so no entry is fenced.
    pub(super) async fn add<T, F>(
        &self,
        homes: &[Home],
        commit: impl FnOnce(Database, Fencing) -> F + Send + 'static,
    ) -> Result<T, ProductError>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, StoreError>> + Send,
    {
        let sets = self.kept_sets(homes).await;
        let guard = self.0.cache.lock_keys(Vec::new()).await?;
        let added = self.write(guard, tags::memberships(homes), commit).await?;
        self.keep_sets(sets).await;
        Ok(added)
    }

    /// A write of one product that exists, repeated as long as another instance changes the product between the look
    /// at it and the commit. `affects` tells, of the product as it is, which tags the write invalidates, and the homes
    /// of which it changes the sets of ids.
    pub(super) async fn change<T, F>(
        &self,
        id: ProductId,
        expect: &Expect,
        affects: impl Fn(&Product) -> (Vec<Tag>, Vec<Home>),
        commit: impl Fn(Database, VersionInHistory, Fencing) -> F + Clone + Send + 'static,
    ) -> Result<T, ProductError>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, StoreError>> + Send,
    {
        for _ in 0..ATTEMPTS {
            let guard = self.0.cache.lock_keys(self.entries(id).to_vec()).await?;
            let (current, seen) = self.current(id, expect).await?;
            let (tags, homes) = affects(&current);
            let sets = self.kept_sets(&homes).await;
            let commit = commit.clone();
            let commit = move |database, fencing| commit(database, seen, fencing);
            match self.write(guard, tags, commit).await {
                Err(ProductError::Write(WriteError::Store(StoreError::VersionConflict { .. }))) => {}
                written => {
                    if written.is_ok() {
                        self.keep_sets(sets).await;
                    }
                    Step::BeforeAck.reached();
                    return written;
                }
            }
        }
        Err(WriteError::Locked.into())
    }

    /// As it is in the database now, if that is what the write expects: a write that will be refused invalidates
    /// nothing.
    async fn current(&self, id: ProductId, expect: &Expect) -> Result<(Product, VersionInHistory), StoreError> {
        // Before the look: if another history begins meanwhile, the write is refused.
        let history = self.history();
        let current = self.0.repository.find(id).await?.ok_or(StoreError::NotFound(id))?;
        let seen = VersionInHistory { history, version: current.version };
        match expect.holds(seen, Some(current.updated_at)) {
            true => Ok((current, seen)),
            false => Err(StoreError::PreconditionFailed { id, current: current.version }),
        }
    }

    /// A write by the protocol of the cache, with its crash points.
    async fn write<T, F>(
        &self,
        guard: KeyGuard<StoreError>,
        tags: Vec<Tag>,
        commit: impl FnOnce(Database, Fencing) -> F + Send + 'static,
    ) -> Result<T, ProductError>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, StoreError>> + Send,
    {
        let repository = self.0.repository.clone();
        Step::BeforeFence.reached();
        let committing = async move |fencing| {
            Step::AfterFence.reached();
            let committed = commit(repository, fencing).await?;
            Step::AfterCommit.reached();
            Ok(committed)
        };
        let value = guard.write(tags, committing).await?;
        Step::AfterRelease.reached();
        Ok(value)
    }

    pub(super) fn writes_through(&self) -> bool {
        self.0.cache.write_strategy() == WriteStrategy::WriteThrough
    }

    /// Of the sets of ids that a write of products at home there may invalidate, those that somebody has asked for.
    /// With the write-through strategy they are loaded again before the write is acknowledged.
    pub(super) async fn kept_sets(&self, homes: &[Home]) -> Vec<ProductScope> {
        if !self.writes_through() {
            return Vec::new();
        }
        let sets_of = |home: &Home| [ProductScope::Organization(home.0), ProductScope::Schema(home.1)];
        let sets = distinct(homes.iter().flat_map(sets_of));
        // Together: of many homes, it costs the round trip of one.
        let held =
            join_all(sets.iter().map(|members| async { self.0.cache.holds(&self.ids_entry(*members)).await })).await;
        sets.into_iter().zip(held).filter_map(|(members, held)| held.then_some(members)).collect()
    }

    pub(super) async fn keep_sets(&self, sets: Vec<ProductScope>) {
        stream::iter(sets).for_each_concurrent(SETS_AT_ONCE, |members| self.keep_ids(members)).await;
    }
}

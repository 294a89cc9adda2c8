//! How every write goes: wait for its turn, look at the product, fence the caches, commit, void the caches,
//! acknowledge. From the fences on it runs in a task of its own (see `Cache::write`), so that a client that hangs up
//! cannot cut it in two.

use std::future::Future;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use hotshelf_cache::{Committed, EntryRef, Fencing, KeyGuard, Tag, WriteError, WriteStrategy};
use hotshelf_domain::{OrganizationId, ProductId, ProductScope, SchemaId, StoreError};

use super::ProductService;
use crate::crash::Step;
use crate::error::ProductError;
use crate::keys;

/// How often a write looks again at a product that another instance changes at the same time.
const ATTEMPTS: usize = 10;

/// Sets of ids that are loaded again at the same time.
const SETS_AT_ONCE: usize = 8;

/// Whose a product is.
pub(super) type Home = (OrganizationId, SchemaId);

impl ProductService {
    /// The entries of a product.
    pub(super) fn entries(&self, id: ProductId) -> [EntryRef; 2] {
        [self.0.products.entry(keys::product(id)), self.0.details.entry(keys::details(id))]
    }

    /// Repeats a write of one product as long as another instance has changed it after this one had looked at it.
    pub(super) async fn until_not_overtaken<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ProductError>
    where
        F: Future<Output = Result<T, ProductError>>,
    {
        for _ in 0..ATTEMPTS {
            match attempt().await {
                Err(ProductError::Write(WriteError::Store(StoreError::VersionConflict { .. }))) => {}
                done => {
                    Step::BeforeAck.reached();
                    return done;
                }
            }
        }
        Err(WriteError::Locked.into())
    }

    /// A write by the protocol of the cache, with its crash points.
    pub(super) async fn write<T, F>(
        &self,
        guard: KeyGuard<StoreError>,
        tags: Vec<Tag>,
        commit: impl FnOnce(Fencing) -> F + Send + 'static,
    ) -> Result<T, ProductError>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, StoreError>> + Send,
    {
        Step::BeforeFence.reached();
        let committing = async move |fencing| {
            Step::AfterFence.reached();
            let committed = commit(fencing).await?;
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

    /// Of the sets of ids that a write of products at home there may make void, those that somebody has asked for. With
    /// the write-through strategy they are loaded again before the write is acknowledged.
    pub(super) async fn kept_sets(&self, homes: &[Home]) -> Vec<ProductScope> {
        if !self.writes_through() {
            return Vec::new();
        }
        let mut sets = Vec::new();
        for (organization, schema) in homes {
            for members in [ProductScope::Organization(*organization), ProductScope::Schema(*schema)] {
                if !sets.contains(&members) {
                    sets.push(members);
                }
            }
        }
        // Together: of many homes, it costs the round trip of one.
        let held =
            join_all(sets.iter().map(|members| async { self.0.cache.holds(&self.ids_entry(*members)).await })).await;
        sets.into_iter().zip(held).filter_map(|(members, held)| held.then_some(members)).collect()
    }

    pub(super) async fn keep_sets(&self, sets: Vec<ProductScope>) {
        stream::iter(sets).for_each_concurrent(SETS_AT_ONCE, |members| self.keep_ids(members)).await;
    }
}

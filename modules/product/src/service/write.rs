//! How every write goes: wait for its turn, bar the caches, commit, void the caches, acknowledge.

use std::future::Future;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use hotshelf_cache::{Collection, Key, Slot, Turn, Value, Write, WriteStrategy};
use hotshelf_database::{Committed, Copies};
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
    pub(super) fn slots(&self, id: ProductId) -> [Slot; 2] {
        [self.0.products.slot(keys::product(id)), self.0.details.slot(keys::details(id))]
    }

    /// Works in a task of its own, so that a client that hangs up cannot cut a write in two.
    pub(super) async fn in_a_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ProductError>> + Send + 'static,
    ) -> Result<T, ProductError> {
        let done = self.0.writes.spawn(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a write's task died");
            Err(ProductError::BrokeOff)
        });
        Step::BeforeAck.reached();
        done
    }

    /// Repeats a write of one product as long as another instance has changed it after this one had looked at it.
    pub(super) async fn until_not_overtaken<T, F>(&self, attempt: impl Fn(Self) -> F) -> Result<T, ProductError>
    where
        F: Future<Output = Result<T, ProductError>>,
    {
        for _ in 0..ATTEMPTS {
            match attempt(self.clone()).await {
                Err(ProductError::Store(StoreError::VersionConflict { .. })) => {}
                done => return done,
            }
        }
        Err(ProductError::Locked)
    }

    /// Bars the caches.
    pub(super) async fn begin(
        &self,
        turn: Turn<StoreError>,
        collections: Vec<Collection>,
    ) -> Result<Write<StoreError>, ProductError> {
        Step::BeforeFence.reached();
        let write = turn.begin(collections).await?;
        Step::AfterFence.reached();
        Ok(write)
    }

    /// Commits and ends the write; `leaves` makes the new entries of what was written.
    pub(super) async fn commit<T, F>(
        &self,
        write: Write<StoreError>,
        commit: impl FnOnce(Copies) -> F,
        leaves: fn(&T) -> Vec<(Key, Value)>,
    ) -> Result<T, ProductError>
    where
        F: Future<Output = Result<Committed<T>, StoreError>>,
    {
        let committing = async |covered| {
            let copies = if covered { Copies::Fenced } else { Copies::Unfenced };
            let committed = commit(copies).await?;
            Step::AfterCommit.reached();
            committed.into_parts()
        };
        let value = write.commit(committing, StoreError::changed_nothing, leaves).await?;
        Step::AfterRelease.reached();
        Ok(value)
    }

    pub(super) fn writes_through(&self) -> bool {
        self.0.cache.write_strategy() == WriteStrategy::WriteThrough
    }

    /// Of the sets of ids that a write of products at home there may make void, those that somebody has asked for. With the
    /// write-through strategy they are loaded again before the write is acknowledged.
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
            join_all(sets.iter().map(|members| async { self.0.cache.holds(&self.ids_slot(*members)).await })).await;
        sets.into_iter().zip(held).filter_map(|(members, held)| held.then_some(members)).collect()
    }

    pub(super) async fn keep_sets(&self, sets: Vec<ProductScope>) {
        stream::iter(sets).for_each_concurrent(SETS_AT_ONCE, |members| self.keep_ids(members)).await;
    }
}

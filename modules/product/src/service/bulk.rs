//! Writes of many products at once.

use hotshelf_cache::{Write, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::{Actor, Invalid, NewProduct, ProductId, ProductScope, StoreError};

use super::ProductService;
use crate::crash::Step;
use crate::error::ProductError;
use crate::tags::{self, distinct};

impl ProductService {
    /// Stores many products in one transaction, up to some thousands, and says of each, in the same order, which id it
    /// got or why it could not be stored. With `all_or_nothing`, one that is not valid keeps all of them out.
    ///
    /// # Errors
    /// [`StoreError::InvalidMany`] for `all_or_nothing` among others, [`WriteError::InvalidationUnconfirmed`].
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        all_or_nothing: bool,
    ) -> Result<Vec<Result<ProductId, Invalid>>, ProductError> {
        let homes = distinct(new.iter().map(|new| (new.organization_id, new.schema_id)));
        let commit = async move |database: Database, fencing| database.create_many(new, all_or_nothing, fencing).await;
        let created = self.add(&homes, commit).await?;
        Step::BeforeAck.reached();
        Ok(created)
    }

    /// Takes the products out of the catalogue, in one transaction, and returns those that were in it, in the order
    /// given. Up to some thousands.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn delete_many(&self, ids: Vec<ProductId>, by: Actor) -> Result<Vec<ProductId>, ProductError> {
        let guard = self.0.cache.lock_keys(ids.iter().flat_map(|id| self.entries(*id)).collect()).await?;
        let service = self.clone();
        Step::BeforeFence.reached();
        let deleting = async move |write| service.delete_fenced(write, ids, by).await;
        let (deleted, sets) = guard.fenced(Vec::new(), deleting).await?;
        Step::AfterRelease.reached();
        self.keep_sets(sets).await;
        Step::BeforeAck.reached();
        Ok(deleted)
    }

    /// Which lists the products are on is read behind the fences: from there on, no other instance can move one of
    /// them. Returns the sets of ids that are to be kept as well.
    async fn delete_fenced(
        &self,
        mut write: Write<StoreError>,
        ids: Vec<ProductId>,
        by: Actor,
    ) -> Result<(Vec<ProductId>, Vec<ProductScope>), WriteError<StoreError>> {
        Step::AfterFence.reached();
        let history = self.history();
        let homes = match self.0.repository.find_many(&ids).await {
            Ok(found) => distinct(found.values().map(tags::home)),
            Err(error) => {
                write.unchanged().await;
                return Err(WriteError::Store(error));
            }
        };
        let sets = self.kept_sets(&homes).await;
        write.also_invalidate(tags::memberships(&homes)).await;
        let commit = async |fencing| {
            let deleted = self.0.repository.delete_many(ids, history, by, fencing).await?;
            Step::AfterCommit.reached();
            Ok(deleted)
        };
        Ok((write.commit(commit).await?, sets))
    }
}

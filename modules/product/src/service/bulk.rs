//! Writes of many products at once.

use hotshelf_cache::Collection;
use hotshelf_domain::{Invalid, NewProduct, ProductId};

use super::ProductService;
use super::write::Home;
use crate::collections;
use crate::error::ProductError;

impl ProductService {
    /// Stores many products in one transaction, up to some thousands, and says of each, in the same order, which id it got
    /// or why it could not be stored. With `all_or_nothing`, one that is not valid keeps all of them out.
    ///
    /// # Errors
    /// [`ProductError::Store`], with [`InvalidMany`](hotshelf_domain::StoreError::InvalidMany) for `all_or_nothing`, and
    /// [`ProductError::Unsettled`].
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        all_or_nothing: bool,
    ) -> Result<Vec<Result<ProductId, Invalid>>, ProductError> {
        let service = self.clone();
        self.in_a_task(async move {
            let homes = distinct(new.iter().map(|new| (new.organization_id, new.schema_id)).collect());
            let sets = service.kept_sets(&homes).await;
            let write = service.begin(service.0.cache.turn(Vec::new()).await?, memberships(&homes)).await?;
            let repository = service.0.repository.clone();
            let commit = async move |copies| repository.create_many(new, all_or_nothing, copies).await;
            let created = service.commit(write, commit, |_| Vec::new()).await?;
            service.keep_sets(sets).await;
            Ok(created)
        })
        .await
    }

    /// Takes the products out of the catalogue, in one transaction, and returns those that were in it, in the order given.
    /// Up to some thousands.
    ///
    /// # Errors
    /// [`ProductError::Locked`], [`ProductError::Store`], [`ProductError::Unsettled`].
    pub async fn delete_many(&self, ids: Vec<ProductId>) -> Result<Vec<ProductId>, ProductError> {
        let service = self.clone();
        self.in_a_task(async move {
            let slots = ids.iter().flat_map(|id| service.slots(*id)).collect();
            let mut write = service.begin(service.0.cache.turn(slots).await?, Vec::new()).await?;
            // Behind the bars: from here on, no other instance can move one of them to another list.
            let found = service.0.repository.find_many(&ids).await;
            let homes = match found {
                Ok(found) => distinct(found.values().map(|found| (found.organization_id, found.schema_id)).collect()),
                Err(error) => {
                    write.unchanged().await;
                    return Err(error.into());
                }
            };
            let sets = service.kept_sets(&homes).await;
            write.touch(memberships(&homes)).await;
            let repository = service.0.repository.clone();
            let commit = async move |copies| repository.delete_many(ids, copies).await;
            let deleted = service.commit(write, commit, |_| Vec::new()).await?;
            service.keep_sets(sets).await;
            Ok(deleted)
        })
        .await
    }
}

fn distinct(mut homes: Vec<Home>) -> Vec<Home> {
    homes.sort_unstable();
    homes.dedup();
    homes
}

fn memberships(homes: &[Home]) -> Vec<Collection> {
    let mut collections = Vec::new();
    for (organization, schema) in homes {
        for collection in collections::membership(*organization, *schema) {
            if !collections.contains(&collection) {
                collections.push(collection);
            }
        }
    }
    collections
}

//! Writes of single products.

#[cfg(doc)]
use hotshelf_cache::WriteError;
use hotshelf_cache::{Key, Value};
use hotshelf_database::Database;
#[cfg(doc)]
use hotshelf_domain::StoreError;
use hotshelf_domain::{
    Actor, Changes, DetailsPatch, Expect, NewProduct, Product, ProductDetails, ProductId, ProductPatch,
};

use super::ProductService;
use crate::crash::Step;
use crate::error::ProductError;
use crate::{keys, render, tags};

impl ProductService {
    /// Stores a new product with its details. With the write-through strategy, a read of it right afterwards is a hit.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] among others, [`WriteError::InvalidationUnconfirmed`].
    pub async fn create(&self, new: NewProduct) -> Result<Product, ProductError> {
        let home = (new.organization_id, new.schema_id);
        let commit = async move |database: Database, fencing| database.create(new, fencing).await;
        let product = self.add(&[home], commit).await?;
        if self.writes_through() {
            // It is looked up like any other.
            let _ = self.members(&[product.id], false).await;
        }
        Step::BeforeAck.reached();
        Ok(product)
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`WriteError::Locked`], [`StoreError::NotFound`], [`StoreError::PreconditionFailed`] or [`StoreError::Invalid`]
    /// among others, [`WriteError::InvalidationUnconfirmed`].
    pub async fn update(&self, id: ProductId, patch: ProductPatch, expect: Expect) -> Result<Product, ProductError> {
        let affects = |current: &Product| {
            let changes = patch.changes(current);
            let new_schema = patch.schema_id.filter(|_| changes.schema);
            let homes = new_schema.map(|new| vec![tags::home(current), (current.organization_id, new)]);
            (tags::changed(current, &changes, new_schema), homes.unwrap_or_default())
        };
        let wanted = (patch.clone(), expect.clone());
        let commit = move |database: Database, seen, fencing| {
            let (patch, expect) = wanted.clone();
            async move {
                let updated = database.update(id, patch, expect, Some(seen), fencing).await?;
                let leaves = entry(&updated.value).into_iter().collect();
                Ok(updated.leaving(leaves))
            }
        };
        self.change(id, &expect, affects, commit).await
    }

    /// Replaces the fields, or the images, or both.
    ///
    /// # Errors
    /// As [`update`](ProductService::update).
    pub async fn put_details(
        &self,
        id: ProductId,
        patch: DetailsPatch,
        expect: Expect,
    ) -> Result<ProductDetails, ProductError> {
        let affects = |current: &Product| (tags::changed(current, &Changes::default(), None), Vec::new());
        let wanted = (patch, expect.clone());
        let commit = move |database: Database, seen, fencing| {
            let (patch, expect) = wanted.clone();
            async move {
                let put = database.put_details(id, patch, expect, Some(seen), fencing).await?;
                let details = &put.value;
                let with_details = render::details(details).ok().map(|value| (keys::details(id), value));
                let leaves = entry(&details.product).into_iter().chain(with_details).collect();
                Ok(put.leaving(leaves))
            }
        };
        self.change(id, &expect, affects, commit).await
    }

    /// Takes the product out of the catalogue.
    ///
    /// # Errors
    /// As [`update`](ProductService::update).
    pub async fn delete(&self, id: ProductId, expect: Expect, by: Actor) -> Result<(), ProductError> {
        let affects = |current: &Product| {
            let homes = vec![tags::home(current)];
            (tags::memberships(&homes), homes)
        };
        let wanted = (expect.clone(), by);
        let commit = move |database: Database, seen, fencing| {
            let (expect, by) = wanted.clone();
            async move { database.delete(id, expect, Some(seen), by, fencing).await }
        };
        self.change(id, &expect, affects, commit).await
    }
}

/// A product that cannot be rendered is not kept, and its next reader hears of it.
fn entry(product: &Product) -> Option<(Key, Value)> {
    Some((keys::product(product.id), render::product(product).ok()?))
}

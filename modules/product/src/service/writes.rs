//! Writes of single products.

#[cfg(doc)]
use hotshelf_cache::WriteError;
use hotshelf_cache::{Key, Value};
use hotshelf_domain::{
    Changes, DetailsPatch, Expect, NewProduct, Product, ProductDetails, ProductId, ProductPatch, StoreError,
};

use super::ProductService;
use crate::crash::Step;
use crate::error::ProductError;
use crate::{keys, render, tags};

impl ProductService {
    /// Stores a new product with its details. With the write-through strategy, a read of it right afterwards is a hit.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] among others, `WriteError::InvalidationUnconfirmed`.
    pub async fn create(&self, new: NewProduct) -> Result<Product, ProductError> {
        let (organization, schema) = (new.organization_id, new.schema_id);
        let sets = self.kept_sets(&[(organization, schema)]).await;
        let guard = self.0.cache.lock_keys(Vec::new()).await?;
        let repository = self.0.repository.clone();
        let commit = async move |fencing| repository.create(new, fencing).await;
        let product = self.write(guard, tags::membership(organization, schema).to_vec(), commit).await?;
        if self.writes_through() {
            // Its id was not known before the commit, so nothing could be fenced: it is looked up like any other.
            let _ = self.members(&[product.id], false).await;
            self.keep_sets(sets).await;
        }
        Step::BeforeAck.reached();
        Ok(product)
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// `WriteError::Locked`, [`StoreError::NotFound`], [`StoreError::PreconditionFailed`] or [`StoreError::Invalid`]
    /// among others, `WriteError::InvalidationUnconfirmed`.
    pub async fn update(&self, id: ProductId, patch: ProductPatch, expect: Expect) -> Result<Product, ProductError> {
        self.until_not_overtaken(|| self.try_update(id, patch.clone(), expect.clone())).await
    }

    async fn try_update(&self, id: ProductId, patch: ProductPatch, expect: Expect) -> Result<Product, ProductError> {
        let guard = self.0.cache.lock_keys(self.entries(id).to_vec()).await?;
        let current = self.current(id, &expect).await?;
        let changes = patch.changes(&current);
        let new_schema = patch.schema_id.filter(|_| changes.schema);
        let sets = match new_schema {
            Some(new) => {
                let organization = current.organization_id;
                self.kept_sets(&[(organization, current.schema_id), (organization, new)]).await
            }
            None => Vec::new(),
        };
        let invalidates = tags::changed(&current, &changes, new_schema);
        let repository = self.0.repository.clone();
        let commit = async move |fencing| {
            let updated = repository.update(id, patch, expect, Some(current.version), fencing).await?;
            let leaves = entry(&updated.value).into_iter().collect();
            Ok(updated.leaving(leaves))
        };
        let product = self.write(guard, invalidates, commit).await?;
        self.keep_sets(sets).await;
        Ok(product)
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
        self.until_not_overtaken(|| self.try_put_details(id, patch.clone(), expect.clone())).await
    }

    async fn try_put_details(
        &self,
        id: ProductId,
        patch: DetailsPatch,
        expect: Expect,
    ) -> Result<ProductDetails, ProductError> {
        let guard = self.0.cache.lock_keys(self.entries(id).to_vec()).await?;
        let current = self.current(id, &expect).await?;
        let invalidates = tags::changed(&current, &Changes::default(), None);
        let repository = self.0.repository.clone();
        let commit = async move |fencing| {
            let put = repository.put_details(id, patch, expect, Some(current.version), fencing).await?;
            let details = &put.value;
            let with_details = render::details(details).ok().map(|value| (keys::details(id), value));
            let leaves = entry(&details.product).into_iter().chain(with_details).collect();
            Ok(put.leaving(leaves))
        };
        self.write(guard, invalidates, commit).await
    }

    /// Takes the product out of the catalogue.
    ///
    /// # Errors
    /// As [`update`](ProductService::update).
    pub async fn delete(&self, id: ProductId, expect: Expect) -> Result<(), ProductError> {
        self.until_not_overtaken(|| self.try_delete(id, expect.clone())).await
    }

    async fn try_delete(&self, id: ProductId, expect: Expect) -> Result<(), ProductError> {
        let guard = self.0.cache.lock_keys(self.entries(id).to_vec()).await?;
        let Product { organization_id, schema_id, version, .. } = self.current(id, &expect).await?;
        let sets = self.kept_sets(&[(organization_id, schema_id)]).await;
        let repository = self.0.repository.clone();
        let commit = async move |fencing| repository.delete(id, expect, Some(version), fencing).await;
        self.write(guard, tags::membership(organization_id, schema_id).to_vec(), commit).await?;
        self.keep_sets(sets).await;
        Ok(())
    }

    /// As it is in the database now, if that is what the write expects: a write that will be refused makes nothing
    /// void.
    async fn current(&self, id: ProductId, expect: &Expect) -> Result<Product, StoreError> {
        let current = self.0.repository.find(id).await?.ok_or(StoreError::NotFound(id))?;
        match expect.holds(current.version) {
            true => Ok(current),
            false => Err(StoreError::PreconditionFailed { id, current: current.version }),
        }
    }
}

/// A product that cannot be rendered is not kept, and its next reader hears of it.
fn entry(product: &Product) -> Option<(Key, Value)> {
    Some((keys::product(product.id), render::product(product).ok()?))
}

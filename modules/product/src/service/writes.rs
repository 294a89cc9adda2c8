//! Writes of single products.

use hotshelf_cache::{Key, Value};
use hotshelf_domain::{
    Changes, DetailsPatch, Expect, NewProduct, Product, ProductDetails, ProductId, ProductPatch, StoreError,
};

use super::ProductService;
use crate::error::ProductError;
use crate::{collections, keys, render};

impl ProductService {
    /// Stores a new product with its details. With the write-through strategy, a read of it right afterwards is a hit.
    ///
    /// # Errors
    /// [`ProductError::Store`] with [`StoreError::Invalid`] among others, [`ProductError::Unsettled`].
    pub async fn create(&self, new: NewProduct) -> Result<Product, ProductError> {
        let service = self.clone();
        self.in_a_task(async move {
            let (organization, schema) = (new.organization_id, new.schema_id);
            let sets = service.kept_sets(&[(organization, schema)]).await;
            let turn = service.0.cache.turn(Vec::new()).await?;
            let write = service.begin(turn, collections::membership(organization, schema).to_vec()).await?;
            let repository = service.0.repository.clone();
            let commit = async move |copies| repository.create(new, copies).await;
            let product: Product = service.commit(write, commit, |_| Vec::new()).await?;
            if service.writes_through() {
                // Its id was not known before the commit, so nothing could be fenced: it is looked up like any other.
                let _ = service.members(&[product.id], false).await;
                service.keep_sets(sets).await;
            }
            Ok(product)
        })
        .await
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`ProductError::Locked`], [`ProductError::Store`] with [`StoreError::NotFound`],
    /// [`StoreError::PreconditionFailed`] or [`StoreError::Invalid`] among others, [`ProductError::Unsettled`].
    pub async fn update(&self, id: ProductId, patch: ProductPatch, expect: Expect) -> Result<Product, ProductError> {
        let service = self.clone();
        let attempt = move |service: Self| service.try_update(id, patch.clone(), expect.clone());
        self.in_a_task(async move { service.until_not_overtaken(attempt).await }).await
    }

    async fn try_update(self, id: ProductId, patch: ProductPatch, expect: Expect) -> Result<Product, ProductError> {
        let turn = self.0.cache.turn(self.slots(id).to_vec()).await?;
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
        let write = self.begin(turn, collections::changed(&current, &changes, new_schema)).await?;
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.update(id, patch, expect, Some(current.version), copies).await;
        let product = self.commit(write, commit, |product| entry(product).into_iter().collect()).await?;
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
        let service = self.clone();
        let attempt = move |service: Self| service.try_put_details(id, patch.clone(), expect.clone());
        self.in_a_task(async move { service.until_not_overtaken(attempt).await }).await
    }

    async fn try_put_details(
        self,
        id: ProductId,
        patch: DetailsPatch,
        expect: Expect,
    ) -> Result<ProductDetails, ProductError> {
        let turn = self.0.cache.turn(self.slots(id).to_vec()).await?;
        let current = self.current(id, &expect).await?;
        let write = self.begin(turn, collections::changed(&current, &Changes::default(), None)).await?;
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.put_details(id, patch, expect, Some(current.version), copies).await;
        self.commit(write, commit, |details: &ProductDetails| {
            let with_details = render::details(details).ok().map(|value| (keys::details(details.product.id), value));
            entry(&details.product).into_iter().chain(with_details).collect()
        })
        .await
    }

    /// Takes the product out of the catalogue.
    ///
    /// # Errors
    /// As [`update`](ProductService::update).
    pub async fn delete(&self, id: ProductId, expect: Expect) -> Result<(), ProductError> {
        let service = self.clone();
        let attempt = move |service: Self| service.try_delete(id, expect.clone());
        self.in_a_task(async move { service.until_not_overtaken(attempt).await }).await
    }

    async fn try_delete(self, id: ProductId, expect: Expect) -> Result<(), ProductError> {
        let turn = self.0.cache.turn(self.slots(id).to_vec()).await?;
        let Product { organization_id, schema_id, version, .. } = self.current(id, &expect).await?;
        let sets = self.kept_sets(&[(organization_id, schema_id)]).await;
        let write = self.begin(turn, collections::membership(organization_id, schema_id).to_vec()).await?;
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.delete(id, expect, Some(version), copies).await;
        self.commit(write, commit, |()| Vec::new()).await?;
        self.keep_sets(sets).await;
        Ok(())
    }

    /// As it is in the database now, if that is what the write expects: a write that will be refused makes nothing void.
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

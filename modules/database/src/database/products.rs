//! Products, one and many.

use std::collections::HashMap;

use hotshelf_domain::{
    Actor, DetailsPatch, Expect, History, Invalid, NewProduct, Product, ProductDetails, ProductId, ProductPatch,
    StoreError, VersionInHistory,
};

use super::Database;
use crate::port::Tx;
use crate::usecases::products::Seen;
use crate::usecases::{bulk, details, products};
use hotshelf_cache::{Committed, Fencing};

impl Database {
    /// The product, `None` when there is none or no longer. Concurrent calls share one query.
    pub async fn find(&self, id: ProductId) -> Result<Option<Product>, StoreError> {
        self.0.point_reads.find(id).await
    }

    /// Those of the products that exist, in one query. Up to some thousands of ids.
    pub async fn find_many(&self, ids: &[ProductId]) -> Result<HashMap<ProductId, Product>, StoreError> {
        let ids = ids.to_owned();
        let found = self.0.operations.find_many.of(self.0.readers.keyed.read(move |tx| tx.products(&ids))).await?;
        Ok(found.into_iter().map(|product| (product.id, product)).collect())
    }

    /// Stores a new product, with its fields and images, under an id that no product ever had.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its organization does not exist, or its schema does not, or belongs to another
    /// one, or its fields do not fit the schema; [`StoreError::QuotaExceeded`].
    pub async fn create(&self, new: NewProduct, fencing: Fencing) -> Result<Committed<Product>, StoreError> {
        let quotas = self.0.quotas;
        self.commit(1, fencing, move |tx| products::create(tx, &new, quotas)).await
    }

    /// Changes what the patch names and counts the version up by one. A patch that names nothing changes nothing.
    ///
    /// From the version `seen` the caller derived which cached entries the write invalidates: at another version, or in
    /// another history, they may be others.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::PreconditionFailed`], then [`StoreError::VersionConflict`] when the
    /// product is not at the version that was seen; [`StoreError::Invalid`] when it cannot have the schema;
    /// [`StoreError::Overloaded`] when that version is of an earlier history.
    pub async fn update(
        &self,
        id: ProductId,
        patch: ProductPatch,
        expect: Expect,
        seen: Option<VersionInHistory>,
        fencing: Fencing,
    ) -> Result<Committed<Product>, StoreError> {
        let seen = self.seen(seen);
        self.commit_in(seen.history(), 1, fencing, move |tx| products::update(tx, id, &patch, &expect, seen)).await
    }

    /// Takes the product out of the catalogue; its id is never used again.
    ///
    /// # Errors
    /// As [`update`](Database::update).
    pub async fn delete(
        &self,
        id: ProductId,
        expect: Expect,
        seen: Option<VersionInHistory>,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        let seen = self.seen(seen);
        let delete = move |tx: &mut dyn Tx| products::delete(tx, id, &expect, seen, &by);
        self.commit_recorded_in(seen.history(), 1, fencing, delete).await
    }

    /// The product with its fields and images, all of one moment; `None` when there is none or no longer.
    pub async fn details(&self, id: ProductId) -> Result<Option<ProductDetails>, StoreError> {
        let find = move |tx: &mut dyn Tx| tx.moment(|tx| details::find(tx, id));
        self.0.operations.details.of(self.0.readers.keyed.read(find)).await
    }

    /// Replaces the fields, or the images, or both, and counts the product's version up by one. A patch that names
    /// neither changes nothing. An image of the patch that names one of the product's keeps its id.
    ///
    /// # Errors
    /// As [`update`](Database::update); [`StoreError::Invalid`] when the fields do not fit the product's
    /// schema, or an image is named that the product does not have.
    pub async fn put_details(
        &self,
        id: ProductId,
        patch: DetailsPatch,
        expect: Expect,
        seen: Option<VersionInHistory>,
        fencing: Fencing,
    ) -> Result<Committed<ProductDetails>, StoreError> {
        let seen = self.seen(seen);
        self.commit_in(seen.history(), 1, fencing, move |tx| details::put(tx, id, &patch, &expect, seen)).await
    }

    /// Stores many products in one transaction, and says of each, in the same order, which id it got or why it could
    /// not be stored. With `all_or_nothing`, one that is not valid keeps all of them out.
    ///
    /// # Errors
    /// [`StoreError::InvalidMany`] with `all_or_nothing`. On any error, none is stored.
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        all_or_nothing: bool,
        fencing: Fencing,
    ) -> Result<Committed<Vec<Result<ProductId, Invalid>>>, StoreError> {
        let quotas = self.0.quotas;
        self.commit(new.len(), fencing, move |tx| bulk::create(tx, &new, all_or_nothing, quotas)).await
    }

    /// Takes the products out of the catalogue, in one transaction, and returns those that were in it, in the order
    /// given. On any error, none is deleted.
    ///
    /// `history`: that in which the caller has derived which cached entries the write invalidates.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when another history has begun.
    pub async fn delete_many(
        &self,
        ids: Vec<ProductId>,
        history: History,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<Vec<ProductId>>, StoreError> {
        self.commit_recorded_in(history, ids.len(), fencing, move |tx| bulk::delete(tx, &ids, &by)).await
    }

    fn seen(&self, seen: Option<VersionInHistory>) -> Seen {
        Seen::new(seen, || self.history())
    }
}

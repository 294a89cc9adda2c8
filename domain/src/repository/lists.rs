//! What the repository knows about many products at once.

use super::ProductRepository;
use crate::error::StoreError;
use crate::filter::{Filter, Members};
use crate::ids::ProductId;
use crate::page::{PageIds, PageRequest, ProductPage};
use crate::report::CatalogueReport;

impl ProductRepository {
    /// One page of a list, with the total of the same moment, which is counted where it is not known.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`], [`StoreError::NoSuchSchema`], [`StoreError::NoSuchPage`], and as
    /// [`find`](ProductRepository::find).
    pub async fn page(&self, request: PageRequest) -> Result<ProductPage, StoreError> {
        self.0.page(request).await
    }

    /// Which products are on a page, and the total if it is known. What a page costs does not grow with the catalogue,
    /// except where a search finds a large part of it.
    ///
    /// # Errors
    /// As [`page`](ProductRepository::page).
    pub async fn page_ids(&self, request: PageRequest) -> Result<PageIds, StoreError> {
        self.0.page_ids(request).await
    }

    /// How many products the filter lets through. Where [`page_ids`](ProductRepository::page_ids) has no total, they
    /// are counted, in tenths of a second for a million.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`], [`StoreError::NoSuchSchema`], and as [`find`](ProductRepository::find).
    pub async fn count(&self, filter: Filter) -> Result<i64, StoreError> {
        self.0.count(filter).await
    }

    /// The ids of products, in their order, from the first after `after` on; fewer than `limit` when there are no more.
    /// Reads no product, only an index, and costs the same wherever it begins.
    ///
    /// # Errors
    /// As [`count`](ProductRepository::count).
    pub async fn ids(
        &self,
        members: Members,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError> {
        self.0.ids(members, after, limit).await
    }

    /// How many products there are and what they cost, by organization and category. Takes tenths of a second for a
    /// million products.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn analytics(&self) -> Result<CatalogueReport, StoreError> {
        self.0.analytics().await
    }
}

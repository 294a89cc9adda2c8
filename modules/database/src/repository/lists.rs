//! What the repository knows about many products at once.

use hotshelf_domain::{CatalogueReport, Filter, Members, PageIds, PageRequest, ProductId, ProductPage, StoreError};

use super::ProductRepository;

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

    /// How often products were read, as it was kept last, those that were read most first.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn read_counts(&self, limit: u32) -> Result<Vec<(ProductId, u64)>, StoreError> {
        let counts = self.0.most_read(limit).await?;
        let known = |(id, reads): (i64, i64)| Some((ProductId::new(id)?, u64::try_from(reads).ok()?));
        Ok(counts.into_iter().filter_map(known).collect())
    }

    /// Keeps how often products were read, in place of what was kept before.
    ///
    /// # Errors
    /// As [`create`](ProductRepository::create).
    pub async fn keep_read_counts(&self, counts: &[(ProductId, u64)]) -> Result<(), StoreError> {
        let rows = counts.iter().filter(|(_, reads)| *reads > 0);
        let rows = rows.map(|(id, reads)| (id.get(), i64::try_from(*reads).unwrap_or(i64::MAX)));
        self.0.replace_read_counts(rows.collect()).await
    }

    /// Whether a read that came now would have to wait for others. For work that can wait itself.
    pub fn is_busy(&self) -> bool {
        self.0.is_busy()
    }
}

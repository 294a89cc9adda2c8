//! What the catalogue knows about many products at once: each answer is one read on a connection of the readers.

use super::{SqliteCatalogue, listing, read_counts};
use crate::error::StoreError;
use crate::filter::{Filter, Members};
use crate::ids::ProductId;
use crate::page::{PageIds, PageRequest, ProductPage};
use crate::report::CatalogueReport;

impl SqliteCatalogue {
    pub(crate) async fn page(&self, request: PageRequest) -> Result<ProductPage, StoreError> {
        self.operations.page.of(self.readers.read(move |conn| listing::page(conn, &request))).await
    }

    pub(crate) async fn page_ids(&self, request: PageRequest) -> Result<PageIds, StoreError> {
        self.operations.page_ids.of(self.readers.read(move |conn| listing::page_ids(conn, &request))).await
    }

    pub(crate) async fn count(&self, filter: Filter) -> Result<i64, StoreError> {
        self.operations.count.of(self.readers.read(move |conn| listing::count(conn, &filter))).await
    }

    pub(crate) async fn ids(
        &self,
        members: Members,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError> {
        self.operations.ids.of(self.readers.read(move |conn| listing::ids(conn, members, after, limit))).await
    }

    pub(crate) async fn analytics(&self) -> Result<CatalogueReport, StoreError> {
        self.operations.analytics.of(self.readers.read(listing::report)).await
    }

    pub(crate) async fn most_read(&self, limit: u32) -> Result<Vec<(i64, i64)>, StoreError> {
        self.readers.read(move |conn| read_counts::most_read(conn, limit.into())).await
    }

    pub(crate) async fn replace_read_counts(&self, counts: Vec<(i64, i64)>) -> Result<(), StoreError> {
        self.writer.submit(move |conn| read_counts::replace(conn, &counts)).await
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.readers.are_all_busy()
    }
}

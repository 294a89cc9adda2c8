//! What the database knows about many products at once: each answer is one read on a connection of the readers.

use std::time::Duration;

use hotshelf_domain::{
    CatalogueReport, Filter, PageIds, PageRequest, PageStart, ProductId, ProductPage, ProductScope, StoreError,
};

use super::Database;
use crate::backend::ListReader;
use crate::engine::admission::Party;
use crate::engine::readers::deadline;
use crate::error::SqlError;
use crate::listing;

/// A list that takes longer costs more than was estimated. It begins again in the pool of the heavy reads, so that the
/// next lists do not wait for it.
const QUICK: Duration = Duration::from_millis(50);
/// A page that begins behind more products than this is heavy: all of them are skipped one by one.
const DEEP: i64 = 10_000;

impl Database {
    /// One page of a list, with the total of the same moment, which is counted where it is not known.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`], [`StoreError::NoSuchSchema`], [`StoreError::NoSuchPage`].
    pub async fn page(&self, request: PageRequest) -> Result<ProductPage, StoreError> {
        let (party, heavy) = (request.filter.organization, is_heavy(&request));
        self.0.operations.page.of(self.list(party, heavy, move |conn| listing::page(conn, &request))).await
    }

    /// Which products are on a page, and the total if it is known. What a page costs does not grow with the catalogue,
    /// except where a search finds a large part of it.
    ///
    /// # Errors
    /// As [`page`](Database::page).
    pub async fn page_ids(&self, request: PageRequest) -> Result<PageIds, StoreError> {
        let (party, heavy) = (request.filter.organization, is_heavy(&request));
        self.0.operations.page_ids.of(self.list(party, heavy, move |conn| listing::page_ids(conn, &request))).await
    }

    /// How many products the filter lets through. Where [`page_ids`](Database::page_ids) has no total, they
    /// are counted, in tenths of a second for a million.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`], [`StoreError::NoSuchSchema`].
    pub async fn count(&self, filter: Filter) -> Result<i64, StoreError> {
        let (party, heavy) = (filter.organization, filter.search.is_some() || filter.has_price());
        self.0.operations.count.of(self.list(party, heavy, move |conn| listing::count(conn, &filter))).await
    }

    /// The ids of products, in their order, from the first after `after` on; fewer than `limit` when there are no
    /// more. Reads no product, only an index, and costs the same wherever it begins.
    ///
    /// # Errors
    /// As [`count`](Database::count).
    pub async fn ids(
        &self,
        members: ProductScope,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Vec<ProductId>, StoreError> {
        let party = members.filter().organization;
        self.0.operations.ids.of(self.list(party, false, move |conn| listing::ids(conn, members, after, limit))).await
    }

    /// How many products there are and what they cost, by organization and category. Takes tenths of a second for a
    /// million products.
    pub async fn analytics(&self) -> Result<CatalogueReport, StoreError> {
        self.0.operations.analytics.of(self.list(None, true, listing::report)).await
    }

    /// How often products were read, as it was kept last, those that were read most first.
    pub async fn read_counts(&self, limit: u32) -> Result<Vec<(ProductId, u64)>, StoreError> {
        let counts = self.0.readers.keyed.read(move |tx| tx.most_read(limit.into())).await?;
        let known = |(id, reads): (i64, i64)| Some((ProductId::new(id)?, u64::try_from(reads).ok()?));
        Ok(counts.into_iter().filter_map(known).collect())
    }

    /// Keeps how often products were read, in place of what was kept before.
    pub async fn keep_read_counts(&self, counts: &[(ProductId, u64)]) -> Result<(), StoreError> {
        let rows = counts.iter().filter(|(_, reads)| *reads > 0);
        let rows = rows.map(|(id, reads)| (id.get(), i64::try_from(*reads).unwrap_or(i64::MAX)));
        let rows: Vec<(i64, i64)> = rows.collect();
        self.0.writer.submit(1, move |tx| tx.replace_read_counts(&rows)).await
    }

    /// Whether a read that came now would have to wait for others. Background work asks, to give way.
    pub fn is_busy(&self) -> bool {
        self.0.readers.are_busy()
    }

    /// Reads in the pool of the lists; what is heavy, or turns out to be, in that of the heavy reads.
    pub(super) async fn list<T: Send + 'static>(
        &self,
        party: Party,
        heavy: bool,
        query: impl Fn(&dyn ListReader) -> Result<T, SqlError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = deadline();
        if !heavy {
            let query = query.clone();
            let quickly = self.0.readers.lists.read_within(party, deadline, move |conn, limit| {
                match conn.within(&limit.at_most(QUICK), query) {
                    Err(SqlError(StoreError::Overloaded(_))) if !limit.is_over() => Ok(None),
                    read => read.map(Some),
                }
            });
            if let Some(answer) = quickly.await? {
                return Ok(answer);
            }
        }
        self.0.readers.heavy.read_within(party, deadline, move |conn, limit| conn.within(limit, query)).await
    }
}

/// Whether the work of the page may grow with the catalogue.
fn is_heavy(request: &PageRequest) -> bool {
    let deep = matches!(request.start, PageStart::Offset(offset) if offset > DEEP);
    deep || request.filter.search.is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hotshelf_stats::Registry;

    use super::*;
    use crate::DatabaseOptions;
    use crate::sqlite::reader::ENDLESS;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_list_that_takes_long_is_read_where_it_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let options = DatabaseOptions::at(directory.path().join("products.db"));
        let registry = Registry::new().unwrap();
        let catalogue = Database::open(options, &registry).await.unwrap();
        for (heavy, expected) in [(false, 2), (true, 1)] {
            let reads = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&reads);
            let query = move |conn: &dyn ListReader| match (reads.fetch_add(1, Ordering::SeqCst), heavy) {
                (0, false) => conn.statement(ENDLESS).number(conn),
                _ => conn.statement("SELECT 1").number(conn),
            };
            assert_eq!(catalogue.list(None, heavy, query).await.unwrap(), 1);
            assert_eq!(seen.load(Ordering::SeqCst), expected);
        }
        let interrupted = r#"db_reads_refused_total{lane="lists",reason="interrupted"} 0"#;
        assert!(registry.page().unwrap().contains(interrupted));
        catalogue.close(Duration::from_secs(20)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stop_ends_reads_when_half_of_its_time_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let options = DatabaseOptions::at(directory.path().join("products.db"));
        let catalogue = Database::open(options, &Registry::new().unwrap()).await.unwrap();
        let read = catalogue.clone();
        let endless = |conn: &dyn ListReader| conn.statement(ENDLESS).number(conn);
        let reading = tokio::spawn(async move { read.list(None, true, endless).await });
        catalogue.prepare_close(Duration::from_millis(400));
        assert!(matches!(reading.await.unwrap(), Err(StoreError::Closed)));
        catalogue.close(Duration::from_secs(20)).await.unwrap();
    }

    #[test]
    fn what_may_look_at_the_whole_catalogue_is_heavy() {
        let search = hotshelf_domain::Search::parse("cup").unwrap();
        let searched = PageRequest { filter: Filter { search, ..Filter::default() }, ..PageRequest::default() };
        let deep = PageRequest { start: PageStart::Offset(DEEP + 1), ..PageRequest::default() };
        assert!(is_heavy(&searched) && is_heavy(&deep) && !is_heavy(&PageRequest::default()));
    }
}

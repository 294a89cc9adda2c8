//! What is read most, and how it gets into the cache before it is asked for.

use hotshelf_cache::{Read, Source};
use hotshelf_domain::{Filter, Order, PageRequest, PageStart, ProductId, ProductScope};

use super::ProductService;
use super::lists::MemberPage;
use crate::error::ProductError;
use crate::keys;
use crate::pages::Style;

/// The page that a list begins with, as it is asked for when nothing is said about it.
const FIRST_PAGE: u32 = 20;

/// What the cache had and what it had not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warmed {
    /// Entries that were loaded.
    pub loaded: u64,
    /// Entries that a tier had.
    pub present: u64,
}

impl ProductService {
    /// The products that were read most, with how often (in a sample, as far as it is known), the most read first.
    pub fn most_read(&self, limit: usize) -> Vec<(ProductId, u64)> {
        let counted = self.0.reads.top(limit);
        counted.into_iter().filter_map(|(id, reads)| Some((ProductId::new(id)?, reads))).collect()
    }

    /// Adds what was counted before, such as by an earlier run of the service.
    pub fn add_reads(&self, counted: impl IntoIterator<Item = (ProductId, u64)>) {
        self.0.reads.add(counted.into_iter().map(|(id, reads)| (id.get(), reads)));
    }

    /// Halves how often products were read, so that what nobody reads any more gives way.
    pub fn age_reads(&self) {
        self.0.reads.age();
    }

    /// A number that is another one whenever reads have been counted since.
    pub fn reads_changed(&self) -> u64 {
        self.0.reads.changes()
    }

    /// Sees to it that the cache has these products, as far as they exist. One step to each tier, and one query for
    /// what none has. Counted neither as lookups nor as reads.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn warm_products(&self, ids: &[ProductId]) -> Result<Warmed, ProductError> {
        let found = self.find_members(ids, false).await?;
        Ok(found.iter().fold(Warmed::default(), |warmed, found| warmed.and(found.source)))
    }

    /// The same of the first page of all products, or of those of an organization or a schema.
    ///
    /// # Errors
    /// As [`page`](ProductService::page).
    pub async fn warm_first_page(&self, of: Option<ProductScope>) -> Result<Warmed, ProductError> {
        let (namespace, key, request, style) = match of {
            None => {
                let filter = Filter::default();
                let request =
                    PageRequest { filter, order: Order::default(), start: PageStart::Offset(0), limit: FIRST_PAGE };
                (&self.0.lists, keys::page(&request), request, Style::Offset)
            }
            Some(members) => {
                let order = Order::default();
                let key = keys::member_page(members, 1, FIRST_PAGE, None, order);
                let page = MemberPage { members, page: 1, limit: FIRST_PAGE, search: None, order };
                (&self.0.pages, key, page.request(), Style::Numbered)
            }
        };
        let page = self.page_in(&namespace.uncounted(), key, request, style, Read::default()).await?;
        Ok(Warmed::default().and(page.source))
    }
}

impl Warmed {
    fn and(self, source: Source) -> Warmed {
        let Warmed { loaded, present } = self;
        if source.is_hit() { Warmed { loaded, present: present + 1 } } else { Warmed { loaded: loaded + 1, present } }
    }
}

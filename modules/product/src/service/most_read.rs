//! What is read most, and how it gets into the cache before it is asked for.

use hotshelf_cache::{Read, Source};
use hotshelf_domain::{Order, PageRequest, ProductId, ProductScope};

use super::ProductService;
use super::lists::MemberPage;
use crate::error::ProductError;
use crate::keys;
use crate::pages::Style;
use crate::top_items::TopItems;

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
    /// How often products are read, in a sample, as far as it is known.
    pub(crate) fn reads(&self) -> &TopItems {
        &self.0.reads
    }

    /// The products that were read most, with how often, the most read first.
    pub(crate) fn most_read(&self, limit: usize) -> Vec<(ProductId, u64)> {
        let counted = self.0.reads.top(limit);
        counted.into_iter().filter_map(|(id, reads)| Some((ProductId::new(id)?, reads))).collect()
    }

    /// Sees to it that the cache has these products, as far as they exist. One step to each tier, and one query for
    /// what none has. Counted neither as lookups nor as reads.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub(crate) async fn warm_products(&self, ids: &[ProductId]) -> Result<Warmed, ProductError> {
        let found = self.find_members(ids, false).await?;
        Ok(found.iter().fold(Warmed::default(), |warmed, found| warmed.and(found.source)))
    }

    /// The same of the first page of all products, or of those of an organization or a schema.
    ///
    /// # Errors
    /// As [`page`](ProductService::page).
    pub(crate) async fn warm_first_page(&self, of: Option<ProductScope>) -> Result<Warmed, ProductError> {
        let (namespace, key, request, style) = match of {
            None => {
                let request = PageRequest { limit: FIRST_PAGE, ..PageRequest::default() };
                (&self.0.lists, keys::page(&request), request, Style::Offset)
            }
            Some(members) => {
                let page = MemberPage { members, page: 1, limit: FIRST_PAGE, search: None, order: Order::default() };
                (&self.0.pages, page.key(), page.request(), Style::Numbered)
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

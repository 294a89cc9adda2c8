use crate::filter::Filter;
use crate::ids::ProductId;
use crate::order::Order;
use crate::place::Place;
use crate::product::Product;

/// Which part of which list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageRequest {
    /// The products of the list.
    pub filter: Filter,
    /// Their order.
    pub order: Order,
    /// Where the page begins.
    pub start: PageStart,
    /// How many at most.
    pub limit: u32,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq)]
pub enum PageStart {
    /// After so many products. Costs more the larger it is.
    Offset(i64),
    /// After this place, whether its product is still there or not. Costs the same anywhere in the list.
    After {
        /// That of the last product of the page before.
        place: Place,
        /// How many products came before, as the reader counted them.
        position: i64,
    },
}

impl Default for PageStart {
    fn default() -> Self {
        PageStart::Offset(0)
    }
}

impl PageStart {
    /// How many products come before the page.
    pub fn position(&self) -> i64 {
        match *self {
            PageStart::Offset(position) | PageStart::After { position, .. } => position,
        }
    }
}

/// Why there is no such page. The message is a sentence without its full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The order is by relevance, and nothing is searched for.
    #[error("order relevance needs a search")]
    RelevanceWithoutSearch,
    /// The place belongs to a list of another order.
    #[error("the place to start from belongs to another order")]
    PlaceOfAnotherOrder,
}

impl PageRequest {
    /// Whether there can be such a page.
    ///
    /// # Errors
    /// [`PageError`].
    pub fn check(&self) -> Result<(), PageError> {
        if self.order.by == crate::order::OrderBy::Relevance && self.filter.search.is_none() {
            return Err(PageError::RelevanceWithoutSearch);
        }
        match &self.start {
            PageStart::After { place, .. } if !place.fits(self.order.by) => Err(PageError::PlaceOfAnotherOrder),
            PageStart::After { .. } | PageStart::Offset(_) => Ok(()),
        }
    }
}

/// Which products are on a page, and what is around it, all of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct PageIds {
    /// In order.
    pub ids: Vec<ProductId>,
    /// How many products there are in the whole list, where that is known without counting them. It is unless the
    /// filter has a price or a search.
    pub total: Option<i64>,
    /// Whether any come after this page.
    pub has_more: bool,
    /// The place of the last product, where the next page begins; `None` when the page is empty.
    pub next: Option<Place>,
}

/// One page of the list and what is around it, all of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductPage {
    /// In order.
    pub products: Vec<Product>,
    /// How many products there are in the whole list.
    pub total: i64,
    /// Whether any come after this page.
    pub has_more: bool,
    /// The place of the last product, where the next page begins; `None` when the page is empty.
    pub next: Option<Place>,
}

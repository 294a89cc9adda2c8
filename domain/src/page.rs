use crate::ids::ProductId;
use crate::product::Product;

/// Which products of the list, ordered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Where the page begins.
    pub start: PageStart,
    /// How many at most.
    pub limit: u32,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// After so many products. Costs more the larger it is.
    Offset(i64),
    /// After this product, whether it still exists or not. Costs the same anywhere in the list.
    After {
        /// The last product of the page before.
        id: ProductId,
        /// How many products came before, as the reader counted them.
        position: i64,
    },
}

impl PageStart {
    /// How many products come before the page.
    pub fn position(&self) -> i64 {
        match *self {
            PageStart::Offset(position) | PageStart::After { position, .. } => position,
        }
    }
}

/// Which products are on a page, and what is around it, all of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageIds {
    /// In order.
    pub ids: Vec<ProductId>,
    /// How many products there are in the whole list.
    pub total: i64,
    /// Whether any come after this page.
    pub has_more: bool,
}

/// One page of the list and what is around it, all of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductPage {
    /// In order of id.
    pub products: Vec<Product>,
    /// How many products there are in the whole list.
    pub total: i64,
    /// Whether any come after this page.
    pub has_more: bool,
}

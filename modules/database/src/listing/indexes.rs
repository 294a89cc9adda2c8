//! The indexes of `products p` that lists are read along. Each has its columns in this order, the id last.

use hotshelf_domain::{Filter, OrderBy};

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index {
    pub(crate) name: &'static str,
    /// By what rows are sought in it. What else a filter demands is compared with each row that the index leads to.
    pub(crate) columns: &'static [&'static str],
}

pub(super) const BY_PRICE: Index =
    Index { name: "products_by_price", columns: &["p.organization_id", "p.price", "p.id"] };
pub(super) const BY_STOCK: Index =
    Index { name: "products_by_stock", columns: &["p.organization_id", "p.stock", "p.id"] };
const BY_NAME: Index = Index { name: "products_by_name", columns: &["p.organization_id", "p.name_key", "p.id"] };
const BY_CREATED_AT: Index =
    Index { name: "products_by_created_at", columns: &["p.organization_id", "p.created_at", "p.id"] };
const BY_UPDATED_AT: Index =
    Index { name: "products_by_updated_at", columns: &["p.organization_id", "p.updated_at", "p.id"] };
pub(super) const OF_CATEGORY: Index =
    Index { name: "products_of_category", columns: &["p.organization_id", "p.category", "p.id"] };
pub(super) const OF_CATEGORY_BY_PRICE: Index =
    Index { name: "products_of_category_by_price", columns: &["p.organization_id", "p.category", "p.price", "p.id"] };
pub(super) const OF_SCHEMA: Index = Index { name: "products_of_schema", columns: &["p.schema_id", "p.id"] };
const OF_ORGANIZATION: Index = Index { name: "products_of_organization", columns: &["p.organization_id", "p.id"] };
const LIVE: Index = Index { name: "products_live", columns: &["p.id"] };

/// That which has the list of each organization in order or, by id, that of all of them together.
pub(super) fn in_order(by: OrderBy, filter: &Filter) -> Index {
    match by {
        OrderBy::Price if filter.category.is_some() => OF_CATEGORY_BY_PRICE,
        OrderBy::Name => BY_NAME,
        OrderBy::Price => BY_PRICE,
        OrderBy::Stock => BY_STOCK,
        OrderBy::CreatedAt => BY_CREATED_AT,
        OrderBy::UpdatedAt => BY_UPDATED_AT,
        OrderBy::Id | OrderBy::Relevance if filter.category.is_some() => OF_CATEGORY,
        OrderBy::Id | OrderBy::Relevance if filter.schema.is_some() => OF_SCHEMA,
        OrderBy::Id | OrderBy::Relevance if filter.organization.is_some() => OF_ORGANIZATION,
        OrderBy::Id | OrderBy::Relevance => LIVE,
    }
}

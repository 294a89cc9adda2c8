//! What rows are ordered by, and where a row stands in that order.

use std::cmp::Ordering;

use hotshelf_domain::{Filter, OrderBy, Place, PlaceKey, Price, ProductId};

use crate::backend::ListReader;
use crate::error::SqlError;
use crate::statement::{Statement, Value};

/// The column of `products p`. Of products that fit equally well, or too many to be ranked, it is the id.
pub(super) fn column(by: OrderBy) -> &'static str {
    match by {
        OrderBy::Id | OrderBy::Relevance => "p.id",
        OrderBy::Name => "p.name_key",
        OrderBy::Price => "p.price",
        OrderBy::Stock => "p.stock",
        OrderBy::CreatedAt => "p.created_at",
        OrderBy::UpdatedAt => "p.updated_at",
    }
}

/// Runs a statement that selects this column and the id.
pub(super) fn load(by: OrderBy, statement: Statement, conn: &dyn ListReader) -> Result<Vec<Place>, SqlError> {
    conn.rows(&statement, |row| {
        let key = match by {
            OrderBy::Id | OrderBy::Relevance => PlaceKey::Id,
            OrderBy::Name => PlaceKey::Name(row.bytes(0)?),
            OrderBy::Price | OrderBy::Stock | OrderBy::CreatedAt | OrderBy::UpdatedAt => {
                PlaceKey::Number(row.integer(0)?)
            }
        };
        Ok(Place { key, id: ProductId::from_row(row.integer(1)?) })
    })
}

/// As the database compares, ties by id in either direction.
pub(super) fn compare(one: &Place, other: &Place, descending: bool) -> Ordering {
    let (keys, ids) = (compare_keys(&one.key, &other.key), one.id.cmp(&other.id));
    match (descending, &one.key) {
        (true, PlaceKey::Id) => ids.reverse(),
        (true, _) => keys.reverse().then(ids),
        (false, _) => keys.then(ids),
    }
}

pub(super) fn compare_keys(one: &PlaceKey, other: &PlaceKey) -> Ordering {
    match (one, other) {
        (PlaceKey::Number(one), PlaceKey::Number(other)) | (PlaceKey::Rank(one), PlaceKey::Rank(other)) => {
            one.cmp(other)
        }
        (PlaceKey::Name(one), PlaceKey::Name(other)) => one.cmp(other),
        // The places of one list are of one kind.
        _ => Ordering::Equal,
    }
}

/// As a parameter.
pub(super) fn value(key: &PlaceKey) -> Value {
    match key {
        PlaceKey::Number(number) | PlaceKey::Rank(number) => Value::Integer(*number),
        PlaceKey::Name(key) => Value::Bytes(key.clone()),
        PlaceKey::Id => Value::Integer(0),
    }
}

/// What the filter says about the column that the list is ordered by: where the list begins and ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

impl Bounds {
    pub(super) fn of(filter: &Filter, by: OrderBy) -> Self {
        match (by, filter.in_stock) {
            (OrderBy::Price, _) => {
                Bounds { min: filter.min_price.map(Price::minor_units), max: filter.max_price.map(Price::minor_units) }
            }
            (OrderBy::Stock, Some(true)) => Bounds { min: Some(1), max: None },
            (OrderBy::Stock, Some(false)) => Bounds { min: None, max: Some(0) },
            _ => Bounds::default(),
        }
    }

    /// Whether the key comes before all of the list.
    pub(super) fn begin_after(self, key: &PlaceKey, descending: bool) -> bool {
        let PlaceKey::Number(key) = *key else { return false };
        if descending { self.max.is_some_and(|max| key > max) } else { self.min.is_some_and(|min| key < min) }
    }
}

impl Statement {
    pub(super) fn page(self, limit: i64, offset: i64) -> Self {
        self.sql(" LIMIT ").bind(limit).sql(" OFFSET ").bind(offset)
    }

    /// What the filter demands of `products p` beside the organization and the search, but of `bounded` nothing.
    pub(super) fn restrict(mut self, filter: &Filter, bounded: Option<OrderBy>) -> Self {
        if let Some(schema) = filter.schema {
            self = self.and("p.schema_id", " = ", schema.get());
        }
        if let Some(category) = &filter.category {
            self = self.and("p.category", " = ", category.clone());
        }
        for by in [OrderBy::Price, OrderBy::Stock] {
            if bounded != Some(by) {
                self = self.within(by, Bounds::of(filter, by));
            }
        }
        self
    }

    pub(super) fn within(mut self, by: OrderBy, bounds: Bounds) -> Self {
        if let Some(min) = bounds.min {
            self = self.and(column(by), " >= ", min);
        }
        if let Some(max) = bounds.max {
            self = self.and(column(by), " <= ", max);
        }
        self
    }
}

//! What rows are ordered by, and where a row stands in that order.

use std::cmp::Ordering;

use hotshelf_domain::{Filter, OrderBy, Place, PlaceKey, Price, ProductId};

use crate::sqlite::error::SqlError;
use crate::sqlite::reader::Reader;
use crate::sqlite::statement::Statement;

/// A column of `products p` that lists are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    Name,
    Price,
    Stock,
    CreatedAt,
    UpdatedAt,
}

impl Column {
    /// `None` for the relevance, which is in no column.
    pub(super) fn of(by: OrderBy) -> Option<Self> {
        match by {
            OrderBy::Id => Some(Column::Id),
            OrderBy::Name => Some(Column::Name),
            OrderBy::Price => Some(Column::Price),
            OrderBy::Stock => Some(Column::Stock),
            OrderBy::CreatedAt => Some(Column::CreatedAt),
            OrderBy::UpdatedAt => Some(Column::UpdatedAt),
            OrderBy::Relevance => None,
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Column::Id => "p.id",
            Column::Name => "p.name_key",
            Column::Price => "p.price",
            Column::Stock => "p.stock",
            Column::CreatedAt => "p.created_at",
            Column::UpdatedAt => "p.updated_at",
        }
    }

    /// Runs a statement that selects this column and the id.
    pub(super) fn load(self, statement: Statement, conn: &Reader) -> Result<Vec<Row>, SqlError> {
        if self == Column::Name {
            let rows: Vec<(Vec<u8>, i64)> = statement.load(conn)?;
            return Ok(rows.into_iter().map(|(name, id)| Row { key: PlaceKey::Name(name), id }).collect());
        }
        let rows: Vec<(i64, i64)> = statement.load(conn)?;
        let key = |number| if self == Column::Id { PlaceKey::Id } else { PlaceKey::Number(number) };
        Ok(rows.into_iter().map(|(number, id)| Row { key: key(number), id }).collect())
    }
}

/// A row's place in the list.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: PlaceKey,
    pub(super) id: i64,
}

impl Row {
    pub(super) fn of(place: &Place) -> Self {
        Row { key: place.key.clone(), id: place.id.get() }
    }

    pub(super) fn place(self) -> Place {
        Place { key: self.key, id: ProductId::from_row(self.id) }
    }

    /// As the database compares, ties by id in either direction.
    pub(super) fn compare(&self, other: &Row, descending: bool) -> Ordering {
        let keys = compare(&self.key, &other.key);
        match (descending, &self.key) {
            (true, PlaceKey::Id) => other.id.cmp(&self.id),
            (true, _) => keys.reverse().then(self.id.cmp(&other.id)),
            (false, _) => keys.then(self.id.cmp(&other.id)),
        }
    }
}

pub(super) fn compare(one: &PlaceKey, other: &PlaceKey) -> Ordering {
    match (one, other) {
        (PlaceKey::Number(one), PlaceKey::Number(other)) => one.cmp(other),
        (PlaceKey::Name(one), PlaceKey::Name(other)) => one.cmp(other),
        (PlaceKey::Rank(one), PlaceKey::Rank(other)) => one.cmp(other),
        // The places of one list are of one kind.
        _ => Ordering::Equal,
    }
}

/// What the filter says about the column that the list is ordered by: where the list begins and ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
}

impl Bounds {
    pub(super) fn of(filter: &Filter, column: Column) -> Self {
        match (column, filter.in_stock) {
            (Column::Price, _) => {
                Bounds { min: filter.min_price.map(Price::minor_units), max: filter.max_price.map(Price::minor_units) }
            }
            (Column::Stock, Some(true)) => Bounds { min: Some(1), max: None },
            (Column::Stock, Some(false)) => Bounds { min: None, max: Some(0) },
            _ => Bounds::default(),
        }
    }

    /// Whether the key comes before all of the list.
    pub(super) fn begin_after(self, key: &PlaceKey, descending: bool) -> bool {
        if descending { self.is_above(key) } else { self.is_below(key) }
    }

    /// Whether the key comes after all of the list.
    pub(super) fn end_before(self, key: &PlaceKey, descending: bool) -> bool {
        if descending { self.is_below(key) } else { self.is_above(key) }
    }

    fn is_below(self, key: &PlaceKey) -> bool {
        matches!((self.min, key), (Some(min), PlaceKey::Number(key)) if *key < min)
    }

    fn is_above(self, key: &PlaceKey) -> bool {
        matches!((self.max, key), (Some(max), PlaceKey::Number(key)) if *key > max)
    }
}

impl Statement {
    pub(super) fn key(self, key: &PlaceKey) -> Self {
        match key {
            PlaceKey::Number(number) => self.integer(*number),
            PlaceKey::Name(key) => self.bytes(key),
            PlaceKey::Rank(rank) => self.integer(*rank),
            PlaceKey::Id => self.sql("NULL"),
        }
    }

    pub(super) fn page(self, limit: i64, offset: i64) -> Self {
        self.sql(" LIMIT ").integer(limit).sql(" OFFSET ").integer(offset)
    }

    pub(super) fn organization(self, organization: Option<i64>) -> Self {
        match organization {
            Some(organization) => self.sql(" AND p.organization_id = ").integer(organization),
            None => self,
        }
    }

    /// What the filter demands of `products p` beside the organization and the search, but of `bounded` nothing.
    pub(super) fn restrict(mut self, filter: &Filter, bounded: Option<Column>) -> Self {
        if let Some(schema) = filter.schema {
            self = self.sql(" AND p.schema_id = ").integer(schema.get());
        }
        if let Some(category) = &filter.category {
            self = self.sql(" AND p.category = ").text(category);
        }
        if bounded != Some(Column::Price) {
            self = self.within("p.price", Bounds::of(filter, Column::Price));
        }
        match filter.in_stock {
            Some(true) if bounded != Some(Column::Stock) => self.sql(" AND p.stock > 0"),
            Some(false) if bounded != Some(Column::Stock) => self.sql(" AND p.stock = 0"),
            _ => self,
        }
    }

    pub(super) fn within(mut self, column: &'static str, bounds: Bounds) -> Self {
        if let Some(min) = bounds.min {
            self = self.sql(" AND ").sql(column).sql(" >= ").integer(min);
        }
        if let Some(max) = bounds.max {
            self = self.sql(" AND ").sql(column).sql(" <= ").integer(max);
        }
        self
    }
}

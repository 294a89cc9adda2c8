//! Pages of lists that lie within a small set: all of it is read and sorted, in whatever order.

use hotshelf_domain::{Filter, OrderBy, Place, PlaceKey, ProductId};

use super::List;
use super::column::{self, Bounds, column, value};
use super::index_scan::Window;
use super::indexes;
use crate::error::SqlError;
use crate::statement::Statement;

/// A part of the filter, and the index that has its products together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subset<'a> {
    /// These products.
    These(&'a [ProductId]),
    Prices,
    Category,
    Schema,
    OutOfStock,
}

/// The texts of a product.
pub(super) struct Texts {
    pub(super) id: ProductId,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) category: String,
}

impl Subset<'_> {
    /// Counts the products between the prices, up to `limit`.
    pub(super) fn count_prices(&List { conn, filter, .. }: &List<'_>, limit: i64) -> Result<i64, SqlError> {
        let select = conn.statement("SELECT count(*) FROM (SELECT 1");
        let prices = Bounds::of(filter, OrderBy::Price);
        let mut statement = Subset::Prices.from(select, filter).within(OrderBy::Price, prices);
        if let Some(category) = &filter.category {
            statement = statement.and("p.category", " = ", category.clone());
        }
        statement.sql(" LIMIT ").bind(limit).sql(") counted").number(conn)
    }

    /// Counts the products that match the filter, all of which are in the set.
    pub(super) fn count(self, &List { conn, filter, .. }: &List<'_>) -> Result<i64, SqlError> {
        self.from(conn.statement("SELECT count(*)"), filter).restrict(filter, None).number(conn)
    }

    /// The texts of the products that match the filter.
    pub(super) fn texts(self, &List { conn, filter, .. }: &List<'_>) -> Result<Vec<Texts>, SqlError> {
        let select = conn.statement("SELECT p.id, p.name, p.description, p.category");
        conn.rows(&self.from(select, filter).restrict(filter, None), |row| {
            let id = ProductId::from_row(row.integer(0)?);
            Ok(Texts { id, name: row.text(1)?, description: row.text(2)?, category: row.text(3)? })
        })
    }

    pub(super) fn rows(self, list: &List<'_>, by: OrderBy, window: Window<'_>) -> Result<Vec<Place>, SqlError> {
        let (column, (beyond, order)) = (column(by), window.direction());
        let select = list.conn.statement("SELECT ").sql(column).sql(", p.id");
        let mut statement = self.from(select, list.filter).restrict(list.filter, None);
        if let Some(Place { key, id }) = window.after {
            statement = match key {
                PlaceKey::Id => statement.and("p.id", beyond, id.get()),
                key => {
                    let further = statement.sql(" AND (").sql(column).sql(beyond).bind(value(key));
                    let equal = further.sql(" OR (").sql(column).sql(" = ").bind(value(key));
                    equal.and("p.id", " > ", id.get()).sql("))")
                }
            };
        }
        let statement = statement.sorted_by(column).sql(order).sql(", p.id");
        column::load(by, statement.page(window.limit, window.offset), list.conn)
    }

    fn from(self, select: Statement, filter: &Filter) -> Statement {
        let index = match self {
            Subset::These(ids) => {
                let joined = select.each_of(ids).looking_up("products p ON p.id = s.value WHERE p.deleted_at IS NULL");
                return match filter.organization {
                    Some(organization) => joined.and("p.organization_id", " = ", organization.get()),
                    None => joined,
                };
            }
            Subset::Prices if filter.category.is_some() => indexes::OF_CATEGORY_BY_PRICE,
            Subset::Prices => indexes::BY_PRICE,
            Subset::Category => indexes::OF_CATEGORY,
            Subset::Schema => indexes::OF_SCHEMA,
            Subset::OutOfStock => indexes::BY_STOCK,
        };
        let statement = select.sql(" FROM products p").along(index).sql(" WHERE p.deleted_at IS NULL");
        match (filter.organization, self) {
            (Some(organization), _) => statement.and("p.organization_id", " = ", organization.get()),
            (None, Subset::Schema) => statement,
            // So that SQLite seeks each organization in an index that begins with it.
            (None, _) => statement.sql(" AND p.organization_id IN (SELECT organization_id FROM organization_counts)"),
        }
    }
}

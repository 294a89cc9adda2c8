//! Pages of lists that lie within a small set: all of it is read and sorted, in whatever order.

use hotshelf_domain::{Filter, PlaceKey};

use super::column::{Bounds, Column, Row};
use super::index_scan::Window;
use crate::sqlite::error::SqlError;
use crate::sqlite::reader::Reader;
use crate::sqlite::statement::Statement;

/// A part of the filter, and the index that has its products together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subset<'a> {
    /// These products.
    These(&'a [i64]),
    Prices,
    Category,
    Schema,
    OutOfStock,
}

/// The texts of a product.
pub(super) struct Texts {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) category: String,
}

impl Subset<'_> {
    /// How many products there are between the prices, `limit` if there are more.
    pub(super) fn count_prices(conn: &Reader, filter: &Filter, limit: i64) -> Result<i64, SqlError> {
        let select = Statement::new("SELECT count(*) FROM (SELECT 1");
        let prices = Bounds::of(filter, Column::Price);
        let mut statement = Subset::Prices.from(select, filter).within("p.price", prices);
        if let Some(category) = &filter.category {
            statement = statement.sql(" AND p.category = ").text(category);
        }
        statement.sql(" LIMIT ").integer(limit).sql(")").number(conn)
    }

    /// How many products the filter lets through, which all are in the set.
    pub(super) fn count(self, conn: &Reader, filter: &Filter) -> Result<i64, SqlError> {
        self.from(Statement::new("SELECT count(*)"), filter).restrict(filter, None).number(conn)
    }

    /// What can be searched of those that the filter lets through.
    pub(super) fn texts(self, conn: &Reader, filter: &Filter) -> Result<Vec<Texts>, SqlError> {
        let select = Statement::new("SELECT p.id, p.name, p.description, p.category");
        let statement = self.from(select, filter).restrict(filter, None);
        let rows: Vec<(i64, String, String, String)> = statement.load(conn)?;
        let texts = |(id, name, description, category)| Texts { id, name, description, category };
        Ok(rows.into_iter().map(texts).collect())
    }

    pub(super) fn rows(
        self,
        conn: &Reader,
        filter: &Filter,
        column: Column,
        window: Window<'_>,
    ) -> Result<Vec<Row>, SqlError> {
        let select = Statement::new("SELECT ").sql(column.sql()).sql(", p.id");
        let mut statement = self.from(select, filter).restrict(filter, None);
        let (beyond, order) = if window.descending { (" < ", " DESC") } else { (" > ", "") };
        if let Some(Row { key, id }) = window.after {
            statement = match key {
                PlaceKey::Id => statement.sql(" AND p.id").sql(beyond).integer(*id),
                key => statement
                    .sql(" AND (")
                    .sql(column.sql())
                    .sql(beyond)
                    .key(key)
                    .sql(" OR (")
                    .sql(column.sql())
                    .sql(" = ")
                    .key(key)
                    .sql(" AND p.id > ")
                    .integer(*id)
                    .sql("))"),
            };
        }
        let statement = statement.sql(" ORDER BY ").sql(column.sql()).sql(order).sql(", p.id");
        column.load(statement.page(window.limit, window.offset), conn)
    }

    fn from(self, select: Statement, filter: &Filter) -> Statement {
        let index = match self {
            Subset::These(ids) => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                let listed = select.sql(" FROM json_each(").text(&format!("[{}]", ids.join(",")));
                let joined = listed.sql(") s CROSS JOIN products p ON p.id = s.value WHERE p.deleted_at IS NULL");
                return joined.organization(filter.organization.map(|id| id.get()));
            }
            Subset::Prices if filter.category.is_some() => "products_of_category_by_price",
            Subset::Prices => "products_by_price",
            Subset::Category => "products_of_category",
            Subset::Schema => "products_of_schema",
            Subset::OutOfStock => "products_by_stock",
        };
        let statement = select.sql(" FROM products p INDEXED BY ").sql(index).sql(" WHERE p.deleted_at IS NULL");
        match (filter.organization, self) {
            (Some(organization), _) => statement.sql(" AND p.organization_id = ").integer(organization.get()),
            (None, Subset::Schema) => statement,
            // So that an index that begins with the organization can be used one by one.
            (None, _) => statement.sql(" AND p.organization_id IN (SELECT organization_id FROM organization_counts)"),
        }
    }
}

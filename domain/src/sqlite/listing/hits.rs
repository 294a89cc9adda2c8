//! What the full-text index finds.

use std::fmt::Write;

use diesel::sql_types::{BigInt, Double};
use diesel::sqlite::SqliteConnection;

use super::column::{Column, Row};
use super::statement::Statement;
use super::walk::{Window, by_id};
use crate::error::StoreError;
use crate::filter::Filter;
use crate::place::PlaceKey;
use crate::search::Search;

/// A search in the language of the index.
pub(super) struct Query {
    /// The words alone.
    words: String,
    /// The words within the organization, the schema and the category that the filter names.
    pub(super) scoped: String,
}

impl Query {
    /// Words are letters and digits only, and quoted: no text is an operator.
    pub(super) fn new(filter: &Filter, search: &Search) -> Self {
        let prefixes: Vec<String> = search.words().map(|word| format!("\"{word}\"*")).collect();
        let words = format!("{{name description category}} : ({})", prefixes.join(" AND "));
        let mut scoped = words.clone();
        if let Some(organization) = filter.organization {
            let _ = write!(scoped, " AND scope : \"o{organization}\"");
        }
        if let Some(schema) = filter.schema {
            let _ = write!(scoped, " AND scope : \"s{schema}\"");
        }
        if let Some(category) = &filter.category {
            let letters: String = category.bytes().map(|byte| format!("{byte:02x}")).collect();
            let _ = write!(scoped, " AND scope : \"c{letters}\"");
        }
        Query { words, scoped }
    }

    /// How many products are found, `limit` if there are more.
    pub(super) fn count_up_to(&self, conn: &mut SqliteConnection, limit: i64) -> Result<i64, StoreError> {
        let statement =
            Statement::new("SELECT count(*) FROM (SELECT rowid FROM product_search WHERE product_search MATCH ");
        statement.text(&self.scoped).sql(" LIMIT ").integer(limit).sql(")").number(conn)
    }

    /// How many products are found that the filter lets through.
    pub(super) fn count(&self, conn: &mut SqliteConnection, filter: &Filter) -> Result<i64, StoreError> {
        self.from(Statement::new("SELECT count(*)"), &self.scoped, filter).number(conn)
    }

    /// In order of id, which is the order of the index.
    pub(super) fn by_id(
        &self,
        conn: &mut SqliteConnection,
        filter: &Filter,
        window: Window<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let (after, order) = by_id(window.descending);
        let mut statement = self.from(Statement::new("SELECT s.rowid, s.rowid"), &self.scoped, filter);
        if let Some(row) = window.after {
            statement = statement.sql(" AND s.rowid").sql(after).integer(row.id);
        }
        let statement = statement.sql(" ORDER BY s.rowid").sql(order).page(window.limit, window.offset);
        Column::Id.load(statement, conn)
    }

    /// In order of relevance, in which a word in the name counts more than one in the category, and that more than one
    /// in the description. Every found product is looked at.
    pub(super) fn by_relevance(
        &self,
        conn: &mut SqliteConnection,
        filter: &Filter,
        window: Window<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let ranked =
            "WITH ranked AS MATERIALIZED (SELECT bm25(product_search, 10.0, 1.0, 5.0, 0.0) AS rank, s.rowid AS id";
        let mut statement = self.from(Statement::new(ranked), &self.words, filter);
        if self.scoped != self.words {
            // Not in the same query: to weigh the scope as a word, it would go through everything in it.
            statement = statement
                .sql(" AND +s.rowid IN (SELECT rowid FROM product_search WHERE product_search MATCH ")
                .text(&self.scoped)
                .sql(")");
        }
        statement = statement.sql(") SELECT rank, id FROM ranked WHERE TRUE");
        let (beyond, order) = if window.descending { (" < ", " DESC") } else { (" > ", "") };
        if let Some(Row { key, id }) = window.after {
            statement = statement.sql(" AND (rank").sql(beyond).key(key).sql(" OR (rank = ").key(key);
            statement = statement.sql(" AND id > ").integer(*id).sql("))");
        }
        let statement = statement.sql(" ORDER BY rank").sql(order).sql(", id").page(window.limit, window.offset);
        let rows: Vec<(f64, i64)> = statement.load::<(Double, BigInt), _>(conn)?;
        Ok(rows.into_iter().map(|(rank, id)| Row { key: PlaceKey::Rank(rank), id }).collect())
    }

    /// The rows are looked at only when the filter asks for what the index does not know.
    fn from(&self, select: Statement, query: &str, filter: &Filter) -> Statement {
        let statement = select.sql(" FROM product_search s");
        if filter.has_price() || filter.in_stock.is_some() {
            let joined = statement.sql(" CROSS JOIN products p ON p.id = s.rowid WHERE product_search MATCH ");
            joined.text(query).sql(" AND p.deleted_at IS NULL").restrict(filter, None)
        } else {
            statement.sql(" WHERE product_search MATCH ").text(query)
        }
    }
}

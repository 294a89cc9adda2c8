//! What the full-text index finds.

use super::column::{Column, Row};
use super::walk::{Window, by_id};
use crate::error::StoreError;
use crate::filter::Filter;
use crate::place::PlaceKey;
use crate::sqlite::reader::Reader;
use crate::sqlite::statement::Statement;

/// A filter in the language of the index.
pub(super) struct Query<'a> {
    filter: &'a Filter,
    /// The words of the search, which the whole catalogue is searched for.
    pub(super) words: String,
    /// The same within the organization, the schema and the category that the filter names.
    pub(super) scoped: String,
}

/// How what is found is held against the rest of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// Row by row: best for few.
    Rows,
    /// In the index, as far as it knows. It goes through all that is in the organization, the schema and the category
    /// beside what is found.
    Index,
}

impl<'a> Query<'a> {
    /// Words are letters and digits only, and quoted: no text is an operator.
    pub(super) fn new(filter: &'a Filter) -> Self {
        let searched = filter.search.iter().flat_map(|search| search.words());
        let prefixes: Vec<String> = searched.map(|word| format!("\"{word}\"*")).collect();
        let words = format!("{{name description category}} : ({})", prefixes.join(" AND "));
        let mut scope = Vec::new();
        if !prefixes.is_empty() {
            scope.push(words.clone());
        }
        scope.extend(filter.organization.map(|organization| format!("scope : \"o{organization}\"")));
        scope.extend(filter.schema.map(|schema| format!("scope : \"s{schema}\"")));
        if let Some(category) = &filter.category {
            let letters: String = category.bytes().map(|byte| format!("{byte:02x}")).collect();
            scope.push(format!("scope : \"c{letters}\""));
        }
        Query { filter, words, scoped: scope.join(" AND ") }
    }

    /// Whether more products than that are found.
    pub(super) fn finds_more_than(&self, conn: &Reader, many: i64, within: Within) -> Result<bool, StoreError> {
        let statement =
            Statement::new("SELECT count(*) FROM (SELECT rowid FROM product_search WHERE product_search MATCH ");
        let counted = statement.text(self.text(within)).sql(" LIMIT ").integer(many + 1).sql(")").number(conn)?;
        Ok(counted > many)
    }

    /// How many products are found that the filter lets through.
    pub(super) fn count(&self, conn: &Reader, within: Within) -> Result<i64, StoreError> {
        self.from(Statement::new("SELECT count(*)"), self.text(within), within).number(conn)
    }

    /// In order of id, which is the order of the index.
    pub(super) fn by_id(&self, conn: &Reader, window: Window<'_>) -> Result<Vec<Row>, StoreError> {
        let (after, order) = by_id(window.descending);
        let mut statement = self.from(Statement::new("SELECT s.rowid, s.rowid"), &self.scoped, Within::Index);
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
        conn: &Reader,
        within: Within,
        window: Window<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let ranked =
            "WITH ranked AS MATERIALIZED (SELECT bm25(product_search, 10.0, 1.0, 5.0, 0.0) AS rank, s.rowid AS id";
        let mut statement = self.from(Statement::new(ranked), &self.words, within);
        if within == Within::Index && self.scoped != self.words {
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
        let rows: Vec<(f64, i64)> = statement.load(conn)?;
        Ok(rows.into_iter().map(|(rank, id)| Row { key: PlaceKey::Rank(rank), id }).collect())
    }

    /// The rows are looked at only when the filter asks for what the index does not.
    fn from(&self, select: Statement, text: &str, within: Within) -> Statement {
        let statement = select.sql(" FROM product_search s");
        let filter = self.filter;
        let scoped = filter.organization.is_some() || filter.schema.is_some() || filter.category.is_some();
        let by_row = filter.has_price() || filter.in_stock.is_some() || (within == Within::Rows && scoped);
        if by_row {
            let joined = statement.sql(" CROSS JOIN products p ON p.id = s.rowid WHERE product_search MATCH ");
            let joined = joined.text(text).sql(" AND p.deleted_at IS NULL");
            joined.organization(filter.organization.map(|id| id.get())).restrict(filter, None)
        } else {
            statement.sql(" WHERE product_search MATCH ").text(text)
        }
    }

    fn text(&self, within: Within) -> &str {
        match within {
            Within::Rows => &self.words,
            Within::Index => &self.scoped,
        }
    }
}

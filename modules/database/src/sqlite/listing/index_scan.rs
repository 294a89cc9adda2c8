//! Pages read along an index that has the list's order: what comes before them and what comes after is not looked at.

use std::cmp::Ordering;

use hotshelf_domain::{Filter, PlaceKey};

use super::column::{Bounds, Column, Row, compare};
use super::fulltext::found_by_id;
use crate::sqlite::error::SqlError;
use crate::sqlite::reader::Reader;
use crate::sqlite::statement::Statement;

/// Where in a list rows are wanted.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) descending: bool,
    /// Only those behind this row.
    pub(super) after: Option<&'a Row>,
    /// How many more to pass over.
    pub(super) offset: i64,
    pub(super) limit: i64,
}

/// The rows of a list that one index holds in the list's order.
pub(super) struct IndexScan<'a> {
    pub(super) filter: &'a Filter,
    pub(super) column: Column,
    /// ` INDEXED BY …`
    pub(super) index: &'static str,
    pub(super) organization: Option<i64>,
    /// Only what this query of the full-text index finds.
    pub(super) search: Option<&'a str>,
}

impl IndexScan<'_> {
    pub(super) fn rows(&self, conn: &Reader, window: Window<'_>) -> Result<Vec<Row>, SqlError> {
        if self.column == Column::Id {
            return self.by_id(conn, window);
        }
        let begin = match window.after {
            Some(row) if !self.bounds().begin_after(&row.key, window.descending) => (&row.key, row.id, 0),
            Some(_) | None if window.offset > 0 && window.descending => {
                let Some(key) = self.key_at(conn, window.offset)? else { return Ok(Vec::new()) };
                let above = self.count_above(conn, &key)?;
                return self.rest_of_block(conn, (&key, 0, window.offset - above), window);
            }
            Some(_) | None => return self.beyond(conn, None, window),
        };
        if self.bounds().end_before(begin.0, window.descending) {
            return Ok(Vec::new());
        }
        self.rest_of_block(conn, begin, window)
    }

    /// The rows with this key and a greater id, but for some, then those beyond the key. As two reads: both are sought
    /// in the index, also by a key that is not compared letter by letter.
    fn rest_of_block(
        &self,
        conn: &Reader,
        (key, id, offset): (&PlaceKey, i64, i64),
        window: Window<'_>,
    ) -> Result<Vec<Row>, SqlError> {
        let mut rows = self.block(conn, key, id, offset, window.limit)?;
        let limit = window.limit - rows.len() as i64;
        if limit > 0 {
            rows.extend(self.beyond(conn, Some(key), Window { offset: 0, limit, ..window })?);
        }
        Ok(rows)
    }

    fn by_id(&self, conn: &Reader, window: Window<'_>) -> Result<Vec<Row>, SqlError> {
        if let Some(query) = self.search {
            return found_by_id(conn, self.filter, query, window);
        }
        let (after, order) = by_id(window.descending);
        let mut statement = self.select();
        if let Some(row) = window.after {
            statement = statement.sql(" AND p.id").sql(after).integer(row.id);
        }
        self.load(conn, statement.sql(" ORDER BY p.id").sql(order).page(window.limit, window.offset))
    }

    /// Rows with this key and a greater id.
    fn block(&self, conn: &Reader, key: &PlaceKey, id: i64, offset: i64, limit: i64) -> Result<Vec<Row>, SqlError> {
        let statement = self.select().sql(" AND ").sql(self.column.sql()).sql(" = ").key(key);
        let statement = statement.sql(" AND p.id > ").integer(id).sql(" ORDER BY p.id").page(limit, offset);
        self.load(conn, statement)
    }

    /// Rows further on in the list than this key, or from its beginning.
    ///
    /// Read backwards, an index has equal keys in the wrong order, greatest id first, and a sort would have to read
    /// all of them, which may be a million. So each block of equal keys is turned round, and the last, which the
    /// limit may have cut in two, is read once more, forwards.
    fn beyond(&self, conn: &Reader, key: Option<&PlaceKey>, window: Window<'_>) -> Result<Vec<Row>, SqlError> {
        let statement = self.ordered(key, window.descending).page(window.limit, window.offset);
        let mut rows = self.load(conn, statement)?;
        if !window.descending {
            return Ok(rows);
        }
        for block in rows.chunk_by_mut(|one, other| compare(&one.key, &other.key) == Ordering::Equal) {
            block.reverse();
        }
        let cut = rows.len() as i64 == window.limit;
        if let Some(Row { key, .. }) = rows.last().filter(|_| cut).cloned() {
            let whole = rows.partition_point(|row| compare(&row.key, &key) == Ordering::Greater);
            let missing = rows.len() - whole;
            rows.truncate(whole);
            rows.extend(self.block(conn, &key, 0, 0, missing as i64)?);
        }
        Ok(rows)
    }

    /// In the order of the index, or exactly against it: without a sort.
    fn ordered(&self, beyond: Option<&PlaceKey>, descending: bool) -> Statement {
        let (column, mut bounds) = (self.column.sql(), self.bounds());
        let mut statement = self.select();
        if let Some(key) = beyond {
            // In place of the bound on the same side: of two, the database might begin at the wrong one.
            *(if descending { &mut bounds.max } else { &mut bounds.min }) = None;
            statement = statement.sql(" AND ").sql(column).sql(if descending { " < " } else { " > " }).key(key);
        }
        let order = if descending { " DESC, p.id DESC" } else { ", p.id" };
        statement.within(column, bounds).sql(" ORDER BY ").sql(column).sql(order)
    }

    fn key_at(&self, conn: &Reader, offset: i64) -> Result<Option<PlaceKey>, SqlError> {
        let rows = self.load(conn, self.ordered(None, true).page(1, offset))?;
        Ok(rows.into_iter().next().map(|row| row.key))
    }

    fn count_above(&self, conn: &Reader, key: &PlaceKey) -> Result<i64, SqlError> {
        let (column, bounds) = (self.column.sql(), self.bounds());
        let above = self.selecting(Statement::new("SELECT count(*)")).sql(" AND ").sql(column).sql(" > ").key(key);
        above.within(column, Bounds { min: None, ..bounds }).number(conn)
    }

    /// How many rows there are.
    pub(super) fn count(&self, conn: &Reader) -> Result<i64, SqlError> {
        let all = self.selecting(Statement::new("SELECT count(*)"));
        all.within(self.column.sql(), self.bounds()).number(conn)
    }

    fn select(&self) -> Statement {
        self.selecting(Statement::new("SELECT ").sql(self.column.sql()).sql(", p.id"))
    }

    fn selecting(&self, select: Statement) -> Statement {
        let mut statement = select.sql(" FROM products p").sql(self.index).sql(" WHERE p.deleted_at IS NULL");
        statement = statement.organization(self.organization).restrict(self.filter, Some(self.column));
        if let Some(search) = self.search {
            // The plus keeps the database from looking the found rows up one by one and sorting them.
            statement = statement
                .sql(" AND +p.id IN (SELECT rowid FROM product_search WHERE product_search MATCH ")
                .text(search)
                .sql(")");
        }
        statement
    }

    fn bounds(&self) -> Bounds {
        Bounds::of(self.filter, self.column)
    }

    fn load(&self, conn: &Reader, statement: Statement) -> Result<Vec<Row>, SqlError> {
        self.column.load(statement, conn)
    }
}

/// How ids compare with that of the row before, and their order.
pub(super) fn by_id(descending: bool) -> (&'static str, &'static str) {
    if descending { (" < ", " DESC") } else { (" > ", "") }
}

//! Pages read along an index that has the list's order: what comes before them and what comes after is not looked at.

use std::cmp::Ordering;

use diesel::sqlite::SqliteConnection;

use super::column::{Bounds, Column, Row, compare};
use super::statement::Statement;
use crate::error::StoreError;
use crate::filter::Filter;
use crate::place::PlaceKey;

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
pub(super) struct Walk<'a> {
    pub(super) filter: &'a Filter,
    pub(super) column: Column,
    /// ` INDEXED BY …`
    pub(super) index: &'static str,
    pub(super) organization: Option<i64>,
    /// Of the search, when it is not looked up first.
    pub(super) search: Option<&'a str>,
}

impl Walk<'_> {
    pub(super) fn rows(&self, conn: &mut SqliteConnection, window: Window<'_>) -> Result<Vec<Row>, StoreError> {
        match (self.column, window.descending) {
            (Column::Id, _) => self.by_id(conn, window),
            (_, false) => self.ascending(conn, window),
            (_, true) => self.descending(conn, window),
        }
    }

    fn by_id(&self, conn: &mut SqliteConnection, window: Window<'_>) -> Result<Vec<Row>, StoreError> {
        let (after, order) = by_id(window.descending);
        let mut statement = self.select();
        if let Some(row) = window.after {
            statement = statement.sql(" AND p.id").sql(after).integer(row.id);
        }
        self.load(conn, statement.sql(" ORDER BY p.id").sql(order).page(window.limit, window.offset))
    }

    fn ascending(&self, conn: &mut SqliteConnection, window: Window<'_>) -> Result<Vec<Row>, StoreError> {
        let (column, bounds) = (self.column.sql(), self.bounds());
        let statement = match window.after {
            // One lower bound and not two, of which the database might walk from the wrong one.
            Some(Row { key, id }) if !bounds.begin_after(key) => self
                .select()
                .sql(" AND (")
                .sql(column)
                .sql(", p.id) > (")
                .key(key)
                .sql(", ")
                .integer(*id)
                .sql(")")
                .within(column, Bounds { min: None, ..bounds }),
            Some(_) | None => self.select().within(column, bounds),
        };
        let ordered = statement.sql(" ORDER BY ").sql(column).sql(", p.id");
        self.load(conn, ordered.page(window.limit, window.offset))
    }

    /// Read backwards, an index has equal keys in the wrong order, greatest id first, and a sort would have to read all
    /// of them, which may be a million. So the rest of the block that the page begins in is read forwards, what lies
    /// below it backwards, and the block at the end, cut in two by the limit, once more forwards.
    fn descending(&self, conn: &mut SqliteConnection, window: Window<'_>) -> Result<Vec<Row>, StoreError> {
        let begin = match window.after {
            Some(row) if !self.bounds().end_before(&row.key) => Some((row.key.clone(), row.id, window.offset)),
            Some(_) | None if window.offset > 0 => match self.key_at(conn, window.offset)? {
                Some(key) => {
                    let above = self.count_above(conn, &key)?;
                    Some((key, 0, window.offset - above))
                }
                None => return Ok(Vec::new()),
            },
            Some(_) | None => None,
        };
        let Some((key, id, offset)) = begin else { return self.below(conn, None, window.limit) };
        if self.bounds().begin_after(&key) {
            return Ok(Vec::new());
        }
        let mut rows = self.block(conn, &key, id, offset, window.limit)?;
        let rest = window.limit - rows.len() as i64;
        if rest > 0 {
            rows.extend(self.below(conn, Some(&key), rest)?);
        }
        Ok(rows)
    }

    /// Rows with this key and a greater id.
    fn block(
        &self,
        conn: &mut SqliteConnection,
        key: &PlaceKey,
        id: i64,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.select().sql(" AND ").sql(self.column.sql()).sql(" = ").key(key);
        let statement = statement.sql(" AND p.id > ").integer(id).sql(" ORDER BY p.id").page(limit, offset);
        self.load(conn, statement)
    }

    /// Rows with lesser keys than this one.
    fn below(&self, conn: &mut SqliteConnection, key: Option<&PlaceKey>, limit: i64) -> Result<Vec<Row>, StoreError> {
        let column = self.column.sql();
        let mut rows = self.load(conn, self.descent(key).page(limit, 0))?;
        let cut = rows.len() as i64 == limit;
        for block in rows.chunk_by_mut(|one, other| compare(&one.key, &other.key) == Ordering::Equal) {
            block.reverse();
        }
        if let Some(Row { key, .. }) = rows.last().filter(|_| cut).cloned() {
            let whole = rows.partition_point(|row| compare(&row.key, &key) == Ordering::Greater);
            let missing = rows.len() - whole;
            rows.truncate(whole);
            rows.extend(self.block(conn, &key, 0, 0, missing as i64)?);
        }
        debug_assert!(rows.is_sorted_by(|one, other| one.compare(other, true).is_lt()), "{column}");
        Ok(rows)
    }

    /// From the key downwards, against the index' direction, so without a sort.
    fn descent(&self, below: Option<&PlaceKey>) -> Statement {
        let (column, bounds) = (self.column.sql(), self.bounds());
        let statement = match below {
            Some(key) => self.select().sql(" AND ").sql(column).sql(" < ").key(key),
            None => self.select(),
        };
        let bounds = if below.is_some() { Bounds { max: None, ..bounds } } else { bounds };
        statement.within(column, bounds).sql(" ORDER BY ").sql(column).sql(" DESC, p.id DESC")
    }

    fn key_at(&self, conn: &mut SqliteConnection, offset: i64) -> Result<Option<PlaceKey>, StoreError> {
        let rows = self.load(conn, self.descent(None).page(1, offset))?;
        Ok(rows.into_iter().next().map(|row| row.key))
    }

    fn count_above(&self, conn: &mut SqliteConnection, key: &PlaceKey) -> Result<i64, StoreError> {
        let (column, bounds) = (self.column.sql(), self.bounds());
        let above = self.from(Statement::new("SELECT count(*)")).sql(" AND ").sql(column).sql(" > ").key(key);
        above.within(column, Bounds { min: None, ..bounds }).number(conn)
    }

    fn select(&self) -> Statement {
        self.from(Statement::new("SELECT ").sql(self.column.sql()).sql(", p.id"))
    }

    fn from(&self, select: Statement) -> Statement {
        let mut statement = select.sql(" FROM products p").sql(self.index).sql(" WHERE p.deleted_at IS NULL");
        if let Some(organization) = self.organization {
            statement = statement.sql(" AND p.organization_id = ").integer(organization);
        }
        statement = statement.restrict(self.filter, Some(self.column));
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

    fn load(&self, conn: &mut SqliteConnection, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.column.load(statement, conn)
    }
}

/// How ids compare with that of the row before, and their order.
pub(super) fn by_id(descending: bool) -> (&'static str, &'static str) {
    if descending { (" < ", " DESC") } else { (" > ", "") }
}

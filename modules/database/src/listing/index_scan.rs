//! Pages read along an index that has the list's order: what comes before them and what comes after is not looked at.

use hotshelf_domain::{Filter, OrderBy, Place, PlaceKey};

use super::column::{self, Bounds, column, compare_keys, value};
use super::fulltext::found_by_id;
use super::indexes::Index;
use crate::backend::ListReader;
use crate::error::SqlError;
use crate::statement::Statement;

/// Where in a list rows are wanted.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) descending: bool,
    /// Only those behind this row.
    pub(super) after: Option<&'a Place>,
    /// How many more to skip.
    pub(super) offset: i64,
    pub(super) limit: i64,
}

/// The rows of a list that one index holds in the list's order.
pub(super) struct IndexScan<'a> {
    pub(super) filter: &'a Filter,
    pub(super) by: OrderBy,
    /// Along which the list is read.
    pub(super) index: Index,
    pub(super) organization: Option<i64>,
    /// Only what this query of the full-text index finds.
    pub(super) search: Option<&'a str>,
}

impl IndexScan<'_> {
    pub(super) fn rows(&self, conn: &dyn ListReader, window: Window<'_>) -> Result<Vec<Place>, SqlError> {
        if column(self.by) == column(OrderBy::Id) {
            return self.by_id(conn, window);
        }
        let Window { descending, after, offset, limit } = window;
        // The rest of a block of equal keys is a read of its own: so both are sought in the index.
        let (mut rows, key) = match after {
            Some(Place { key, id }) if !self.bounds().begin_after(key, descending) => {
                (self.block(conn, key, id.get(), 0, limit)?, key.clone())
            }
            None if offset > 0 && descending => {
                let Some(key) = self.key_at(conn, offset)? else { return Ok(Vec::new()) };
                let above = self.count_above(conn, &key)?;
                (self.block(conn, &key, 0, offset - above, limit)?, key)
            }
            _ => return self.beyond(conn, None, window),
        };
        let limit = limit - rows.len() as i64;
        if limit > 0 {
            rows.extend(self.beyond(conn, Some(&key), Window { offset: 0, limit, ..window })?);
        }
        Ok(rows)
    }

    fn by_id(&self, conn: &dyn ListReader, window: Window<'_>) -> Result<Vec<Place>, SqlError> {
        if let Some(query) = self.search {
            return found_by_id(conn, self.filter, query, window);
        }
        let (beyond, order) = window.direction();
        let mut statement = self.select(conn);
        if let Some(row) = window.after {
            statement = statement.and("p.id", beyond, row.id.get());
        }
        self.load(conn, statement.sql(" ORDER BY p.id").sql(order).page(window.limit, window.offset))
    }

    /// Rows with this key and a greater id.
    fn block(
        &self,
        conn: &dyn ListReader,
        key: &PlaceKey,
        id: i64,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Place>, SqlError> {
        let statement = self.select(conn).within(self.by, self.bounds()).and(column(self.by), " = ", value(key));
        self.load(conn, statement.and("p.id", " > ", id).sql(" ORDER BY p.id").page(limit, offset))
    }

    /// Rows further on in the list than this key, or from its beginning.
    ///
    /// Read backwards, an index has equal keys in the wrong order, greatest id first, and a sort would have to read
    /// all of them, which may be a million. So each block of equal keys is turned round, and the last, which the
    /// limit may have cut in two, is read once more, forwards.
    fn beyond(
        &self,
        conn: &dyn ListReader,
        key: Option<&PlaceKey>,
        window: Window<'_>,
    ) -> Result<Vec<Place>, SqlError> {
        let statement = self.ordered(conn, key, window.descending).page(window.limit, window.offset);
        let mut rows = self.load(conn, statement)?;
        if !window.descending {
            return Ok(rows);
        }
        for block in rows.chunk_by_mut(|one, other| compare_keys(&one.key, &other.key).is_eq()) {
            block.reverse();
        }
        let cut = rows.len() as i64 == window.limit;
        if let Some(Place { key, .. }) = rows.last().filter(|_| cut).cloned() {
            let whole = rows.partition_point(|row| compare_keys(&row.key, &key).is_gt());
            let missing = rows.len() - whole;
            rows.truncate(whole);
            rows.extend(self.block(conn, &key, 0, 0, missing as i64)?);
        }
        Ok(rows)
    }

    /// In the order of the index, or exactly against it: without a sort.
    fn ordered(&self, conn: &dyn ListReader, beyond: Option<&PlaceKey>, descending: bool) -> Statement {
        let (column, mut bounds) = (column(self.by), self.bounds());
        let mut statement = self.select(conn);
        if let Some(key) = beyond {
            // In place of the bound on the same side: of two, the database might begin at the wrong one.
            *(if descending { &mut bounds.max } else { &mut bounds.min }) = None;
            statement = statement.and(column, if descending { " < " } else { " > " }, value(key));
        }
        let order = if descending { " DESC, p.id DESC" } else { ", p.id" };
        statement.within(self.by, bounds).sql(" ORDER BY ").sql(column).sql(order)
    }

    fn key_at(&self, conn: &dyn ListReader, offset: i64) -> Result<Option<PlaceKey>, SqlError> {
        let mut rows = self.load(conn, self.ordered(conn, None, true).page(1, offset))?;
        Ok(rows.pop().map(|row| row.key))
    }

    fn count_above(&self, conn: &dyn ListReader, key: &PlaceKey) -> Result<i64, SqlError> {
        let above = self.selecting(conn.statement("SELECT count(*)")).and(column(self.by), " > ", value(key));
        above.within(self.by, Bounds { min: None, ..self.bounds() }).number(conn)
    }

    /// How many rows there are.
    pub(super) fn count(&self, conn: &dyn ListReader) -> Result<i64, SqlError> {
        self.selecting(conn.statement("SELECT count(*)")).within(self.by, self.bounds()).number(conn)
    }

    fn select(&self, conn: &dyn ListReader) -> Statement {
        self.selecting(conn.statement("SELECT ").sql(column(self.by)).sql(", p.id"))
    }

    fn selecting(&self, select: Statement) -> Statement {
        let mut statement = select.sql(" FROM products p").along(self.index).sql(" WHERE p.deleted_at IS NULL");
        if let Some(organization) = self.organization {
            statement = statement.and("p.organization_id", " = ", organization);
        }
        statement = statement.restrict(self.filter, Some(self.by));
        if let Some(search) = self.search {
            statement = statement.sql(" AND ").found_rows("p.id").matching(search).sql(")");
        }
        statement
    }

    fn bounds(&self) -> Bounds {
        Bounds::of(self.filter, self.by)
    }

    fn load(&self, conn: &dyn ListReader, statement: Statement) -> Result<Vec<Place>, SqlError> {
        column::load(self.by, statement, conn)
    }
}

impl Window<'_> {
    /// How the keys further on in the list compare with one, and their order.
    pub(super) fn direction(&self) -> (&'static str, &'static str) {
        if self.descending { (" < ", " DESC") } else { (" > ", "") }
    }
}

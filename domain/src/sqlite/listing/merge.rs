//! One list out of those of several organizations, which an index has one by one.

use std::collections::VecDeque;

use diesel::sqlite::SqliteConnection;

use super::column::Row;
use super::walk::{Walk, Window};
use crate::error::StoreError;

/// Rows read ahead of each list, at least and at most.
const CHUNK: (i64, i64) = (4, 1_000);

/// The rows of the window. Costs some microseconds for each list, however long it is.
pub(super) fn rows(
    conn: &mut SqliteConnection,
    walks: &[Walk<'_>],
    window: Window<'_>,
) -> Result<Vec<Row>, StoreError> {
    if let [walk] = walks {
        return walk.rows(conn, window);
    }
    let wanted = window.offset.saturating_add(window.limit);
    let chunk = (2 * (wanted / walks.len().max(1) as i64)).clamp(CHUNK.0, CHUNK.1);
    let begin = Window { offset: 0, limit: chunk, ..window };
    let mut lists = Vec::with_capacity(walks.len());
    for walk in walks {
        lists.push(Ahead { walk, rows: walk.rows(conn, begin)?.into(), chunk });
    }
    let mut rows = Vec::new();
    for position in 0..wanted {
        let heads = lists.iter_mut().filter(|list| !list.rows.is_empty());
        let first = heads.min_by(|one, other| one.rows[0].compare(&other.rows[0], window.descending));
        let Some(row) = first.map(|list| list.take(conn, window.descending)).transpose()?.flatten() else { break };
        if position >= window.offset {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The next rows of a list.
struct Ahead<'a, 'b> {
    walk: &'a Walk<'b>,
    rows: VecDeque<Row>,
    chunk: i64,
}

impl Ahead<'_, '_> {
    fn take(&mut self, conn: &mut SqliteConnection, descending: bool) -> Result<Option<Row>, StoreError> {
        let row = self.rows.pop_front();
        if self.rows.is_empty() {
            let window = Window { descending, after: row.as_ref(), offset: 0, limit: self.chunk };
            self.rows = self.walk.rows(conn, window)?.into();
        }
        Ok(row)
    }
}

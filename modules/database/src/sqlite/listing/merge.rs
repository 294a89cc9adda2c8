//! One list out of those of several organizations, which an index has one by one.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::column::Row;
use super::index_scan::{IndexScan, Window};
use crate::sqlite::error::SqlError;
use crate::sqlite::reader::Reader;

/// Rows read ahead of each list, at least and at most.
const CHUNK: (i64, i64) = (4, 1_000);

/// The rows of the window. Costs some microseconds for each list, however long it is.
pub(super) fn rows(conn: &Reader, scans: &[IndexScan<'_>], window: Window<'_>) -> Result<Vec<Row>, SqlError> {
    if let [scan] = scans {
        return scan.rows(conn, window);
    }
    let wanted = window.offset.saturating_add(window.limit);
    // To go on, a scan of what a search finds would have to search again.
    let again = scans.iter().any(|scan| scan.search.is_some());
    let chunk = if again { wanted } else { (2 * (wanted / scans.len().max(1) as i64)).clamp(CHUNK.0, CHUNK.1) };
    let begin = Window { offset: 0, limit: chunk, ..window };
    let (mut lists, mut heads) = (Vec::with_capacity(scans.len()), BinaryHeap::with_capacity(scans.len()));
    let descending = window.descending;
    for (list, scan) in scans.iter().enumerate() {
        let mut rows = VecDeque::from(scan.rows(conn, begin)?);
        heads.extend(rows.pop_front().map(|row| Head { row, list, descending }));
        lists.push(Ahead { scan, rows, chunk });
    }
    let mut rows = Vec::new();
    for position in 0..wanted {
        let Some(Head { row, list, .. }) = heads.pop() else { break };
        let next = lists[list].behind(conn, &row, descending)?;
        heads.extend(next.map(|row| Head { row, list, descending }));
        if position >= window.offset {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The next rows of a list, behind its head.
struct Ahead<'a, 'b> {
    scan: &'a IndexScan<'b>,
    rows: VecDeque<Row>,
    chunk: i64,
}

impl Ahead<'_, '_> {
    /// The row that comes next to this one.
    fn behind(&mut self, conn: &Reader, row: &Row, descending: bool) -> Result<Option<Row>, SqlError> {
        if self.rows.is_empty() {
            let window = Window { descending, after: Some(row), offset: 0, limit: self.chunk };
            self.rows = self.scan.rows(conn, window)?.into();
        }
        Ok(self.rows.pop_front())
    }
}

/// The first row of a list. The one that comes first in the order is the greatest, as a heap gives it out.
struct Head {
    row: Row,
    list: usize,
    descending: bool,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.row.compare(&self.row, self.descending)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

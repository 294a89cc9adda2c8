//! One list out of those of several organizations, which an index has one by one.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use hotshelf_domain::Place;

use super::column::compare;
use super::index_scan::{IndexScan, Window};
use crate::backend::ListReader;
use crate::error::SqlError;

/// Rows that are read of each list at a time, at least and at most.
const CHUNK: (i64, i64) = (4, 1_000);

/// A list of which the rows before `head` are merged already.
struct List<'a, 'b> {
    scan: &'a IndexScan<'b>,
    head: Place,
    /// Those that were read with the head.
    rows: VecDeque<Place>,
    descending: bool,
}

/// The list whose head comes first is the greatest, as a heap gives it out.
impl Ord for List<'_, '_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&other.head, &self.head, self.descending)
    }
}

impl PartialOrd for List<'_, '_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for List<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for List<'_, '_> {}

/// The rows of the window. Costs some microseconds for each list, however long it is.
pub(super) fn rows(conn: &dyn ListReader, scans: &[IndexScan<'_>], window: Window<'_>) -> Result<Vec<Place>, SqlError> {
    if let [scan] = scans {
        return scan.rows(conn, window);
    }
    let wanted = window.offset.saturating_add(window.limit);
    // To go on, a scan of what a search finds would have to search again.
    let again = scans.iter().any(|scan| scan.search.is_some());
    let chunk = if again { wanted } else { (2 * (wanted / scans.len().max(1) as i64)).clamp(CHUNK.0, CHUNK.1) };
    let descending = window.descending;
    let mut lists = BinaryHeap::with_capacity(scans.len());
    for scan in scans {
        let mut rows = VecDeque::from(scan.rows(conn, Window { offset: 0, limit: chunk, ..window })?);
        lists.extend(rows.pop_front().map(|head| List { scan, head, rows, descending }));
    }
    let mut merged = Vec::new();
    for position in 0..wanted {
        let Some(List { scan, head, mut rows, .. }) = lists.pop() else { break };
        if rows.is_empty() {
            rows = scan.rows(conn, Window { after: Some(&head), offset: 0, limit: chunk, ..window })?.into();
        }
        if let Some(head) = rows.pop_front() {
            lists.push(List { scan, head, rows, descending });
        }
        if position >= window.offset {
            merged.push(head);
        }
    }
    Ok(merged)
}

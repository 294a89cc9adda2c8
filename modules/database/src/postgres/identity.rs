//! Which database this is: the history, the server that it goes on in, and how far it has come. Everything that looks
//! into the database compares, so that a promoted standby, a restored backup and an old primary are noticed before
//! anything is read from them or acknowledged by them.

use std::sync::atomic::{AtomicBool, Ordering};

use hotshelf_domain::{History, StoreError};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::history::{Row, UNNAMED};
use super::place::{Connections, Place};

/// What is known.
#[derive(Clone, Debug)]
struct Known {
    history: i64,
    first_epoch: i64,
    place: Place,
    /// The latest timeline that was seen. Whatever is on an earlier one is an old primary.
    latest: Place,
    commits: i64,
    /// The highest epoch that was seen.
    epoch: i64,
    /// A new history has to begin before anything is read.
    unsettled: bool,
}

/// What was known before a look, to compare it with.
#[derive(Clone, Copy)]
pub(super) struct Before {
    history: i64,
    commits: i64,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The database that is known, or one that goes on from it.
    Current,
    /// It may lack what was acknowledged: a new history has to begin.
    Unsettled,
    /// It is from before what is known, at another place, such as an old primary; or a new history has begun since the
    /// look.
    Older,
}

pub(super) struct Identity {
    known: Mutex<Known>,
    pub(super) connections: Connections,
    /// A commit of this process may have happened that nobody was told of.
    in_doubt: AtomicBool,
    /// Never cancelled: a server that comes back is used again.
    replaced: CancellationToken,
    /// Names this process among the writers.
    pub(super) writer: i64,
}

impl Identity {
    pub(super) fn new(row: &Row, epoch: i64) -> Self {
        Identity {
            known: Mutex::new(Known {
                history: row.history,
                first_epoch: row.first_epoch,
                place: row.here,
                latest: row.here,
                commits: row.commits,
                epoch,
                unsettled: false,
            }),
            connections: Connections::default(),
            in_doubt: AtomicBool::new(false),
            replaced: CancellationToken::new(),
            writer: rand::random(),
        }
    }

    /// The history, and how many groups were committed.
    pub(super) fn progress(&self) -> (History, i64) {
        let known = self.known.lock();
        (History::from_row(known.history), known.commits)
    }

    pub(super) fn place(&self) -> Place {
        self.known.lock().place
    }

    pub(super) fn epoch(&self) -> i64 {
        self.known.lock().epoch
    }

    pub(super) fn before(&self) -> Before {
        let known = self.known.lock();
        Before { history: known.history, commits: known.commits }
    }

    pub(super) fn replaced(&self) -> CancellationToken {
        self.replaced.clone()
    }

    /// Fails unless a connection to that place leads to the database that is known.
    pub(super) fn confirm(&self, place: Place) -> Result<(), StoreError> {
        let known = self.known.lock();
        if known.unsettled {
            return Err(StoreError::failed("the database is another server's or an earlier one".to_owned()));
        }
        if known.place != place {
            return Err(StoreError::failed(
                "the connection leads to another server than the database is on".to_owned(),
            ));
        }
        Ok(())
    }

    /// Compares what a look outside of a group has found with what is known. Found current, it is known from now on.
    pub(super) fn judge(&self, row: &Row, epoch: i64, before: Before) -> Found {
        let mut known = self.known.lock();
        let found = compare(&known, row, before, before.commits);
        match found {
            Found::Current => self.adopt(&mut known, row, epoch),
            Found::Unsettled => self.unsettle(&mut known, row),
            Found::Older => {}
        }
        found
    }

    /// A new history has to begin there. Whoever waits elsewhere for an answer waits in vain, and what is read there may
    /// be overwritten here.
    fn unsettle(&self, known: &mut Known, row: &Row) {
        known.unsettled = true;
        if row.here.is_later_than(known.latest) {
            known.latest = row.here;
        }
        self.connections.keep_only(row.here);
    }

    /// The same of a group that has counted itself and is not committed yet.
    pub(super) fn judge_group(&self, row: &Row, before: Before) -> Found {
        let mut known = self.known.lock();
        let found = compare(&known, row, before, before.commits + 1);
        if found == Found::Unsettled {
            self.unsettle(&mut known, row);
        }
        found
    }

    /// The group that has counted itself, and perhaps begun a history, is committed.
    pub(super) fn committed(&self, row: &Row, epoch: Option<i64>) {
        let mut known = self.known.lock();
        let epoch = epoch.unwrap_or(known.epoch);
        self.adopt(&mut known, row, epoch);
    }

    fn adopt(&self, known: &mut Known, row: &Row, epoch: i64) {
        let moved = known.place != row.here;
        if row.history == known.history {
            known.commits = known.commits.max(row.commits);
        } else {
            if known.history != UNNAMED {
                announce(known, row);
            }
            (known.history, known.commits, known.first_epoch) = (row.history, row.commits, row.first_epoch);
        }
        known.place = row.here;
        if !known.latest.is_later_than(row.here) {
            known.latest = row.here;
        }
        known.epoch = known.epoch.max(epoch).max(row.first_epoch);
        known.unsettled = false;
        if moved {
            self.connections.keep_only(row.here);
        }
    }

    /// The next group has to advance the epoch: whoever has read before a commit that nobody was told of may have kept
    /// what it has changed.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::Release);
    }

    /// The epoch has advanced since.
    pub(super) fn end_doubt(&self) {
        self.in_doubt.store(false, Ordering::Release);
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire)
    }
}

/// `least`: so many groups the row has to count, if nothing was lost.
fn compare(known: &Known, row: &Row, before: Before, least: i64) -> Found {
    if row.history == before.history && known.history != before.history {
        // Another thread has found a new history while this one looked.
        return Found::Older;
    }
    if known.latest.is_later_than(row.here) {
        return Found::Older;
    }
    let settled = row.history != UNNAMED && row.place == Some(row.here);
    if row.history == known.history {
        let complete = row.history != before.history || row.commits >= least;
        return if settled && complete { Found::Current } else { Found::Unsettled };
    }
    match (row.first_epoch > known.first_epoch, settled) {
        (true, true) => Found::Current,
        (true, false) => Found::Unsettled,
        // The same server was put back to an earlier state, or another that lacks the last history was promoted.
        (false, _) if row.here == known.place || row.here.is_later_than(known.place) => Found::Unsettled,
        (false, _) => Found::Older,
    }
}

fn announce(known: &Known, row: &Row) {
    tracing::warn!(
        before = %History::from_row(known.history), now = %History::from_row(row.history), server = %row.here,
        "the database has begun a new history: ids go on a million later, entity tags from before do not match, all \
         sessions end"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(system: i64, timeline: u32) -> Place {
        format!("{system}/{timeline}/1/1").parse().unwrap()
    }

    fn row(history: i64, commits: i64, named: Place, first_epoch: i64, here: Place) -> Row {
        Row { history, commits, place: Some(named), before: 0, begun_at: 0, first_epoch, here }
    }

    /// Knows history 5, with 10 groups, on timeline 2.
    fn identity() -> Identity {
        Identity::new(&row(5, 10, place(1, 2), 200, place(1, 2)), 200)
    }

    #[test]
    fn what_is_found_is_compared_with_what_is_known() {
        let (here, later, earlier, other) = (place(1, 2), place(1, 3), place(1, 1), place(9, 1));
        for (found, expected) in [
            (row(5, 10, here, 200, here), Found::Current),
            (row(5, 12, here, 200, here), Found::Current),
            // It lacks a group.
            (row(5, 9, here, 200, here), Found::Unsettled),
            // A standby was promoted, a copy restored elsewhere.
            (row(5, 10, here, 200, later), Found::Unsettled),
            (row(5, 10, here, 200, other), Found::Unsettled),
            // Another process has begun a history.
            (row(6, 3, later, 300, later), Found::Current),
            (row(6, 3, later, 300, place(1, 4)), Found::Unsettled),
            // An old primary; the same server, put back; a standby that never had history 5.
            (row(4, 9, earlier, 100, earlier), Found::Older),
            (row(4, 9, here, 100, here), Found::Unsettled),
            (row(4, 9, earlier, 100, later), Found::Unsettled),
        ] {
            let identity = identity();
            assert_eq!(identity.judge(&found, 0, identity.before()), expected, "{found:?}");
            assert_eq!(identity.confirm(found.here).is_ok(), expected == Found::Current, "{found:?}");
        }
    }

    #[test]
    fn behind_a_later_timeline_nothing_is_current_any_more() {
        let (identity, here, later) = (identity(), place(1, 2), place(1, 3));
        assert_eq!(identity.judge(&row(5, 10, here, 200, later), 0, identity.before()), Found::Unsettled);
        assert_eq!(identity.judge(&row(5, 11, here, 200, here), 0, identity.before()), Found::Older);
        assert_eq!(identity.judge_group(&row(5, 11, here, 200, here), identity.before()), Found::Older);
        assert!(identity.confirm(here).is_err());
    }

    #[test]
    fn a_group_has_to_count_itself() {
        let (identity, here) = (identity(), place(1, 2));
        assert_eq!(identity.judge_group(&row(5, 11, here, 200, here), identity.before()), Found::Current);
        assert_eq!(identity.judge_group(&row(5, 10, here, 200, here), identity.before()), Found::Unsettled);
    }

    #[test]
    fn a_look_that_was_overtaken_by_a_new_history_says_nothing() {
        let (identity, here, later) = (identity(), place(1, 2), place(1, 3));
        let before = identity.before();
        identity.committed(&row(6, 3, later, 300, later), Some(300));
        assert_eq!(identity.judge(&row(5, 10, here, 200, later), 0, before), Found::Older);
        // A group that waited meanwhile is in the new history, whose groups are fewer.
        assert_eq!(identity.judge_group(&row(6, 4, later, 300, later), before), Found::Current);
        assert!(identity.confirm(later).is_ok() && identity.confirm(here).is_err());
    }
}

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
    commits: i64,
    /// The highest epoch that was seen.
    epoch: i64,
    /// Why nothing may be read: a new history has to begin first.
    unsettled: Option<&'static str>,
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The database that is known, or one that goes on from it.
    Current,
    /// It may lack what was acknowledged: a new history has to begin.
    Unsettled,
    /// It is from before what is known, at another place: an old primary, for instance.
    Older,
}

pub(super) struct Identity {
    known: Mutex<Known>,
    pub(super) connections: Connections,
    /// A commit of this process may have happened that nobody was told of.
    in_doubt: AtomicBool,
    /// Never cancelled: a server that comes back is used again.
    replaced: CancellationToken,
}

impl Identity {
    pub(super) fn new(row: &Row, epoch: i64) -> Self {
        Identity {
            known: Mutex::new(Known {
                history: row.history,
                first_epoch: row.first_epoch,
                place: row.here,
                commits: row.commits,
                epoch,
                unsettled: None,
            }),
            connections: Connections::default(),
            in_doubt: AtomicBool::new(false),
            replaced: CancellationToken::new(),
        }
    }

    pub(super) fn history(&self) -> History {
        History::from_row(self.known.lock().history)
    }

    pub(super) fn place(&self) -> Place {
        self.known.lock().place
    }

    pub(super) fn commits(&self) -> i64 {
        self.known.lock().commits
    }

    pub(super) fn epoch(&self) -> i64 {
        self.known.lock().epoch
    }

    pub(super) fn replaced(&self) -> CancellationToken {
        self.replaced.clone()
    }

    /// Fails unless a connection to that place leads to the database that is known.
    pub(super) fn confirm(&self, place: Place) -> Result<(), StoreError> {
        let known = self.known.lock();
        match known.unsettled {
            Some(why) => Err(StoreError::failed(why.to_owned())),
            None if known.place != place => {
                Err(StoreError::failed("the connection leads to another server than the database is on".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// What was found, compared with what is known. `commits` is what was known before the row was asked for. Found
    /// current, it is known from now on. `in_group`: the group has counted itself.
    pub(super) fn judge(&self, row: &Row, commits: i64, epoch: Option<i64>, in_group: bool) -> Found {
        let mut known = self.known.lock();
        let least = if in_group { commits + 1 } else { commits };
        let found = if row.history == UNNAMED || row.place != Some(row.here) {
            // What is not ours by then is older, if its history was known to end.
            if row.history != known.history && row.first_epoch <= known.first_epoch {
                Found::Older
            } else {
                Found::Unsettled
            }
        } else if row.history == known.history {
            if row.commits < least { Found::Unsettled } else { Found::Current }
        } else if row.first_epoch > known.first_epoch {
            Found::Current
        } else if row.here == known.place {
            // The same server was put back to an earlier state.
            Found::Unsettled
        } else {
            Found::Older
        };
        match found {
            Found::Current if !in_group => self.adopt(&mut known, row, epoch),
            Found::Current => {}
            Found::Unsettled => {
                known.unsettled =
                    Some("the database is another server's or an earlier one: a new history has to begin");
            }
            Found::Older => {}
        }
        found
    }

    /// The group that has counted itself, and perhaps begun a history, is committed.
    pub(super) fn committed(&self, row: &Row, epoch: Option<i64>) {
        self.adopt(&mut self.known.lock(), row, epoch);
    }

    fn adopt(&self, known: &mut Known, row: &Row, epoch: Option<i64>) {
        let moved = known.place != row.here;
        if row.history == known.history {
            known.commits = known.commits.max(row.commits);
        } else {
            tracing::warn!(
                before = %History::from_row(known.history), now = %History::from_row(row.history), server = %row.here,
                "the database has begun a new history: ids go on a million later, entity tags from before do not \
                 match, all sessions end"
            );
            (known.history, known.commits, known.first_epoch) = (row.history, row.commits, row.first_epoch);
        }
        known.place = row.here;
        known.epoch = known.epoch.max(epoch.unwrap_or(known.epoch)).max(row.first_epoch);
        known.unsettled = None;
        if moved {
            self.connections.keep_only(row.here);
        }
    }

    /// The next group has to advance the epoch: whoever has read before a commit that nobody was told of may have kept
    /// what it has changed.
    pub(super) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::Release);
    }

    pub(super) fn take_doubt(&self) -> bool {
        self.in_doubt.swap(false, Ordering::AcqRel)
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire)
    }
}

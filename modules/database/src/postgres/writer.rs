//! How PostgreSQL writes a group: one transaction, in which no other process writes.
//!
//! The first statement of each group updates the one row of the history, and so waits for the group before it, of
//! whichever process. So what a write checks holds until the commit, and no two groups can wait for each other.
//!
//! PostgreSQL undoes a transaction when one of its statements fails. It could undo to a savepoint instead, but hundreds of
//! those in a transaction slow down every other one. So a write that has failed after it changed something is taken out,
//! the transaction is undone, and the others are run again without it; the failed one gets a transaction of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotshelf_domain::{History, StoreError};
use tokio::runtime::Handle;

use super::connection::Connection;
use super::doubt;
use super::history::{self, Look, Row};
use super::identity::{Found, Identity};
use super::link::{Purpose, Server};
use super::{changes, open_connection};
use crate::backend::WriteConnection;
use crate::engine::writer::{Group, Job};
use crate::error::SqlError;
use crate::port::EpochTx;

/// Writes that are taken out of a group, at most. If there are more, each of the group gets its own transaction: to run
/// the rest again and again would take longer.
const TAKEN_OUT: usize = 4;
/// For a commit. One that takes longer waits for a synchronous replica that is gone.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// A wait for a lock that ends with an error is longer than that, and than any other failure to begin.
const LOCK_WAIT: Duration = Duration::from_millis(3_900);

pub(super) struct Writer {
    conn: Connection,
    server: Arc<Server>,
    identity: Arc<Identity>,
    runtime: Handle,
}

/// What became of the transaction of some writes.
enum Attempt {
    /// It has ended, and all of them are settled.
    Settled,
    /// It was undone, because the write in this place has failed with this error.
    Failed(usize, StoreError),
    /// It was undone, because what all of them have changed could not be entered.
    NotEntered(StoreError),
    /// It was undone, and the connection is of no use any more.
    Lost(StoreError),
}

/// A transaction in which the group is counted.
pub(super) struct Begun {
    pub(super) row: Row,
    /// Of the last group of this process that was committed.
    pub(super) previous: i64,
    pub(super) token: i64,
    /// The epoch, if it has advanced.
    epoch: Option<i64>,
    ends_doubt: bool,
}

impl Writer {
    pub(super) fn open(server: Arc<Server>, identity: Arc<Identity>, runtime: Handle) -> Result<Self, StoreError> {
        let conn = open_connection(&server, &identity, Purpose::Writing, &runtime)?;
        Ok(Writer { conn, server, identity, runtime })
    }
}

impl WriteConnection for Writer {
    fn write(&mut self, group: &mut Group) -> bool {
        let mut jobs = group.timely();
        let mut alone: Vec<&mut Job> = Vec::new();
        while !jobs.is_empty() {
            match self.attempt(&mut jobs) {
                Attempt::Settled => break,
                // Nothing else was in its transaction.
                Attempt::Failed(_, error) | Attempt::NotEntered(error) if jobs.len() == 1 => {
                    settle(jobs.iter_mut(), &not_committed(error));
                    break;
                }
                Attempt::Failed(index, _) if alone.len() < TAKEN_OUT => alone.push(jobs.remove(index)),
                Attempt::Failed(..) | Attempt::NotEntered(_) => {
                    alone.append(&mut jobs);
                }
                Attempt::Lost(error) => {
                    settle(jobs.iter_mut().chain(&mut alone), &error);
                    return false;
                }
            }
        }
        for index in 0..alone.len() {
            match self.attempt(&mut alone[index..=index]) {
                Attempt::Settled => {}
                Attempt::Failed(_, error) | Attempt::NotEntered(error) => {
                    alone[index].settle(Err(not_committed(error)));
                }
                Attempt::Lost(error) => {
                    settle(alone[index..].iter_mut(), &error);
                    return false;
                }
            }
        }
        self.conn.is_usable()
    }

    fn is_usable(&self) -> bool {
        self.conn.is_usable()
    }
}

impl Writer {
    /// Runs the writes in one transaction.
    fn attempt(&mut self, jobs: &mut [&mut Job]) -> Attempt {
        self.conn.inserts.expected = jobs.len();
        let mut begun = match begin(&mut self.conn, &self.identity) {
            Ok(begun) => begun,
            Err(error) => return Attempt::Lost(error),
        };
        let history = History::from_row(begun.row.history);
        for (index, job) in jobs.iter_mut().enumerate() {
            if job.prepared_in != history {
                job.settle(Err(StoreError::Overloaded("the database has begun a new history")));
                continue;
            }
            let written = self.conn.written();
            // A write that was refused before it changed anything leaves nothing to undo.
            if let Err(error) = job.run(&mut self.conn)
                && (self.conn.has_failed() || self.conn.written() > written)
            {
                return self.undo(Attempt::Failed(index, error));
            }
        }
        if let Err(error) = changes::enter(&mut self.conn) {
            tracing::debug!(%error, writes = jobs.len(), "what a group has changed cannot be entered");
            return self.undo(Attempt::NotEntered(StoreError::failed(error.to_string())));
        }
        if self.conn.history_begun {
            match history::look(&mut self.conn) {
                Ok(Look { row, epoch, .. }) => (begun.row, begun.epoch) = (row, Some(epoch)),
                Err(error) => return self.undo(Attempt::NotEntered(error.into())),
            }
        }
        let outcome = self.commit(&begun);
        jobs.iter_mut().filter(|job| job.prepared_in == history).for_each(|job| job.settle(outcome.clone()));
        Attempt::Settled
    }

    fn undo(&mut self, attempt: Attempt) -> Attempt {
        match self.conn.roll_back() {
            Ok(()) => attempt,
            // The error of one write is no answer to the others.
            Err(error) => Attempt::Lost(StoreError::NotCommitted(error.to_string().into())),
        }
    }

    /// The commit, and what it has changed of what is known.
    fn commit(&mut self, begun: &Begun) -> Result<(), StoreError> {
        if let Err(why) = self.conn.commit(COMMIT_PATIENCE) {
            tracing::warn!(why, "whether a group of writes was committed is in doubt");
            match doubt::resolve(begun.token, &self.server, &self.identity, &self.runtime) {
                Ok(true) => {
                    // Its fences may have ended meanwhile. The group that has found it knows the rest.
                    self.identity.doubt();
                    return Ok(());
                }
                Ok(false) => return Err(StoreError::NotCommitted(why.into())),
                Err(cause) => {
                    // Whatever was read meanwhile may be from before it.
                    self.identity.doubt();
                    let what = "whether the write was committed is not known";
                    return Err(StoreError::failed(format!("{what} ({why}; then: {cause})")));
                }
            }
        }
        acknowledge(&self.identity, begun);
        Ok(())
    }
}

/// Begins a transaction that no other process is in, and a new history where that has to be.
///
/// # Errors
/// Nothing was changed.
pub(super) fn begin(conn: &mut Connection, identity: &Identity) -> Result<Begun, StoreError> {
    let started = Instant::now();
    try_begin(conn, identity).map_err(|error| match StoreError::from(error) {
        StoreError::Unavailable(cause) if started.elapsed() > LOCK_WAIT && conn.is_usable() => {
            tracing::debug!(%cause, "no write can be begun, another process holds the row of the history");
            StoreError::Overloaded("no write can be begun")
        }
        error => not_committed(error),
    })
}

fn try_begin(conn: &mut Connection, identity: &Identity) -> Result<Begun, SqlError> {
    let before = identity.before();
    conn.begin()?;
    let token = rand::random();
    let (row, previous) = history::count_group(conn, identity.writer, token)?;
    if row.commits != conn.last_group + 1 {
        conn.inserts.forget_ids();
    }
    conn.group = row.commits;
    let ends_doubt = identity.is_in_doubt();
    let mut begun = Begun { row, previous, token, epoch: None, ends_doubt };
    match identity.judge_group(&begun.row, before) {
        Found::Current => {}
        Found::Older => {
            let older = "the connection leads to an earlier state of the database, such as an old primary";
            return Err(StoreError::failed(older.to_owned()).into());
        }
        Found::Unsettled => {
            match begun.row.history {
                history::UNNAMED => history::begin_first(conn)?,
                _ => history::begin(conn, identity.epoch())?,
            }
            let Look { row, epoch, .. } = history::look(conn)?;
            (begun.row, begun.epoch) = (row, Some(epoch));
        }
    }
    if ends_doubt {
        begun.epoch = Some(conn.advance_epoch()?.get().cast_signed());
    }
    Ok(begun)
}

/// It is committed.
pub(super) fn acknowledge(identity: &Identity, begun: &Begun) {
    identity.committed(&begun.row, begun.epoch);
    if begun.ends_doubt {
        identity.end_doubt();
    }
}

fn settle<'a, 'b: 'a>(jobs: impl Iterator<Item = &'a mut &'b mut Job>, error: &StoreError) {
    jobs.for_each(|job| job.settle(Err(error.clone())));
}

/// Of a transaction that was undone.
pub(super) fn not_committed(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(cause) => StoreError::NotCommitted(cause),
        error => error,
    }
}

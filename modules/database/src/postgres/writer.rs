//! How PostgreSQL writes a group: one transaction, in which no other process writes.
//!
//! The first statement of each group updates the one row of the history, and so waits for the group before it, of
//! whichever process. So what a write checks holds until the commit, and no two groups can wait for each other.
//!
//! PostgreSQL undoes a transaction when one of its statements fails. It could undo to a savepoint instead, but hundreds of
//! those in a transaction slow down every other one. So a write that has failed after it changed something is taken out,
//! the transaction is undone, and the others are run again without it; the failed one gets a transaction of its own.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_domain::StoreError;
use tokio::runtime::Handle;

use super::connection::{Commit, Connection};
use super::doubt::{Decision, Doubt};
use super::history::{self, Row};
use super::identity::{Found, Identity};
use super::link::{Purpose, Server};
use super::{changes, open_connection};
use crate::backend::WriteConnection;
use crate::engine::writer::{Group, Job};
use crate::error::SqlError;
use crate::port::EpochTx;

/// While another process holds the row: nothing was changed.
const NOT_BEGUN: StoreError = StoreError::Overloaded("no write can be begun");
/// For a commit. One that takes longer waits for a synchronous replica that is gone.
const COMMIT_PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    conn: Connection,
    server: Arc<Server>,
    identity: Arc<Identity>,
    runtime: Handle,
}

/// The writes of a transaction, and what became of it.
enum Attempt {
    /// It has ended, and all were settled.
    Settled { usable: bool },
    /// The transaction was undone because of the write in this place.
    Undone(usize),
}

/// A transaction in which the group is counted.
struct Begun {
    row: Row,
    transaction: String,
    /// Of a history that begins with it, or of an epoch that was advanced.
    epoch: Option<i64>,
    doubted: bool,
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
        let mut alone = Vec::new();
        while !jobs.is_empty() {
            match self.attempt(&mut jobs) {
                Attempt::Settled { usable: true } => break,
                Attempt::Settled { usable: false } => {
                    settle(&mut alone, &Err(StoreError::NotCommitted("the connection was lost".into())));
                    return false;
                }
                Attempt::Undone(index) => alone.push(jobs.remove(index)),
            }
        }
        while let Some(job) = alone.pop() {
            let mut one = vec![job];
            match self.attempt(&mut one) {
                Attempt::Settled { usable: true } => {}
                Attempt::Settled { usable: false } => {
                    settle(&mut alone, &Err(StoreError::NotCommitted("the connection was lost".into())));
                    return false;
                }
                // Its own error is its answer.
                Attempt::Undone(_) => settle(&mut one, &Ok(())),
            }
        }
        true
    }
}

impl Writer {
    /// Runs the writes in one transaction.
    fn attempt(&mut self, jobs: &mut [&mut Job]) -> Attempt {
        let begun = match self.begin() {
            Ok(begun) => begun,
            Err(error) => {
                settle(jobs, &Err(not_begun(error)));
                return Attempt::Settled { usable: false };
            }
        };
        for (index, job) in jobs.iter_mut().enumerate() {
            let written = self.conn.written();
            // A write that was refused before it changed anything leaves nothing to undo.
            let refused = job.run(&mut self.conn).is_err();
            if refused && (self.conn.has_failed() || self.conn.written() > written) {
                return self.undo(jobs, begun, index);
            }
        }
        if let Err(error) = changes::enter(&mut self.conn) {
            tracing::debug!(%error, writes = jobs.len(), "what a group has changed cannot be entered");
            return match jobs {
                // Each is tried alone, and the one whose change it is hears of it.
                [_, ..] if jobs.len() > 1 => self.undo(jobs, begun, 0),
                _ => {
                    settle(jobs, &Err(StoreError::NotCommitted(error.to_string().into())));
                    self.undone(begun)
                }
            };
        }
        let outcome = self.commit(&begun);
        settle(jobs, &outcome);
        Attempt::Settled { usable: outcome.is_ok() }
    }

    /// Begins a transaction that no other process is in.
    fn begin(&mut self) -> Result<Begun, SqlError> {
        let commits = self.identity.commits();
        self.conn.begin()?;
        let (row, transaction) = history::count_group(&mut self.conn)?;
        let (mut row, mut epoch) = (row, None);
        match self.identity.judge(&row, commits, None, true) {
            Found::Current => {}
            Found::Older => {
                let older = "the connection leads to an earlier state of the database, such as an old primary";
                return Err(StoreError::NotCommitted(older.into()).into());
            }
            Found::Unsettled => {
                match row.history {
                    history::UNNAMED => history::begin_first(&mut self.conn)?,
                    _ => history::begin(&mut self.conn, self.identity.epoch())?,
                }
                let (begun, first_epoch, _) = history::look(&mut self.conn)?;
                (row, epoch) = (begun, Some(first_epoch));
            }
        }
        let doubted = self.identity.take_doubt();
        if doubted {
            match self.conn.advance_epoch() {
                Ok(advanced) => epoch = Some(advanced.get().cast_signed()),
                Err(error) => {
                    self.identity.doubt();
                    return Err(error);
                }
            }
        }
        Ok(Begun { row, transaction, epoch, doubted })
    }

    fn undo(&mut self, jobs: &mut [&mut Job], begun: Begun, index: usize) -> Attempt {
        match self.undone(begun) {
            Attempt::Settled { usable: true } => Attempt::Undone(index),
            lost => {
                settle(jobs, &Err(StoreError::NotCommitted("the connection was lost".into())));
                lost
            }
        }
    }

    /// Undoes the transaction.
    fn undone(&mut self, begun: Begun) -> Attempt {
        if begun.doubted {
            self.identity.doubt();
        }
        Attempt::Settled { usable: self.conn.roll_back().is_ok() }
    }

    fn commit(&mut self, begun: &Begun) -> Result<(), StoreError> {
        let outcome = match self.conn.commit(COMMIT_PATIENCE) {
            Commit::Done => Ok(()),
            Commit::Refused(why) => Err(StoreError::NotCommitted(why.into())),
            Commit::InDoubt(why) => self.resolve(begun, &why),
        };
        match &outcome {
            Ok(()) => self.identity.committed(&begun.row, begun.epoch),
            Err(_) if begun.doubted => self.identity.doubt(),
            Err(_) => {}
        }
        outcome
    }

    /// Finds out, on another connection, whether the transaction was committed.
    fn resolve(&mut self, begun: &Begun, why: &str) -> Result<(), StoreError> {
        tracing::warn!(why, "whether a group of writes was committed is in doubt");
        let doubt = Doubt { row: &begun.row, transaction: &begun.transaction };
        match doubt.resolve(&self.server, &self.identity, &self.runtime) {
            Decision::Committed => Ok(()),
            Decision::NotCommitted => Err(StoreError::NotCommitted(why.into())),
            Decision::Unknown(cause) => {
                // Whatever was read meanwhile may be from before it.
                self.identity.doubt();
                let what = "whether the write was committed is not known";
                Err(StoreError::failed(format!("{what} ({why}; then: {cause})")))
            }
        }
    }
}

fn settle(jobs: &mut [&mut Job], outcome: &Result<(), StoreError>) {
    for job in jobs {
        job.settle(outcome.clone());
    }
}

/// Nothing was changed.
fn not_begun(error: SqlError) -> StoreError {
    match StoreError::from(error) {
        StoreError::Unavailable(cause) if cause.contains("lock timeout") => NOT_BEGUN,
        StoreError::Unavailable(cause) => StoreError::NotCommitted(cause),
        error => error,
    }
}

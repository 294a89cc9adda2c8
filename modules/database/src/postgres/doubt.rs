//! What became of a commit whose answer did not come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use hotshelf_domain::StoreError;
use tokio::runtime::Handle;

use super::connection::{Commit, Connection};
use super::history::{self, Row};
use super::identity::Identity;
use super::link::{Purpose, Server};
use super::open_connection;
use super::sql::statement;
use crate::error::SqlError;

/// For how long it is asked. Those who wait for the write have given up by then.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

/// A commit that may have happened.
pub(super) struct Doubt<'a> {
    /// The row as the transaction has left it.
    pub(super) row: &'a Row,
    pub(super) transaction: &'a str,
}

pub(super) enum Decision {
    Committed,
    NotCommitted,
    /// Why it is not known.
    Unknown(String),
}

statement! {
    Status { transaction: Text = String } -> Nullable<Text>;
    "SELECT pg_xact_status(?::text::xid8)"
}

impl Doubt<'_> {
    /// Asks until it is known, or patience ends.
    pub(super) fn resolve(&self, server: &Arc<Server>, identity: &Identity, runtime: &Handle) -> Decision {
        let end = Instant::now() + PATIENCE;
        loop {
            let asked = open_connection(server, identity, Purpose::Writing, runtime)
                .and_then(|mut conn| self.ask(&mut conn).map_err(StoreError::from));
            match asked {
                Ok(decision) => return decision,
                Err(error) if Instant::now() >= end => return Decision::Unknown(error.to_string()),
                Err(error) => {
                    tracing::debug!(%error, "what became of a commit cannot be found out yet");
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// In a group of its own, with nothing in it: it waits until the transaction in doubt has ended, and its own commit,
    /// which comes later in the log, is on a synchronous replica only if that one is.
    fn ask(&self, conn: &mut Connection) -> Result<Decision, SqlError> {
        conn.begin()?;
        let (row, _) = history::count_group(conn)?;
        if row.here != self.row.here {
            conn.roll_back()?;
            return Ok(self.elsewhere(&row));
        }
        let status: Option<String> = Status { transaction: self.transaction.to_owned() }.get_result(conn)?;
        let decision = match status.as_deref() {
            Some("committed") => Decision::Committed,
            Some("aborted") => Decision::NotCommitted,
            // It cannot be in progress, as the row is ours.
            other => Decision::Unknown(format!("its status is {}", other.unwrap_or("forgotten"))),
        };
        match conn.commit(PATIENCE) {
            Commit::Done => Ok(decision),
            Commit::Refused(why) | Commit::InDoubt(why) => Err(StoreError::failed(why).into()),
        }
    }

    /// Another server does not know the transaction by its id, but how many groups it has taken over.
    fn elsewhere(&self, row: &Row) -> Decision {
        let taken_over = if row.history == self.row.history { row.commits - 1 } else { row.begun_at };
        let follows = row.history == self.row.history || row.before == self.row.history;
        if follows && taken_over < self.row.commits {
            return Decision::NotCommitted;
        }
        Decision::Unknown("another server has become the primary".to_owned())
    }
}

//! The row that names the history of the database and the server that it goes on in, and what a new history begins with.
//!
//! A promoted standby and a restored backup may lack what was acknowledged. They are at another place than the row says,
//! or have counted fewer groups than are known. So what they give next must not have the names of what is lost: a new
//! history has other epochs, ids a million further on, and a name that stands in the entity tags.

use chrono::Utc;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use hotshelf_cache::Instance;
use hotshelf_domain::{History, StoreError};
use tokio_postgres::Client;

use super::connection::Connection;
use super::instances::{self, rows_as_text};
use super::link::said;
use super::place::{Place, here};
use super::sql::statement;
use crate::error::SqlError;
use crate::port::HistoryTx;
use crate::rows::corrupt;
use crate::tables::{password_resets, sessions};

/// Before the database is opened for the first time.
pub(super) const UNNAMED: i64 = 0;
/// Epochs that a new history skips: more than can have been opened since what the database has lost.
const SKIPPED_EPOCHS: i64 = 1 << 20;
/// The bits of an epoch below the timeline, so that no two timelines give the same.
const TIMELINE: u32 = 40;

/// The row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) history: i64,
    /// Groups of writes that were committed, in all histories.
    pub(super) commits: i64,
    /// Where the history goes on; `None` before the first one.
    pub(super) place: Option<Place>,
    /// The history before it, and how many groups were committed in it.
    pub(super) before: i64,
    pub(super) begun_at: i64,
    /// Its first epoch. That of a later history is higher.
    pub(super) first_epoch: i64,
    /// Where the connection leads to that has read the row.
    pub(super) here: Place,
}

impl Row {
    fn new(
        history: i64,
        commits: i64,
        place: &str,
        [before, begun_at, first_epoch]: [i64; 3],
        here: &str,
    ) -> Result<Self, SqlError> {
        let unknown = |()| corrupt("the row of the history names no server");
        let place = if place.is_empty() { None } else { Some(place.parse().map_err(unknown)?) };
        Ok(Row { history, commits, place, before, begun_at, first_epoch, here: here.parse().map_err(unknown)? })
    }
}

/// What a look into the database has found.
pub(super) struct Look {
    pub(super) row: Row,
    pub(super) epoch: i64,
    /// The Redis server that the epoch was reconciled with.
    pub(super) server: String,
}

statement! {
    LookAtSharers {} -> (BigInt, BigInt, Text, BigInt, BigInt, BigInt, Text, BigInt, Text, Text);
    concat!(
        "SELECT history, commits, place, before, begun_at, first_epoch, ", here!(), ", epoch, server, ",
        rows_as_text!(), " FROM database_history, copy_epoch"
    )
}

/// The same, and the rows of the instances.
pub(super) fn look_at_sharers(conn: &mut Connection) -> Result<(Look, Vec<Instance>), SqlError> {
    type Found = (i64, i64, String, i64, i64, i64, String, i64, String, String);
    let (history, commits, place, before, begun_at, first_epoch, here, epoch, server, instances): Found =
        LookAtSharers {}.get_result(conn)?;
    let row = Row::new(history, commits, &place, [before, begun_at, first_epoch], &here)?;
    Ok((Look { row, epoch, server }, instances::parse(&instances)?))
}

const LOOK: &str = concat!(
    "SELECT history, commits, place, before, begun_at, first_epoch, ",
    here!(),
    ", epoch, server \
     FROM database_history, copy_epoch"
);

statement! {
    LookNow {} -> (BigInt, BigInt, Text, BigInt, BigInt, BigInt, Text, BigInt, Text);
    LOOK
}

pub(super) fn look(conn: &mut Connection) -> Result<Look, SqlError> {
    type Found = (i64, i64, String, i64, i64, i64, String, i64, String);
    let (history, commits, place, before, begun_at, first_epoch, here, epoch, server): Found =
        LookNow {}.get_result(conn)?;
    let row = Row::new(history, commits, &place, [before, begun_at, first_epoch], &here)?;
    Ok(Look { row, epoch, server })
}

/// The same on a connection without diesel.
pub(super) async fn look_on(client: &Client) -> Result<Look, SqlError> {
    let found = client.query_one(LOOK, &[]).await.map_err(|error| StoreError::failed(said(error)))?;
    let [before, begun_at, first_epoch] = [3, 4, 5].map(|column| found.get(column));
    let row = Row::new(found.get(0), found.get(1), found.get(2), [before, begun_at, first_epoch], found.get(6))?;
    Ok(Look { row, epoch: found.get(7), server: found.get(8) })
}

statement! {
    /// The row of this process is its own: nobody else waits for it.
    CountGroup { writer: BigInt = i64, token: BigInt = i64, now: BigInt = i64 }
        -> (BigInt, BigInt, Text, BigInt, BigInt, BigInt, Text, BigInt);
    concat!(
        "WITH own AS (INSERT INTO group_writers AS w (writer, token, previous, written_at) VALUES (?, ?, 0, ?) \
             ON CONFLICT (writer) DO UPDATE \
                 SET previous = w.token, token = excluded.token, written_at = excluded.written_at \
             RETURNING previous) \
         UPDATE database_history SET commits = commits + 1 \
         RETURNING history, commits, place, before, begun_at, first_epoch, ", here!(), ", (SELECT previous FROM own)"
    )
}

/// Counts a group, first in its transaction: no other process writes from then on until it ends. Returns the row, and
/// the token of the last group of this writer that was committed, 0 if there is none.
pub(super) fn count_group(conn: &mut Connection, writer: i64, token: i64) -> Result<(Row, i64), SqlError> {
    type Found = (i64, i64, String, i64, i64, i64, String, i64);
    let now = Utc::now().timestamp_millis();
    let (history, commits, place, before, begun_at, first_epoch, here, previous): Found =
        CountGroup { writer, token, now }.get_result(conn)?;
    Ok((Row::new(history, commits, &place, [before, begun_at, first_epoch], &here)?, previous))
}

statement! {
    ForgetWriters { before: BigInt = i64 };
    "DELETE FROM group_writers WHERE written_at < ?"
}

/// Forgets processes that have not written for a month.
pub(super) fn forget_writers(conn: &mut Connection) -> Result<(), SqlError> {
    let before = (Utc::now() - chrono::TimeDelta::days(30)).timestamp_millis();
    ForgetWriters { before }.execute(conn)?;
    Ok(())
}

statement! {
    /// The epoch is higher than any that was known.
    RaiseEpoch { skipped: BigInt = i64, least: BigInt = i64 } -> BigInt;
    "UPDATE copy_epoch SET epoch = greatest(epoch + ?, ?) RETURNING epoch"
}

statement! {
    Name { history: BigInt = i64, first_epoch: BigInt = i64 };
    concat!(
        "UPDATE database_history SET before = history, begun_at = commits - 1, history = ?, first_epoch = ?, place = ",
        here!()
    )
}

statement! {
    /// Every sequence that gives ids.
    SkipIds {};
    "SELECT setval(s, nextval(s) + 1000000) FROM unnest(ARRAY['products_id_seq', 'product_images_id_seq', \
        'organizations_id_seq', 'schemas_id_seq', 'users_id_seq', 'sessions_id_seq', 'api_keys_id_seq', \
        'invitations_id_seq', 'audit_log_id_seq']::regclass[]) AS s"
}

/// Names the history of a new database, inside a group.
pub(super) fn begin_first(conn: &mut Connection) -> Result<(), SqlError> {
    name(conn, 0, i64::from(conn.place.timeline) << TIMELINE).map(drop)
}

/// Begins another history, inside a group: `known_epoch` was given before.
pub(super) fn begin(conn: &mut Connection, known_epoch: i64) -> Result<(), SqlError> {
    let least = (i64::from(conn.place.timeline) << TIMELINE).max(known_epoch.saturating_add(SKIPPED_EPOCHS));
    let history = name(conn, SKIPPED_EPOCHS, least)?;
    instances::forget(conn, history)?;
    SkipIds {}.execute(conn)?;
    conn.inserts.forget_ids();
    // Some have ended since, and that is lost.
    diesel::delete(sessions::table).execute(conn)?;
    diesel::delete(password_resets::table).execute(conn)?;
    Ok(())
}

fn name(conn: &mut Connection, skipped: i64, least: i64) -> Result<i64, SqlError> {
    let first_epoch: i64 = RaiseEpoch { skipped, least }.get_result(conn)?;
    let history = loop {
        match rand::random() {
            UNNAMED => {}
            random => break random,
        }
    };
    Name { history, first_epoch }.execute(conn)?;
    Ok(history)
}

impl HistoryTx for Connection {
    fn begin_history(&mut self, known: History) -> Result<History, SqlError> {
        let Look { row, epoch, .. } = look(self)?;
        if History::from_row(row.history) == known {
            begin(self, epoch)?;
            self.history_begun = true;
        }
        Ok(History::from_row(look(self)?.row.history))
    }
}

//! The row that names the history of the database, and what a new history begins with.

use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use hotshelf_domain::History;

use super::lock::Record;
use crate::error::SqlError;
use crate::port::{EpochTx, HistoryTx};
use crate::tables::{database_history, password_resets, sessions, sqlite_sequence};

/// Ids that a restored database skips: more than are given between two backups, where nothing tells how many were.
const SKIPPED: i64 = 1_000_000;
/// Before the database is opened for the first time.
const UNNAMED: i64 = 0;

/// The row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub(crate) struct Row {
    history: i64,
    /// Groups of writes that were committed.
    pub(crate) commits: i64,
    /// The process that may write alone.
    pub(crate) writer: Option<i64>,
}

impl Row {
    pub(crate) fn history(&self) -> History {
        History::from_row(self.history)
    }
}

/// Why a new history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Nobody has opened this database before.
    First,
    /// It holds all that it held, in another place: the place where it was may go on, too.
    Copied,
    /// It lacks what it held before, or nothing tells that it does not.
    Restored,
}

/// What is found when the database is opened.
pub(crate) struct Opened {
    pub(crate) row: Row,
    pub(crate) beginning: Option<Beginning>,
}

pub(crate) fn current(conn: &mut SqliteConnection) -> QueryResult<Row> {
    use database_history::dsl::{commits, history, writer};
    database_history::table.select((history, commits, writer)).first(conn)
}

/// What counts the changes of the tables, and each `VACUUM`, of this database or into another file.
pub(crate) fn schema_version(conn: &mut SqliteConnection) -> QueryResult<i64> {
    sql::<BigInt>("PRAGMA schema_version").get_result(conn)
}

/// Counts one group of writes, inside its transaction.
pub(crate) fn count_group(conn: &mut SqliteConnection) -> QueryResult<Row> {
    CountGroup.get_result(conn)
}

/// Every group runs it. Unlike diesel's updates, this lets the connection keep the prepared statement.
#[derive(Clone, Copy, QueryId)]
struct CountGroup;

impl Query for CountGroup {
    type SqlType = (BigInt, BigInt, Nullable<BigInt>);
}

impl QueryFragment<Sqlite> for CountGroup {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE database_history SET commits = commits + 1 RETURNING history, commits, writer");
        Ok(())
    }
}

impl RunQueryDsl<SqliteConnection> for CountGroup {}

/// The highest id that was given to anything.
fn highest_id(conn: &mut SqliteConnection) -> QueryResult<i64> {
    let highest: Option<i64> = sqlite_sequence::table.select(max(sqlite_sequence::seq)).first(conn)?;
    Ok(highest.unwrap_or(0))
}

/// How far the database has come.
pub(crate) fn record(conn: &mut SqliteConnection) -> QueryResult<Record> {
    let row = current(conn)?;
    Ok(Record { history: row.history(), commits: row.commits, highest_id: highest_id(conn)? })
}

/// Notes who writes, and begins a new history unless the database goes on from where the record beside it ends.
/// Inside a transaction.
pub(crate) fn open(
    conn: &mut SqliteConnection,
    record: Option<Record>,
    in_place: bool,
    writer: Option<i64>,
) -> Result<Opened, SqlError> {
    let row = current(conn)?;
    let goes_on = |record: &Record| record.history == row.history() && row.commits >= record.commits;
    let beginning = match &record {
        None if row.history == UNNAMED => Some(Beginning::First),
        Some(record) if goes_on(record) => (!in_place).then_some(Beginning::Copied),
        // Also one that was made anew, or is from before databases had a history, where another one was before.
        _ => Some(Beginning::Restored),
    };
    match beginning {
        Some(Beginning::Restored) => begin(conn, record.map_or(0, |record| record.highest_id))?,
        Some(_) => drop(name(conn)?),
        None => {}
    }
    diesel::update(database_history::table).set(database_history::writer.eq(writer)).execute(conn)?;
    Ok(Opened { row: current(conn)?, beginning })
}

/// Another name.
fn name(conn: &mut SqliteConnection) -> QueryResult<usize> {
    let random = sql::<BigInt>("random()");
    diesel::update(database_history::table).set(database_history::history.eq(random)).execute(conn)
}

/// Begins a new history of a database that lacks what it held before: no id that was given then is given again, and
/// sessions that have ended since are not restored.
pub(crate) fn begin(conn: &mut SqliteConnection, highest_known: i64) -> Result<(), SqlError> {
    name(conn)?;
    // Instances that know the epoch of before see that it has changed.
    conn.advance_epoch()?;
    let highest = highest_id(conn)?.max(highest_known);
    let begin = sql::<BigInt>("max(seq, ").bind::<BigInt, _>(highest).sql(") + ").bind::<BigInt, _>(SKIPPED);
    let tables: Vec<String> =
        sql::<Text>("SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%'").load(conn)?;
    for table in tables {
        // A table that never had a row has no row here.
        let known: i64 = sqlite_sequence::table.filter(sqlite_sequence::name.eq(&table)).count().get_result(conn)?;
        if known == 0 {
            let row = (sqlite_sequence::name.eq(&table), sqlite_sequence::seq.eq(0));
            diesel::insert_into(sqlite_sequence::table).values(row).execute(conn)?;
        }
    }
    diesel::update(sqlite_sequence::table).set(sqlite_sequence::seq.eq(begin)).execute(conn)?;
    diesel::delete(sessions::table).execute(conn)?;
    diesel::delete(password_resets::table).execute(conn)?;
    Ok(())
}

impl HistoryTx for SqliteConnection {
    fn begin_history(&mut self, known: History) -> Result<History, SqlError> {
        // Another process that shares the database may have begun one.
        if current(self)?.history() == known {
            begin(self, 0)?;
        }
        Ok(current(self)?.history())
    }
}

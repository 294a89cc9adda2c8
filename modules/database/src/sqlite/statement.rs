//! A statement put together from parts. Its text can only come from the program; whatever comes from outside is bound.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use hotshelf_domain::StoreError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Params, Row, params_from_iter};

use super::reader::Reader;
use crate::sqlite::error::SqlError;

/// The connection keeps the prepared statement, which saves half of a short read's time. There are some hundred texts
/// at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Sql(&'static str),
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Statement(vec![Part::Sql(sql)])
    }

    pub(crate) fn sql(mut self, sql: &'static str) -> Self {
        self.0.push(Part::Sql(sql));
        self
    }

    pub(crate) fn integer(mut self, value: i64) -> Self {
        self.0.push(Part::Integer(value));
        self
    }

    pub(crate) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.push(Part::Bytes(value.to_owned()));
        self
    }

    pub(crate) fn text(mut self, value: &str) -> Self {
        self.0.push(Part::Text(value.to_owned()));
        self
    }

    /// The rows that it selects.
    pub(crate) fn load<T>(self, conn: &Reader) -> Result<Vec<T>, SqlError>
    where
        T: for<'row> TryFrom<&'row Row<'row>, Error = rusqlite::Error>,
    {
        conn.rows(&self, |row| T::try_from(row))
    }

    /// Does what it says: how many rows that changed.
    pub(crate) fn execute(self, conn: &mut SqliteConnection) -> Result<usize, SqlError> {
        Ok(RunQueryDsl::execute(ForWriter(self), conn)?)
    }

    /// The one number it selects.
    pub(crate) fn number(self, conn: &Reader) -> Result<i64, SqlError> {
        let rows: Vec<(i64,)> = self.load(conn)?;
        let row = rows.first().ok_or_else(|| StoreError::failed("a statement without a row".to_owned()))?;
        Ok(row.0)
    }

    /// The one number it returns, on the writer's connection.
    pub(crate) fn write(self, conn: &mut SqliteConnection) -> Result<i64, SqlError> {
        Ok(RunQueryDsl::get_result(ForWriter(self), conn)?)
    }

    pub(crate) fn query(&self) -> String {
        let part = |part: &Part| if let Part::Sql(sql) = part { *sql } else { "?" };
        self.0.iter().map(part).collect()
    }

    pub(crate) fn parameters(&self) -> impl Params {
        let value = |part| {
            Some(ToSqlOutput::Borrowed(match part {
                &Part::Integer(value) => ValueRef::Integer(value),
                Part::Text(value) => ValueRef::Text(value.as_bytes()),
                Part::Bytes(value) => ValueRef::Blob(value),
                Part::Sql(_) => return None,
            }))
        };
        params_from_iter(self.0.iter().filter_map(value))
    }
}

/// Of the writer. Unlike diesel's `sql_query`, it lets the connection keep the prepared statement.
struct ForWriter(Statement);

impl QueryFragment<Sqlite> for ForWriter {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for part in &self.0.0 {
            match part {
                Part::Sql(sql) => out.push_sql(sql),
                Part::Integer(value) => out.push_bind_param::<BigInt, _>(value)?,
                Part::Text(value) => out.push_bind_param::<Text, _>(value)?,
                Part::Bytes(value) => out.push_bind_param::<Binary, _>(value)?,
            }
        }
        Ok(())
    }
}

impl QueryId for ForWriter {
    type QueryId = ();
    /// The text tells them apart.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for ForWriter {
    type SqlType = BigInt;
}

impl RunQueryDsl<SqliteConnection> for ForWriter {}

//! A statement put together from parts. Its text can only come from the program; whatever comes from outside is bound.

use std::marker::PhantomData;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::LoadQuery;
use diesel::sql_types::{BigInt, Double, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::error::StoreError;

/// Unlike diesel's `sql_query`, it lets the connection keep the prepared statement, which saves half of a short read's
/// time. There are some hundred texts at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Sql(&'static str),
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Statement {
    pub(super) fn new(sql: &'static str) -> Self {
        Statement(vec![Part::Sql(sql)])
    }

    pub(super) fn sql(mut self, sql: &'static str) -> Self {
        self.0.push(Part::Sql(sql));
        self
    }

    pub(super) fn integer(mut self, value: i64) -> Self {
        self.0.push(Part::Integer(value));
        self
    }

    pub(super) fn real(mut self, value: f64) -> Self {
        self.0.push(Part::Real(value));
        self
    }

    pub(super) fn text(mut self, value: &str) -> Self {
        self.0.push(Part::Text(value.to_owned()));
        self
    }

    /// The rows, whose columns have these SQL types.
    pub(super) fn load<'q, Types, Row>(self, conn: &mut SqliteConnection) -> Result<Vec<Row>, StoreError>
    where
        Typed<Types>: LoadQuery<'q, SqliteConnection, Row>,
    {
        Ok(RunQueryDsl::load(Typed(self, PhantomData), conn)?)
    }

    /// Does what it says: how many rows that changed.
    pub(super) fn execute(self, conn: &mut SqliteConnection) -> Result<usize, StoreError> {
        Ok(RunQueryDsl::execute(Typed::<BigInt>(self, PhantomData), conn)?)
    }

    /// The one number it selects.
    pub(super) fn number(self, conn: &mut SqliteConnection) -> Result<i64, StoreError> {
        Ok(RunQueryDsl::get_result(Typed::<BigInt>(self, PhantomData), conn)?)
    }
}

pub(super) struct Typed<Types>(Statement, PhantomData<Types>);

impl<Types> QueryFragment<Sqlite> for Typed<Types> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        for part in &self.0.0 {
            match part {
                Part::Sql(sql) => out.push_sql(sql),
                Part::Integer(value) => out.push_bind_param::<BigInt, _>(value)?,
                Part::Real(value) => out.push_bind_param::<Double, _>(value)?,
                Part::Text(value) => out.push_bind_param::<Text, _>(value)?,
            }
        }
        Ok(())
    }
}

impl<Types> QueryId for Typed<Types> {
    type QueryId = ();
    /// The text tells them apart.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Types> Query for Typed<Types> {
    type SqlType = Types;
}

impl<Types> RunQueryDsl<SqliteConnection> for Typed<Types> {}

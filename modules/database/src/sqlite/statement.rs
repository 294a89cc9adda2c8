//! A statement put together from parts. Its text can only come from the program; whatever comes from outside is bound.

use hotshelf_domain::StoreError;
use rusqlite::Row;
use rusqlite::types::Value;

use super::reader::Reader;
use crate::sqlite::error::SqlError;

/// The connection keeps the prepared statement, which saves half of a short read's time. There are some hundred texts
/// at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) parameters: Vec<Value>,
}

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Statement::default().sql(sql)
    }

    pub(crate) fn sql(mut self, sql: &'static str) -> Self {
        self.text.push_str(sql);
        self
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.parameters.push(value.into());
        self.sql("?")
    }

    /// One more condition.
    pub(crate) fn and(self, column: &'static str, comparison: &'static str, value: impl Into<Value>) -> Self {
        self.sql(" AND ").sql(column).sql(comparison).bind(value)
    }

    /// The rows that it selects.
    pub(crate) fn load<T>(self, conn: &Reader) -> Result<Vec<T>, SqlError>
    where
        T: for<'row> TryFrom<&'row Row<'row>, Error = rusqlite::Error>,
    {
        conn.rows(&self, |row| T::try_from(row))
    }

    /// The one number it selects.
    pub(crate) fn number(self, conn: &Reader) -> Result<i64, SqlError> {
        let number = conn.rows(&self, |row| row.get(0))?.pop();
        Ok(number.ok_or_else(|| StoreError::failed("a statement without a row".to_owned()))?)
    }
}

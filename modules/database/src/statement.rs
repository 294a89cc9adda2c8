//! A statement put together from parts. Its text can only come from the program; whatever comes from outside is bound.

use hotshelf_domain::{ProductId, StoreError};

use crate::backend::ListReader;
use crate::error::SqlError;
use crate::listing::indexes::Index;

/// Where the statements of lists differ from one database to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// A value that is bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    Ids(Vec<i64>),
}

/// A row that a statement has selected, by the places of its columns.
pub(crate) trait Row {
    fn integer(&self, column: usize) -> Result<i64, SqlError>;
    fn integer_or_null(&self, column: usize) -> Result<Option<i64>, SqlError>;
    fn text(&self, column: usize) -> Result<String, SqlError>;
    fn text_or_null(&self, column: usize) -> Result<Option<String>, SqlError>;
    fn bytes(&self, column: usize) -> Result<Vec<u8>, SqlError>;
    fn bytes_or_null(&self, column: usize) -> Result<Option<Vec<u8>>, SqlError>;
}

/// The connection keeps the prepared statement, which saves half of a short read's time. There are some hundred texts
/// at most.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    dialect: Dialect,
    pub(crate) text: String,
    pub(crate) parameters: Vec<Value>,
    /// Along which the products are to be read.
    index: Option<Index>,
}

impl Statement {
    pub(crate) fn new(dialect: Dialect, sql: &'static str) -> Self {
        Statement { dialect, text: sql.to_owned(), parameters: Vec::new(), index: None }
    }

    pub(crate) fn sql(mut self, sql: &'static str) -> Self {
        self.text.push_str(sql);
        self
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.parameters.push(value.into());
        match self.dialect {
            Dialect::Sqlite => self.text.push('?'),
            Dialect::Postgres => self.text.push_str(&format!("${}", self.parameters.len())),
        }
        self
    }

    /// One more condition.
    pub(crate) fn and(self, column: &'static str, comparison: &'static str, value: impl Into<Value>) -> Self {
        let sought = self.index.is_none_or(|index| index.columns.contains(&column));
        if sought || self.dialect == Dialect::Sqlite {
            return self.sql(" AND ").sql(column).sql(comparison).bind(value);
        }
        // The same condition, which PostgreSQL estimates in the same way, and for which it uses no index.
        self.sql(" AND (").sql(column).sql(comparison).bind(value).sql(") IS TRUE")
    }

    /// The order of a small set, in a statement that is to read this set and sort it. PostgreSQL might read another index
    /// instead, which has the order.
    pub(crate) fn sorted_by(self, column: &'static str) -> Self {
        let key = match (self.dialect, column) {
            (Dialect::Sqlite, column) => column,
            (Dialect::Postgres, "p.id") => "p.id + 0",
            (Dialect::Postgres, "p.name_key") => "p.name_key || ''::bytea",
            (Dialect::Postgres, "p.price") => "p.price + 0",
            (Dialect::Postgres, "p.stock") => "p.stock + 0",
            (Dialect::Postgres, "p.created_at") => "p.created_at + 0",
            (Dialect::Postgres, "p.updated_at") => "p.updated_at + 0",
            (Dialect::Postgres, column) => column,
        };
        self.sql(" ORDER BY ").sql(key)
    }

    /// Behind `products p`: the index along which it is to be read. SQLite is told which, and refuses a statement that it
    /// cannot run so. PostgreSQL takes no such advice. Of conditions whose values it does not know yet, it believes that
    /// they leave few rows, and would seek these in other indexes and sort them; so they are written for no index.
    pub(crate) fn along(self, index: Index) -> Self {
        let told = match self.dialect {
            Dialect::Sqlite => self.sql(" INDEXED BY ").sql(index.name),
            Dialect::Postgres => self,
        };
        Statement { index: Some(index), ..told }
    }

    /// A condition: what stands before it is one of these ids.
    pub(crate) fn among(self, ids: &[ProductId]) -> Self {
        match self.dialect {
            Dialect::Sqlite => self.sql(" IN (SELECT value FROM json_each(").bind(ids).sql("))"),
            Dialect::Postgres => self.sql(" = ANY(").bind(ids).sql(")"),
        }
    }

    /// Tables: each of these ids, in the column `s.value`.
    pub(crate) fn each_of(self, ids: &[ProductId]) -> Self {
        match self.dialect {
            Dialect::Sqlite => self.sql(" FROM json_each(").bind(ids).sql(") s"),
            Dialect::Postgres => self.sql(" FROM unnest(").bind(ids).sql("::bigint[]) AS s (value)"),
        }
    }

    /// One more table, of which the rows are looked up for those of the tables before it. SQLite keeps the order.
    pub(crate) fn looking_up(self, table: &'static str) -> Self {
        let join = match self.dialect {
            Dialect::Sqlite => " CROSS JOIN ",
            Dialect::Postgres => " JOIN ",
        };
        self.sql(join).sql(table)
    }

    /// A condition: the row of `product_search` has what the query of the index asks for.
    pub(crate) fn matching(self, query: &str) -> Self {
        match self.dialect {
            Dialect::Sqlite => self.sql("product_search MATCH ").bind(query.to_owned()),
            Dialect::Postgres => self.sql("words @@ ").bind(query.to_owned()).sql("::text::tsquery"),
        }
    }

    /// The beginning of a condition: the column is one of the rows of the full-text index that match what follows.
    pub(crate) fn found_rows(self, column: &'static str) -> Self {
        let condition = match self.dialect {
            // The plus keeps SQLite from looking the found rows up one by one and sorting them.
            Dialect::Sqlite => self.sql("+"),
            Dialect::Postgres => self,
        };
        condition.sql(column).sql(" IN (SELECT rowid FROM product_search WHERE ")
    }

    /// The one number it selects.
    pub(crate) fn number(self, conn: &dyn ListReader) -> Result<i64, SqlError> {
        let number = conn.rows(&self, |row| row.integer(0))?.pop();
        Ok(number.ok_or_else(|| StoreError::failed("a statement without a row".to_owned()))?)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<&[ProductId]> for Value {
    fn from(ids: &[ProductId]) -> Self {
        Value::Ids(ids.iter().map(|id| id.get()).collect())
    }
}

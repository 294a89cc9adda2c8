//! Moves everything from one database to another, of whatever kind.
//!
//! It is read in one moment and written in one transaction: a copy that fails leaves the target as it was. What follows
//! from the rows is made anew, such as counters and search words, and the target keeps its own history.

use std::iter;
use std::sync::Arc;

use hotshelf_domain::StoreError;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use crate::backend::ListReader;
use crate::database::Database;
use crate::error::SqlError;
use crate::port::Tx;
use crate::rows::ProductRow;
use crate::statement::{Row, Value};

/// Rows in one statement.
const BATCH: i64 = 1_000;

/// What a column holds. Any may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Text,
    Bytes,
}

use Kind::{Bytes, Integer, Text};

/// A table, with its columns. The first one is its key.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

/// All that are copied, each behind those that it refers to.
pub(crate) const TABLES: [Table; 15] = [
    Table {
        name: "organizations",
        columns: &[
            ("id", Integer),
            ("name", Text),
            ("created_at", Integer),
            ("suspended_at", Integer),
            ("ended_at", Integer),
            ("ending", Integer),
            ("quota_products", Integer),
            ("quota_users", Integer),
            ("quota_schemas", Integer),
        ],
    },
    Table {
        name: "schemas",
        columns: &[
            ("id", Integer),
            ("organization_id", Integer),
            ("name", Text),
            ("fields", Text),
            ("version", Integer),
        ],
    },
    Table {
        name: PRODUCTS,
        columns: &[
            ("id", Integer),
            ("name", Text),
            ("description", Text),
            ("price", Integer),
            ("stock", Integer),
            ("category", Text),
            ("organization_id", Integer),
            ("schema_id", Integer),
            ("version", Integer),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("deleted_at", Integer),
            ("name_key", Bytes),
        ],
    },
    Table { name: "product_details", columns: &[("product_id", Integer), ("fields", Text)] },
    Table {
        name: "product_images",
        columns: &[("id", Integer), ("product_id", Integer), ("url", Text), ("alt", Text), ("position", Integer)],
    },
    Table { name: "read_counts", columns: &[("product_id", Integer), ("reads", Integer)] },
    Table {
        name: "users",
        columns: &[
            ("id", Integer),
            ("email", Text),
            ("password_hash", Text),
            ("organization_id", Integer),
            ("role", Text),
            ("session_generation", Integer),
            ("created_at", Integer),
            ("key_generation", Integer),
            ("verified_at", Integer),
        ],
    },
    Table {
        name: "sessions",
        columns: &[
            ("id", Integer),
            ("token_hash", Bytes),
            ("user_id", Integer),
            ("generation", Integer),
            ("client", Text),
            ("created_at", Integer),
            ("last_used_at", Integer),
            ("expires_at", Integer),
        ],
    },
    Table {
        name: "api_keys",
        columns: &[
            ("id", Integer),
            ("token_hash", Bytes),
            ("user_id", Integer),
            ("name", Text),
            ("role", Text),
            ("created_at", Integer),
            ("last_used_at", Integer),
            ("generation", Integer),
            ("expires_at", Integer),
            ("scopes", Text),
        ],
    },
    Table { name: "password_resets", columns: &[("token_hash", Bytes), ("user_id", Integer), ("expires_at", Integer)] },
    Table { name: "address_proofs", columns: &[("token_hash", Bytes), ("user_id", Integer), ("expires_at", Integer)] },
    Table {
        name: "invitations",
        columns: &[
            ("id", Integer),
            ("token_hash", Bytes),
            ("email", Text),
            ("organization_id", Integer),
            ("founds", Integer),
            ("role", Text),
            ("invited_by", Integer),
            ("created_at", Integer),
            ("expires_at", Integer),
        ],
    },
    Table {
        name: "revoked_tokens",
        columns: &[("token_hash", Bytes), ("expires_at", Integer), ("revoked_at", Integer)],
    },
    Table { name: "removed_users", columns: &[("email_hash", Bytes), ("removed_at", Integer)] },
    Table {
        name: "audit_log",
        columns: &[
            ("id", Integer),
            ("at", Integer),
            ("action", Text),
            ("kind", Text),
            ("outcome", Text),
            ("user_id", Integer),
            ("email", Text),
            ("credential", Text),
            ("organization_id", Integer),
            ("target", Text),
            ("detail", Text),
            ("origin", Text),
            ("request_id", Text),
            ("count", Integer),
        ],
    },
];

pub(crate) const PRODUCTS: &str = "products";

/// Tables whose rows get ids: the last one that was given may be of a row that is gone.
pub(crate) const WITH_IDS: [&str; 9] = [
    "organizations",
    "schemas",
    PRODUCTS,
    "product_images",
    "users",
    "sessions",
    "api_keys",
    "invitations",
    "audit_log",
];

/// The rows of the first two tables that a new database has: what is built in.
const IN_NEW: [i64; 2] = [1, 1];

/// A value of a column.
pub(crate) type Cell = Option<Value>;

/// How many rows of a table were copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: i64,
}

/// What is copied, as `table.column`.
pub fn copied_columns() -> impl Iterator<Item = String> {
    TABLES.iter().flat_map(|table| table.columns.iter().map(move |(column, _)| format!("{}.{column}", table.name)))
}

impl Database {
    /// Copies everything into another database that has nothing in it yet, in one transaction. Returns how many rows of
    /// each table there are; in the copy, they were counted before the commit.
    ///
    /// # Errors
    /// [`StoreError::NotCommitted`] when the other database is not empty, and whatever reading and writing fail with.
    /// Nothing is copied then.
    pub async fn copy_into(&self, target: &Database) -> Result<Vec<Copied>, StoreError> {
        let last_ids = self.keyed_read(|tx| tx.last_ids()).await?;
        let backend = Arc::clone(self.backend());
        let opened = spawn_blocking(move || backend.open_lists()).await;
        let source = Mutex::new(opened.map_err(|died| StoreError::failed(died.to_string()))??);
        target.write_alone(move |target| copy(&**source.lock(), target, &last_ids)).await
    }
}

fn copy(source: &dyn ListReader, target: &mut dyn Tx, last_ids: &[i64]) -> Result<Vec<Copied>, SqlError> {
    for (table, new) in TABLES.iter().zip(IN_NEW.into_iter().chain(iter::repeat(0))) {
        if target.count_rows(table)? != new {
            return Err(StoreError::NotCommitted("the database to copy into is not empty".into()).into());
        }
    }
    target.clear_for_copy()?;
    let copied: Vec<Copied> =
        source.moment(|source| TABLES.iter().map(|table| copy_table(source, target, table)).collect())?;
    target.raise_ids(last_ids)?;
    for (table, Copied { rows, .. }) in TABLES.iter().zip(&copied) {
        let there = target.count_rows(table)?;
        if there != *rows {
            let what = format!("of {rows} rows of {}, {there} were copied", table.name);
            return Err(StoreError::NotCommitted(what.into()).into());
        }
    }
    Ok(copied)
}

fn copy_table(source: &dyn ListReader, target: &mut dyn Tx, table: &'static Table) -> Result<Copied, SqlError> {
    let (mut rows, mut last): (i64, Option<Value>) = (0, None);
    loop {
        let batch = next_rows(source, table, last)?;
        let Some(end) = batch.last() else { return Ok(Copied { table: table.name, rows }) };
        last = end.first().cloned().flatten();
        rows += batch.len() as i64;
        target.insert_rows(table, &batch)?;
    }
}

/// The rows behind that key.
fn next_rows(source: &dyn ListReader, table: &Table, key: Option<Value>) -> Result<Vec<Vec<Cell>>, SqlError> {
    let mut statement = source.statement("SELECT ");
    for (index, (column, _)) in table.columns.iter().enumerate() {
        statement = statement.sql(if index == 0 { "" } else { ", " }).sql(column);
    }
    statement = statement.sql(" FROM ").sql(table.name);
    let Some((first, _)) = table.columns.first() else { return Ok(Vec::new()) };
    if let Some(key) = key {
        statement = statement.sql(" WHERE ").sql(first).sql(" > ").bind(key);
    }
    let statement = statement.sql(" ORDER BY ").sql(first).sql(" LIMIT ").bind(BATCH);
    source.rows(&statement, |row| cells(table, row))
}

fn cells(table: &Table, row: &dyn Row) -> Result<Vec<Cell>, SqlError> {
    let cell = |(index, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Integer => row.integer_or_null(index)?.map(Value::Integer),
            Text => row.text_or_null(index)?.map(Value::Text),
            Bytes => row.bytes_or_null(index)?.map(Value::Bytes),
        })
    };
    table.columns.iter().enumerate().map(cell).collect()
}

/// A row of the products, unless it is deleted.
pub(crate) fn live_product(row: &[Cell]) -> Option<ProductRow> {
    let integer = |index: usize| match row.get(index) {
        Some(Some(Value::Integer(number))) => Some(*number),
        _ => None,
    };
    let text = |index: usize| match row.get(index) {
        Some(Some(Value::Text(text))) => Some(text.clone()),
        _ => None,
    };
    if integer(11).is_some() {
        return None;
    }
    Some(ProductRow {
        id: integer(0)?,
        name: text(1)?,
        description: text(2)?,
        price: integer(3)?,
        stock: integer(4)?,
        category: text(5)?,
        organization_id: integer(6)?,
        schema_id: integer(7)?,
        version: integer(8)?,
        created_at: integer(9)?,
        updated_at: integer(10)?,
    })
}

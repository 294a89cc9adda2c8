//! New products of a group are inserted together, by one statement: one for each would be a round trip for each.
//!
//! They get their ids at once, and their rows wait until another statement runs on the connection, or the group commits.
//! So every statement of the transaction finds them.

use std::collections::VecDeque;
use std::thread;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Text};
use hotshelf_domain::{StoreError, name_key};

use super::changes;
use super::connection::Connection;
use super::sql::statement;
use crate::error::SqlError;
use crate::rows::ProductRow;

/// Products in one statement. What a larger group has inserted is entered into the counters and the search meanwhile:
/// no statement may take long, and the words of a million products are not kept in memory.
const AT_ONCE: usize = 4_000;
/// So many are worth a thread.
const MANY: usize = 200;

statement! {
    NextIds { count: BigInt = i64 } -> BigInt;
    "SELECT nextval('products_id_seq') FROM generate_series(1, ?)"
}

statement! {
    InsertProducts {
        ids: Array<BigInt> = Vec<i64>,
        names: Array<Text> = Vec<String>,
        descriptions: Array<Text> = Vec<String>,
        prices: Array<BigInt> = Vec<i64>,
        stocks: Array<BigInt> = Vec<i64>,
        categories: Array<Text> = Vec<String>,
        organizations: Array<BigInt> = Vec<i64>,
        schemas: Array<BigInt> = Vec<i64>,
        versions: Array<BigInt> = Vec<i64>,
        created: Array<BigInt> = Vec<i64>,
        updated: Array<BigInt> = Vec<i64>,
        name_keys: Array<Binary> = Vec<Vec<u8>>
    };
    "INSERT INTO products (id, name, description, price, stock, category, organization_id, schema_id, version, \
        created_at, updated_at, name_key) \
     SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

/// What a connection has to insert.
#[derive(Default)]
pub(super) struct Inserts {
    rows: Vec<ProductRow>,
    /// Ids that were taken from the sequence and are not used yet.
    ids: VecDeque<i64>,
    /// Those that the transaction has used.
    used: Vec<i64>,
    /// How many the group may need.
    pub(super) expected: usize,
}

impl Inserts {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The transaction was undone, and nobody was told of its ids.
    pub(super) fn undone(&mut self) {
        self.rows.clear();
        self.used.drain(..).rev().for_each(|id| self.ids.push_front(id));
    }

    pub(super) fn committed(&mut self) {
        self.used.clear();
    }

    /// Another process has taken ids since, and later groups have higher ones; or one of these is taken already.
    pub(super) fn forget_ids(&mut self) {
        self.ids.clear();
        self.used.clear();
    }
}

/// The row with an id that no product ever had. It is inserted before the next statement.
pub(super) fn insert(conn: &mut Connection, row: ProductRow) -> Result<ProductRow, SqlError> {
    let row = ProductRow { id: next_id(conn, 1)?, ..row };
    conn.will_write();
    conn.inserts.rows.push(row.clone());
    Ok(row)
}

/// The same of many, which returns their ids.
pub(super) fn insert_many(conn: &mut Connection, rows: Vec<ProductRow>) -> Result<Vec<i64>, SqlError> {
    let mut ids = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let some: Vec<ProductRow> = rows.by_ref().take(AT_ONCE).collect();
        let (count, first) = (some.len(), ids.len());
        conn.will_write();
        for row in some {
            let id = next_id(conn, count + first - ids.len())?;
            ids.push(id);
            conn.inserts.rows.push(ProductRow { id, ..row });
        }
        if count == AT_ONCE {
            flush(conn)?;
            changes::enter(conn)?;
        }
    }
    Ok(ids)
}

/// `needed`: so many are asked for, this one among them.
fn next_id(conn: &mut Connection, needed: usize) -> Result<i64, SqlError> {
    if conn.inserts.ids.is_empty() {
        let count = needed.max(conn.inserts.expected);
        // The rows that wait would be inserted first, and need not be.
        let waiting = std::mem::take(&mut conn.inserts.rows);
        let next = NextIds { count: i64::try_from(count).unwrap_or(i64::MAX) }.load(conn);
        conn.inserts.rows = waiting;
        conn.inserts.ids = VecDeque::from(next?);
    }
    let id = conn.inserts.ids.pop_front();
    let id = id.ok_or_else(|| StoreError::failed("the sequence gave no id".to_owned()))?;
    conn.inserts.used.push(id);
    Ok(id)
}

/// Inserts the rows that wait.
pub(super) fn flush(conn: &mut Connection) -> QueryResult<()> {
    let rows = std::mem::take(&mut conn.inserts.rows);
    if rows.is_empty() {
        return Ok(());
    }
    let integers = |column: fn(&ProductRow) -> i64| rows.iter().map(column).collect::<Vec<_>>();
    let texts = |column: fn(&ProductRow) -> &String| rows.iter().map(|row| column(row).clone()).collect::<Vec<_>>();
    let insert = InsertProducts {
        ids: integers(|row| row.id),
        names: texts(|row| &row.name),
        descriptions: texts(|row| &row.description),
        prices: integers(|row| row.price),
        stocks: integers(|row| row.stock),
        categories: texts(|row| &row.category),
        organizations: integers(|row| row.organization_id),
        schemas: integers(|row| row.schema_id),
        versions: integers(|row| row.version),
        created: integers(|row| row.created_at),
        updated: integers(|row| row.updated_at),
        name_keys: rows.iter().map(|row| name_key(&row.name)).collect(),
    };
    // Those of many are made while the server inserts.
    let words = || rows.iter().map(changes::words).collect::<Vec<_>>();
    let (inserted, words) = if rows.len() < MANY {
        (insert.execute(conn), Ok(words()))
    } else {
        thread::scope(|scope| {
            let words = scope.spawn(words);
            (insert.execute(conn), words.join())
        })
    };
    if inserted.is_err() {
        conn.inserts.forget_ids();
    }
    inserted?;
    let died = |_| diesel::result::Error::QueryBuilderError("the words of products could not be made".into());
    rows.iter().zip(words.map_err(died)?).for_each(|(row, words)| conn.changes.inserted(row, words));
    Ok(())
}

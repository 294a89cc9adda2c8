//! The statements that a copy into PostgreSQL needs.

use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

use super::changes;
use super::connection::Connection;
use crate::copying::{Cell, Kind, PRODUCTS, Table, WITH_IDS, live_product};
use crate::error::SqlError;
use crate::port::CopyTx;
use crate::statement::Value;
use crate::tables::{organizations, schemas};

impl CopyTx for Connection {
    fn clear_for_copy(&mut self) -> Result<(), SqlError> {
        // The other database may keep this one waiting.
        self.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0")?;
        diesel::delete(schemas::table).execute(self)?;
        diesel::delete(organizations::table).execute(self)?;
        Ok(())
    }

    fn count_rows(&mut self, table: &Table) -> Result<i64, SqlError> {
        let count = format!("SELECT count(*) AS number FROM {}", table.name);
        Ok(diesel::sql_query(count).get_result::<Number>(self)?.number)
    }

    fn insert_rows(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), SqlError> {
        let columns: Vec<&str> = table.columns.iter().map(|(column, _)| *column).collect();
        let array = |(index, (_, kind)): (usize, &(&str, Kind))| match kind {
            Kind::Integer => format!("${}::bigint[]", index + 1),
            Kind::Text => format!("${}::text[]", index + 1),
            Kind::Bytes => format!("${}::bytea[]", index + 1),
        };
        let arrays: Vec<String> = table.columns.iter().enumerate().map(array).collect();
        let (columns, arrays) = (columns.join(", "), arrays.join(", "));
        let insert = format!("INSERT INTO {} ({columns}) SELECT * FROM unnest({arrays})", table.name);
        let mut insert = diesel::sql_query(insert).into_boxed::<Pg>();
        for (index, (_, kind)) in table.columns.iter().enumerate() {
            let column = || rows.iter().map(move |row| row.get(index).and_then(Option::as_ref));
            insert = match kind {
                Kind::Integer => insert.bind::<Array<Nullable<BigInt>>, _>(column().map(integer).collect::<Vec<_>>()),
                Kind::Text => insert.bind::<Array<Nullable<Text>>, _>(column().map(text).collect::<Vec<_>>()),
                Kind::Bytes => insert.bind::<Array<Nullable<Binary>>, _>(column().map(bytes).collect::<Vec<_>>()),
            };
        }
        insert.execute(self)?;
        if table.name == PRODUCTS {
            rows.iter()
                .filter_map(|row| live_product(row))
                .for_each(|row| self.changes.inserted(&row, changes::words(&row)));
            // Batch by batch, so that the words of a million products are not in memory.
            changes::enter(self)?;
        }
        Ok(())
    }

    fn last_ids(&mut self) -> Result<Vec<i64>, SqlError> {
        let last = |table: &&str| {
            let last = format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS number FROM {table}_id_seq");
            Ok(diesel::sql_query(last).get_result::<Number>(self)?.number)
        };
        WITH_IDS.iter().map(last).collect()
    }

    fn raise_ids(&mut self, last_ids: &[i64]) -> Result<(), SqlError> {
        for (table, last) in WITH_IDS.iter().zip(last_ids) {
            let highest = format!("greatest($1, (SELECT max(id) FROM {table}))");
            let raise = format!("SELECT setval('{table}_id_seq', {highest}) WHERE {highest} > 0");
            diesel::sql_query(raise).bind::<BigInt, _>(*last).execute(self)?;
        }
        self.inserts.forget_ids();
        Ok(())
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn integer(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn bytes(value: Option<&Value>) -> Option<Vec<u8>> {
    match value {
        Some(Value::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

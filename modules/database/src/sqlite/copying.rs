//! The statements that a copy into SQLite needs. Triggers count the products, and note them for the search index.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use crate::copying::{Cell, Kind, Table, WITH_IDS};
use crate::error::SqlError;
use crate::port::CopyTx;
use crate::statement::Value;
use crate::tables::{organizations, schemas, sqlite_sequence};

impl CopyTx for SqliteConnection {
    fn clear_for_copy(&mut self) -> Result<(), SqlError> {
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
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        let values = vec![row; rows.len()].join(", ");
        let insert = format!("INSERT INTO {} ({}) VALUES {values}", table.name, columns.join(", "));
        let mut insert = diesel::sql_query(insert).into_boxed::<Sqlite>();
        for row in rows {
            for (cell, (_, kind)) in row.iter().zip(table.columns) {
                insert = match (kind, cell) {
                    (Kind::Integer, Some(Value::Integer(number))) => insert.bind::<Nullable<BigInt>, _>(Some(*number)),
                    (Kind::Integer, _) => insert.bind::<Nullable<BigInt>, _>(None::<i64>),
                    (Kind::Text, Some(Value::Text(text))) => insert.bind::<Nullable<Text>, _>(Some(text.clone())),
                    (Kind::Text, _) => insert.bind::<Nullable<Text>, _>(None::<String>),
                    (Kind::Bytes, Some(Value::Bytes(bytes))) => insert.bind::<Nullable<Binary>, _>(Some(bytes.clone())),
                    (Kind::Bytes, _) => insert.bind::<Nullable<Binary>, _>(None::<Vec<u8>>),
                };
            }
        }
        insert.execute(self)?;
        Ok(())
    }

    fn last_ids(&mut self) -> Result<Vec<i64>, SqlError> {
        let last = |table: &&str| {
            let row = sqlite_sequence::table.find(*table).select(sqlite_sequence::seq);
            Ok(row.first::<i64>(self).optional()?.unwrap_or_default())
        };
        WITH_IDS.iter().map(last).collect()
    }

    fn raise_ids(&mut self, last_ids: &[i64]) -> Result<(), SqlError> {
        for (table, last) in WITH_IDS.iter().zip(last_ids) {
            diesel::delete(sqlite_sequence::table.find(*table)).execute(self)?;
            let row = (sqlite_sequence::name.eq(*table), sqlite_sequence::seq.eq(last));
            diesel::insert_into(sqlite_sequence::table).values(row).execute(self)?;
        }
        Ok(())
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

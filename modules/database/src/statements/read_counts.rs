//! How often products are read, as the service counted it last.

use diesel::prelude::*;

use super::Connection;
use crate::error::SqlError;
use crate::port::ReadCountTx;
use crate::tables::read_counts::dsl::{product_id, read_counts, reads};

/// Two variables each; SQLite takes 32,766 in a statement.
const ROWS_A_STATEMENT: usize = 1_000;

impl ReadCountTx for Connection {
    fn most_read(&mut self, limit: i64) -> Result<Vec<(i64, i64)>, SqlError> {
        Ok(read_counts.order((reads.desc(), product_id)).limit(limit).load(self)?)
    }

    fn replace_read_counts(&mut self, counts: &[(i64, i64)]) -> Result<(), SqlError> {
        diesel::delete(read_counts).execute(self)?;
        for some in counts.chunks(ROWS_A_STATEMENT) {
            let rows: Vec<_> = some.iter().map(|(id, count)| (product_id.eq(id), reads.eq(count))).collect();
            diesel::insert_into(read_counts).values(rows).execute(self)?;
        }
        Ok(())
    }
}

//! How often products are read, as the service counted it last.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::read_counts::dsl::{product_id, read_counts, reads};
use crate::sqlite::error::SqlError;

/// Two variables each; SQLite takes 32,766 in a statement.
const ROWS_A_STATEMENT: usize = 1_000;

/// Most read first.
pub(crate) fn most_read(conn: &mut SqliteConnection, limit: i64) -> Result<Vec<(i64, i64)>, SqlError> {
    Ok(read_counts.order((reads.desc(), product_id)).limit(limit).load(conn)?)
}

/// In place of what was kept before.
pub(crate) fn replace(conn: &mut SqliteConnection, counts: &[(i64, i64)]) -> Result<(), SqlError> {
    diesel::delete(read_counts).execute(conn)?;
    for some in counts.chunks(ROWS_A_STATEMENT) {
        let rows: Vec<_> = some.iter().map(|(id, count)| (product_id.eq(id), reads.eq(count))).collect();
        diesel::insert_into(read_counts).values(rows).execute(conn)?;
    }
    Ok(())
}

//! The epoch of the copies, in the same database as the rows they are copies of.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::copy_epoch::dsl::{copy_epoch, epoch, server};
use crate::sqlite::error::SqlError;

/// The epoch, and the server whose memory goes with it.
pub(crate) fn current(conn: &mut SqliteConnection) -> Result<(i64, String), SqlError> {
    Ok(copy_epoch.select((epoch, server)).first(conn)?)
}

pub(crate) fn advance(conn: &mut SqliteConnection) -> Result<i64, SqlError> {
    Ok(diesel::update(copy_epoch).set(epoch.eq(epoch + 1)).returning(epoch).get_result(conn)?)
}

pub(crate) fn reconcile(conn: &mut SqliteConnection, current_server: &str) -> Result<i64, SqlError> {
    let (known_epoch, known_server) = current(conn)?;
    if known_server == current_server {
        return Ok(known_epoch);
    }
    diesel::update(copy_epoch).set(server.eq(current_server)).execute(conn)?;
    advance(conn)
}

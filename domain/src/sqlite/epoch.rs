//! The epoch of the copies, in the same database as the rows they are copies of.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_cache::Epoch;

use super::schema::copy_epoch::dsl::{copy_epoch, epoch, server};
use crate::error::StoreError;

/// The epoch, and the server whose memory goes with it.
pub(super) fn current(conn: &mut SqliteConnection) -> Result<(Epoch, String), StoreError> {
    let (number, named) = copy_epoch.select((epoch, server)).first(conn)?;
    Ok((from_row(number)?, named))
}

pub(super) fn advance(conn: &mut SqliteConnection) -> Result<Epoch, StoreError> {
    from_row(diesel::update(copy_epoch).set(epoch.eq(epoch + 1)).returning(epoch).get_result(conn)?)
}

pub(super) fn reconcile(conn: &mut SqliteConnection, current_server: &str) -> Result<Epoch, StoreError> {
    let (known_epoch, known_server) = current(conn)?;
    if known_server == current_server {
        return Ok(known_epoch);
    }
    diesel::update(copy_epoch).set(server.eq(current_server)).execute(conn)?;
    advance(conn)
}

/// A number that cannot be is a failure, not "no epoch": the copies would stay good.
fn from_row(number: i64) -> Result<Epoch, StoreError> {
    Epoch::try_from(number).map_err(|invalid| StoreError::failed(invalid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_cannot_be_is_a_failure() {
        assert_eq!(from_row(7).unwrap(), Epoch::new(7));
        let failed = from_row(-7).unwrap_err();
        assert!(!failed.changed_nothing() && failed.to_string().contains("-7 is no epoch"), "{failed}");
    }
}

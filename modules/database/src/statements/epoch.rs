//! The statements on the epoch of the cached entries.

use diesel::prelude::*;
use hotshelf_cache::Epoch;
use hotshelf_domain::StoreError;

use super::{Connection, advance_once};
use crate::error::SqlError;
use crate::port::EpochTx;
use crate::tables::copy_epoch::dsl;

impl EpochTx for Connection {
    fn epoch(&mut self) -> Result<(Epoch, String), SqlError> {
        let (number, server) = dsl::copy_epoch.select((dsl::epoch, dsl::server)).first(self)?;
        Ok((from_row(number)?, server))
    }

    fn advance_epoch(&mut self) -> Result<Epoch, SqlError> {
        advance_once(self, |conn| {
            let next = dsl::epoch.eq(dsl::epoch + 1);
            from_row(diesel::update(dsl::copy_epoch).set(next).returning(dsl::epoch).get_result(conn)?)
        })
    }

    fn set_server(&mut self, server: &str) -> Result<(), SqlError> {
        diesel::update(dsl::copy_epoch).set(dsl::server.eq(server)).execute(self)?;
        Ok(())
    }
}

/// A number that no epoch has is a failure: taken for none, old cached entries would stay valid.
fn from_row(number: i64) -> Result<Epoch, SqlError> {
    Epoch::try_from(number).map_err(|error| StoreError::from_serialization(error.to_string()).into())
}

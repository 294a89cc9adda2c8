//! The statements on the epoch of the copies.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::error::SqlError;
use super::schema::copy_epoch::dsl;
use crate::port::EpochTx;

impl EpochTx for SqliteConnection {
    fn epoch(&mut self) -> Result<(i64, String), SqlError> {
        Ok(dsl::copy_epoch.select((dsl::epoch, dsl::server)).first(self)?)
    }

    fn advance_epoch(&mut self) -> Result<i64, SqlError> {
        let next = dsl::epoch.eq(dsl::epoch + 1);
        Ok(diesel::update(dsl::copy_epoch).set(next).returning(dsl::epoch).get_result(self)?)
    }

    fn set_server(&mut self, server: &str) -> Result<(), SqlError> {
        diesel::update(dsl::copy_epoch).set(dsl::server.eq(server)).execute(self)?;
        Ok(())
    }
}

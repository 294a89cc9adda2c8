//! SQL statements on the secret that seals the values in Redis.

use diesel::prelude::*;

use super::Connection;
use crate::error::SqlError;
use crate::port::{SECRET, SealTx};
use crate::rows::corrupt;
use crate::tables::redis_seal::dsl;

impl SealTx for Connection {
    fn secret(&mut self) -> Result<Option<[u8; SECRET]>, SqlError> {
        let secret: Option<Vec<u8>> = dsl::redis_seal.select(dsl::secret).first(self).optional()?;
        secret.map(from_row).transpose()
    }

    fn secret_or(&mut self, new: [u8; SECRET]) -> Result<[u8; SECRET], SqlError> {
        let row = (dsl::singleton.eq(1), dsl::secret.eq(&new[..]));
        diesel::insert_into(dsl::redis_seal).values(row).on_conflict_do_nothing().execute(self)?;
        from_row(dsl::redis_seal.select(dsl::secret).first(self)?)
    }
}

fn from_row(secret: Vec<u8>) -> Result<[u8; SECRET], SqlError> {
    let length = secret.len();
    secret.try_into().map_err(|_| corrupt(&format!("the secret of the seal has {length} bytes")))
}

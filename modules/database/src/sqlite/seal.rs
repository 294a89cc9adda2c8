//! SQL statements on the secret that seals the values in Redis.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::error::SqlError;
use super::rows::corrupt;
use super::schema::redis_seal::dsl;

/// Bytes of it.
pub(crate) const SECRET: usize = 32;

/// The secret, if there is one yet.
pub(crate) fn secret(conn: &mut SqliteConnection) -> Result<Option<[u8; SECRET]>, SqlError> {
    let secret: Option<Vec<u8>> = dsl::redis_seal.select(dsl::secret).first(conn).optional()?;
    secret.map(from_row).transpose()
}

/// The secret; this one, if there is none yet.
pub(crate) fn secret_or(conn: &mut SqliteConnection, new: [u8; SECRET]) -> Result<[u8; SECRET], SqlError> {
    let row = (dsl::singleton.eq(1), dsl::secret.eq(&new[..]));
    diesel::insert_or_ignore_into(dsl::redis_seal).values(row).execute(conn)?;
    from_row(dsl::redis_seal.select(dsl::secret).first(conn)?)
}

fn from_row(secret: Vec<u8>) -> Result<[u8; SECRET], SqlError> {
    let length = secret.len();
    secret.try_into().map_err(|_| corrupt(&format!("the secret of the seal has {length} bytes")))
}

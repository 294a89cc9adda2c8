//! SQL statements on revoked tokens of an outside issuer.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, select};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::TokenHash;

use super::now;
use crate::port::RevocationTx;
use crate::sqlite::error::SqlError;
use crate::sqlite::schema::revoked_tokens::dsl;

/// The largest `JWT_SKEW`, in milliseconds. With another `JWT_SKEW`, a process may accept a token for so much longer
/// than the process that revoked it.
const LARGEST_SKEW: i64 = 60 * 60 * 1_000;
/// Rows that one write deletes: other writes wait for it.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

impl RevocationTx for SqliteConnection {
    fn insert_revocation(
        &mut self,
        token_hash: &TokenHash,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, SqlError> {
        let expires_at = expires_at.map(|end| end.timestamp_millis());
        let row = (dsl::token_hash.eq(&token_hash[..]), dsl::expires_at.eq(expires_at), dsl::revoked_at.eq(now()));
        if diesel::insert_or_ignore_into(dsl::revoked_tokens).values(row).execute(self)? > 0 {
            return Ok(true);
        }
        // The token is revoked already. The later end of both counts.
        let known = dsl::revoked_tokens.filter(dsl::token_hash.eq(&token_hash[..]));
        match expires_at {
            Some(end) => {
                diesel::update(known.filter(dsl::expires_at.lt(end))).set(dsl::expires_at.eq(end)).execute(self)?
            }
            None => diesel::update(known).set(dsl::expires_at.eq(None::<i64>)).execute(self)?,
        };
        Ok(false)
    }
}

pub(crate) fn is_revoked(conn: &mut SqliteConnection, token_hash: &TokenHash) -> Result<bool, SqlError> {
    let known = dsl::revoked_tokens.filter(dsl::token_hash.eq(&token_hash[..]));
    Ok(select(exists(known)).get_result(conn)?)
}

/// Deletes some of the revocations whose tokens have expired, and returns how many. 0: none is left.
pub(crate) fn forget_ended(conn: &mut SqliteConnection) -> Result<usize, SqlError> {
    let ended = dsl::revoked_tokens.filter(dsl::expires_at.le(now() - LARGEST_SKEW)).select(dsl::token_hash);
    let ended: Vec<Vec<u8>> = ended.limit(FORGOTTEN_AT_ONCE).load(conn)?;
    Ok(diesel::delete(dsl::revoked_tokens.filter(dsl::token_hash.eq_any(&ended))).execute(conn)?)
}

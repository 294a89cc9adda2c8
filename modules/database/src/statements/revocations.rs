//! SQL statements on revoked tokens of an outside issuer.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, select};
use diesel::prelude::*;
use hotshelf_domain::TokenHash;

use super::Connection;
use super::columns::now;
use crate::error::SqlError;
use crate::port::RevocationTx;
use crate::tables::revoked_tokens::dsl;

/// The largest `JWT_SKEW`, in milliseconds. With another `JWT_SKEW`, a process may accept a token for so much longer
/// than the process that revoked it.
const LARGEST_SKEW: i64 = 60 * 60 * 1_000;
/// Rows that one write deletes: other writes wait for it.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

impl RevocationTx for Connection {
    fn insert_revocation(
        &mut self,
        token_hash: &TokenHash,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, SqlError> {
        let expires_at = expires_at.map(|end| end.timestamp_millis());
        let row = (dsl::token_hash.eq(&token_hash[..]), dsl::expires_at.eq(expires_at), dsl::revoked_at.eq(now()));
        let inserted = diesel::insert_into(dsl::revoked_tokens).values(row).on_conflict_do_nothing();
        if inserted.execute(self)? > 0 {
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

    fn is_revoked(&mut self, token_hash: &TokenHash) -> Result<bool, SqlError> {
        let known = dsl::revoked_tokens.filter(dsl::token_hash.eq(&token_hash[..]));
        Ok(select(exists(known)).get_result(self)?)
    }

    fn forget_ended_revocations(&mut self) -> Result<usize, SqlError> {
        let ended = dsl::revoked_tokens.filter(dsl::expires_at.le(now() - LARGEST_SKEW)).select(dsl::token_hash);
        let ended: Vec<Vec<u8>> = ended.limit(FORGOTTEN_AT_ONCE).load(self)?;
        Ok(diesel::delete(dsl::revoked_tokens.filter(dsl::token_hash.eq_any(&ended))).execute(self)?)
    }
}

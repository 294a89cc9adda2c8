//! The statements on proofs of addresses.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use hotshelf_domain::{TokenHash, UserId};

use super::Connection;
use super::columns::now;
use crate::error::SqlError;
use crate::port::ProofTx;
use crate::tables::address_proofs;

impl ProofTx for Connection {
    fn insert_proof(&mut self, user: UserId, token_hash: &TokenHash, until: DateTime<Utc>) -> Result<(), SqlError> {
        let row = (
            address_proofs::token_hash.eq(&token_hash[..]),
            address_proofs::user_id.eq(user.get()),
            address_proofs::expires_at.eq(until.timestamp_millis()),
        );
        diesel::insert_into(address_proofs::table).values(row).execute(self)?;
        Ok(())
    }

    fn user_of_proof(&mut self, token_hash: &TokenHash) -> Result<Option<UserId>, SqlError> {
        let query = address_proofs::table
            .filter(address_proofs::token_hash.eq(&token_hash[..]))
            .filter(address_proofs::expires_at.gt(now()))
            .select(address_proofs::user_id);
        let user: Option<i64> = query.first(self).optional()?;
        Ok(user.map(UserId::from_row))
    }

    fn delete_proofs(&mut self, user: UserId) -> Result<(), SqlError> {
        diesel::delete(address_proofs::table.filter(address_proofs::user_id.eq(user.get()))).execute(self)?;
        Ok(())
    }

    fn forget_ended_proofs(&mut self) -> Result<(), SqlError> {
        diesel::delete(address_proofs::table.filter(address_proofs::expires_at.le(now()))).execute(self)?;
        Ok(())
    }
}

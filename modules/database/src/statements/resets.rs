//! The statements on permissions to choose a new password.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use hotshelf_domain::{TokenHash, UserId};

use super::Connection;
use super::columns::now;
use crate::error::SqlError;
use crate::port::ResetTx;
use crate::tables::password_resets;

impl ResetTx for Connection {
    fn insert_reset(&mut self, user: UserId, token_hash: &TokenHash, until: DateTime<Utc>) -> Result<(), SqlError> {
        let row = (
            password_resets::token_hash.eq(&token_hash[..]),
            password_resets::user_id.eq(user.get()),
            password_resets::expires_at.eq(until.timestamp_millis()),
        );
        diesel::insert_into(password_resets::table).values(row).execute(self)?;
        Ok(())
    }

    fn user_of_reset(&mut self, token_hash: &TokenHash) -> Result<Option<UserId>, SqlError> {
        let query = password_resets::table
            .filter(password_resets::token_hash.eq(&token_hash[..]))
            .filter(password_resets::expires_at.gt(now()))
            .select(password_resets::user_id);
        let user: Option<i64> = query.first(self).optional()?;
        Ok(user.map(UserId::from_row))
    }

    fn delete_resets(&mut self, user: UserId) -> Result<(), SqlError> {
        diesel::delete(password_resets::table.filter(password_resets::user_id.eq(user.get()))).execute(self)?;
        Ok(())
    }

    fn forget_ended_resets(&mut self) -> Result<(), SqlError> {
        diesel::delete(password_resets::table.filter(password_resets::expires_at.le(now()))).execute(self)?;
        Ok(())
    }
}

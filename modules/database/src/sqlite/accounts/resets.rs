//! The statements on permissions to choose a new password.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{TokenHash, UserId};

use super::now;
use crate::port::ResetTx;
use crate::sqlite::error::SqlError;
use crate::sqlite::schema::password_resets;

impl ResetTx for SqliteConnection {
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
}

pub(crate) fn forget_ended(conn: &mut SqliteConnection) -> Result<(), SqlError> {
    diesel::delete(password_resets::table.filter(password_resets::expires_at.le(now()))).execute(conn)?;
    Ok(())
}

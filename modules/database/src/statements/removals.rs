//! The statements on the addresses of removed users.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use hotshelf_domain::Email;
use sha2::{Digest, Sha256};

use super::columns::now;
use super::{Connection, LATER_OF};
use crate::error::SqlError;
use crate::port::RemovalTx;
use crate::tables::removed_users::dsl;

impl RemovalTx for Connection {
    fn insert_removal(&mut self, email: &Email) -> Result<(), SqlError> {
        let row = (dsl::email_hash.eq(hash(email)), dsl::removed_at.eq(now()));
        // The later removal counts, also if the clock was set back meanwhile.
        let later = sql::<BigInt>(LATER_OF).sql("(removed_users.removed_at, excluded.removed_at)");
        let inserted = diesel::insert_into(dsl::removed_users).values(row);
        inserted.on_conflict(dsl::email_hash).do_update().set(dsl::removed_at.eq(later)).execute(self)?;
        Ok(())
    }

    fn removed_at(&mut self, email: &Email) -> Result<Option<i64>, SqlError> {
        let row = dsl::removed_users.find(hash(email)).select(dsl::removed_at);
        Ok(row.first(self).optional()?)
    }

    fn delete_removal(&mut self, email: &Email) -> Result<(), SqlError> {
        diesel::delete(dsl::removed_users.find(hash(email))).execute(self)?;
        Ok(())
    }
}

fn hash(email: &Email) -> Vec<u8> {
    Sha256::digest(email.as_str()).to_vec()
}

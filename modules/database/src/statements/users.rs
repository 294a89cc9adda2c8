//! The statements on users, each on a blocking connection. The callers decide about transactions.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use hotshelf_domain::{Email, NewUser, OrganizationId, Role, StoreError, User, UserId};

use super::Connection;
use super::columns::{now, role, time};
use crate::error::SqlError;
use crate::port::UserTx;
use crate::tables::{organizations, users};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
struct Row {
    id: i64,
    email: String,
    organization_id: i64,
    role: String,
    session_generation: i64,
    key_generation: i64,
    created_at: i64,
    verified_at: Option<i64>,
}

/// With the time when the organization was suspended.
fn from_row((row, suspended): (Row, Option<i64>)) -> Result<User, SqlError> {
    Ok(User {
        id: UserId::from_row(row.id),
        email: Email::from_row(row.email),
        organization_id: OrganizationId::from_row(row.organization_id),
        role: role(&row.role)?,
        session_generation: row.session_generation,
        key_generation: row.key_generation,
        verified: row.verified_at.is_some(),
        suspended: suspended.is_some(),
        created_at: time(row.created_at)?,
    })
}

impl UserTx for Connection {
    fn user(&mut self, id: UserId) -> Result<Option<User>, SqlError> {
        let with_organization = users::table.find(id.get()).inner_join(organizations::table);
        let query = with_organization.select((Row::as_select(), organizations::suspended_at));
        query.first(self).optional()?.map(from_row).transpose()
    }

    fn holder(&mut self, email: &Email) -> Result<Option<User>, SqlError> {
        Ok(self.credentials(email)?.map(|(user, _)| user))
    }

    fn insert_user(&mut self, new: &NewUser, organization: OrganizationId) -> Result<User, SqlError> {
        let now = now();
        let row = (
            users::email.eq(new.email.as_str()),
            users::password_hash.eq(&new.password_hash),
            users::organization_id.eq(organization.get()),
            users::role.eq(new.role.as_str()),
            users::created_at.eq(now),
            users::verified_at.eq(new.verified.then_some(now)),
        );
        match diesel::insert_into(users::table).values(row).returning(Row::as_returning()).get_result(self) {
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(StoreError::EmailTaken.into()),
            // Nobody comes into a suspended organization.
            inserted => from_row((inserted?, None)),
        }
    }

    fn set_role(&mut self, id: UserId, role: Role) -> Result<(), SqlError> {
        diesel::update(users::table.find(id.get())).set(users::role.eq(role.as_str())).execute(self)?;
        Ok(())
    }

    fn members(&mut self, organization: OrganizationId) -> Result<Vec<UserId>, SqlError> {
        let members = users::table.filter(users::organization_id.eq(organization.get())).order(users::id);
        let ids: Vec<i64> = members.select(users::id).load(self)?;
        Ok(ids.into_iter().map(UserId::from_row).collect())
    }

    fn delete_user(&mut self, id: UserId) -> Result<(), SqlError> {
        diesel::delete(users::table.find(id.get())).execute(self)?;
        Ok(())
    }

    fn set_verified(&mut self, id: UserId) -> Result<(), SqlError> {
        let unverified = users::table.find(id.get()).filter(users::verified_at.is_null());
        diesel::update(unverified).set(users::verified_at.eq(now())).execute(self)?;
        Ok(())
    }

    fn count_admins(&mut self, organization: OrganizationId) -> Result<i64, SqlError> {
        let users = users::table.filter(users::organization_id.eq(organization.get()));
        let admins = users.filter(users::role.eq(Role::Admin.as_str())).filter(users::verified_at.is_not_null());
        Ok(admins.count().get_result(self)?)
    }

    fn password_hash(&mut self, id: UserId) -> Result<Option<String>, SqlError> {
        let query = users::table.find(id.get()).select(users::password_hash);
        Ok(query.first::<Option<String>>(self).optional()?.flatten())
    }

    fn set_password_hash(&mut self, id: UserId, hash: &str) -> Result<(), SqlError> {
        diesel::update(users::table.find(id.get())).set(users::password_hash.eq(hash)).execute(self)?;
        Ok(())
    }

    fn next_session_generation(&mut self, id: UserId) -> Result<i64, SqlError> {
        let next = users::session_generation.eq(users::session_generation + 1);
        let counted = diesel::update(users::table.find(id.get())).set(next);
        Ok(counted.returning(users::session_generation).get_result(self)?)
    }

    fn next_key_generation(&mut self, id: UserId) -> Result<i64, SqlError> {
        let next = users::key_generation.eq(users::key_generation + 1);
        let counted = diesel::update(users::table.find(id.get())).set(next);
        Ok(counted.returning(users::key_generation).get_result(self)?)
    }

    fn credentials(&mut self, email: &Email) -> Result<Option<(User, Option<String>)>, SqlError> {
        let with_organization = users::table.filter(users::email.eq(email.as_str())).inner_join(organizations::table);
        let query = with_organization.select((Row::as_select(), organizations::suspended_at, users::password_hash));
        let row: Option<(Row, Option<i64>, Option<String>)> = query.first(self).optional()?;
        row.map(|(row, suspended, hash)| Ok((from_row((row, suspended))?, hash))).transpose()
    }

    fn users_of(&mut self, organization: OrganizationId) -> Result<Vec<User>, SqlError> {
        let query = users::table.filter(users::organization_id.eq(organization.get())).order(users::id);
        let query = query.inner_join(organizations::table).select((Row::as_select(), organizations::suspended_at));
        query.load(self)?.into_iter().map(from_row).collect()
    }

    fn unverified(&mut self, before: DateTime<Utc>, limit: i64) -> Result<Vec<UserId>, SqlError> {
        let unverified = users::table.filter(users::verified_at.is_null()).filter(users::password_hash.is_not_null());
        let late = unverified.filter(users::created_at.lt(before.timestamp_millis()));
        let ids: Vec<i64> = late.order(users::created_at).limit(limit).select(users::id).load(self)?;
        Ok(ids.into_iter().map(UserId::from_row).collect())
    }
}

//! The statements on users, each on a blocking connection. The callers decide about transactions.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{Email, NewUser, OrganizationId, Role, StoreError, User, UserId};

use super::{now, role, time};
use crate::sqlite::error::SqlError;
use crate::sqlite::schema::users;

type Row = (i64, String, i64, String, i64, i64, i64);

const COLUMNS: (
    users::id,
    users::email,
    users::organization_id,
    users::role,
    users::session_generation,
    users::key_generation,
    users::created_at,
) = (
    users::id,
    users::email,
    users::organization_id,
    users::role,
    users::session_generation,
    users::key_generation,
    users::created_at,
);

fn from_row(
    (id, email, organization, role_name, session_generation, key_generation, created): Row,
) -> Result<User, SqlError> {
    Ok(User {
        id: UserId::from_row(id),
        email: Email::from_row(email),
        organization_id: OrganizationId::from_row(organization),
        role: role(&role_name)?,
        session_generation,
        key_generation,
        created_at: time(created)?,
    })
}

pub(crate) fn insert(
    conn: &mut SqliteConnection,
    new: &NewUser,
    organization: OrganizationId,
) -> Result<User, SqlError> {
    let row = (
        users::email.eq(new.email.as_str()),
        users::password_hash.eq(&new.password_hash),
        users::organization_id.eq(organization.get()),
        users::role.eq(new.role.as_str()),
        users::created_at.eq(now()),
    );
    match diesel::insert_into(users::table).values(row).returning(COLUMNS).get_result(conn) {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(StoreError::EmailTaken.into()),
        inserted => from_row(inserted?),
    }
}

pub(crate) fn find(conn: &mut SqliteConnection, id: UserId) -> Result<Option<User>, SqlError> {
    let row: Option<Row> = users::table.find(id.get()).select(COLUMNS).first(conn).optional()?;
    row.map(from_row).transpose()
}

/// The user, who has to be there.
pub(crate) fn known(conn: &mut SqliteConnection, id: UserId) -> Result<User, SqlError> {
    Ok(find(conn, id)?.ok_or(StoreError::NoSuchUser(id))?)
}

pub(crate) fn credentials(
    conn: &mut SqliteConnection,
    email: &Email,
) -> Result<Option<(User, Option<String>)>, SqlError> {
    let query = users::table.filter(users::email.eq(email.as_str())).select((COLUMNS, users::password_hash));
    let row: Option<(Row, Option<String>)> = query.first(conn).optional()?;
    row.map(|(row, hash)| Ok((from_row(row)?, hash))).transpose()
}

pub(crate) fn of(conn: &mut SqliteConnection, organization: OrganizationId) -> Result<Vec<User>, SqlError> {
    let query = users::table.filter(users::organization_id.eq(organization.get())).order(users::id);
    let rows: Vec<Row> = query.select(COLUMNS).load(conn)?;
    rows.into_iter().map(from_row).collect()
}

pub(crate) fn set_role(conn: &mut SqliteConnection, id: UserId, role: Role) -> Result<User, SqlError> {
    let user = known(conn, id)?;
    if role != Role::Admin {
        not_the_last_admin(conn, &user)?;
    }
    diesel::update(users::table.find(id.get())).set(users::role.eq(role.as_str())).execute(conn)?;
    Ok(User { role, ..user })
}

pub(crate) fn remove(conn: &mut SqliteConnection, id: UserId) -> Result<(), SqlError> {
    let user = known(conn, id)?;
    not_the_last_admin(conn, &user)?;
    diesel::delete(users::table.find(id.get())).execute(conn)?;
    Ok(())
}

pub(crate) fn set_password(conn: &mut SqliteConnection, id: UserId, hash: &str) -> Result<(), SqlError> {
    known(conn, id)?;
    diesel::update(users::table.find(id.get())).set(users::password_hash.eq(hash)).execute(conn)?;
    Ok(())
}

/// That this is still the hash of the user's password.
pub(crate) fn still_has(conn: &mut SqliteConnection, id: UserId, hash: &str) -> Result<(), SqlError> {
    let query = users::table.find(id.get()).select(users::password_hash);
    let stored: Option<String> = query.first::<Option<String>>(conn).optional()?.flatten();
    if stored.as_deref() == Some(hash) { Ok(()) } else { Err(StoreError::SessionsEnded(id).into()) }
}

fn not_the_last_admin(conn: &mut SqliteConnection, user: &User) -> Result<(), SqlError> {
    if user.role != Role::Admin {
        return Ok(());
    }
    let admins = users::table
        .filter(users::organization_id.eq(user.organization_id.get()))
        .filter(users::role.eq(Role::Admin.as_str()));
    match admins.count().get_result::<i64>(conn)? {
        0 | 1 => Err(StoreError::LastAdmin(user.id).into()),
        _ => Ok(()),
    }
}

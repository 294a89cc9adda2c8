//! The statements on API keys.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{ApiKey, ApiKeyId, Invalid, NewApiKey, Secret, SessionId, UserId};

use super::{now, role, secret, sessions, time, users as user_rows};
use crate::sqlite::error::SqlError;
use crate::sqlite::schema::{api_keys, users};

/// API keys of one user.
const MOST_OF_A_USER: i64 = 100;

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct Row {
    id: i64,
    token_hash: Vec<u8>,
    user_id: i64,
    name: String,
    role: String,
    created_at: i64,
    last_used_at: Option<i64>,
    generation: i64,
}

fn from_row(row: Row) -> Result<(ApiKey, Secret), SqlError> {
    let key = ApiKey {
        id: ApiKeyId::from_row(row.id),
        user_id: UserId::from_row(row.user_id),
        name: row.name,
        role: role(&row.role)?,
        generation: row.generation,
        created_at: time(row.created_at)?,
        last_used_at: row.last_used_at.map(time).transpose()?,
    };
    Ok((key, secret(&row.token_hash)?))
}

pub(crate) fn insert(
    conn: &mut SqliteConnection,
    user: UserId,
    by: SessionId,
    new: &NewApiKey,
    secret: &Secret,
) -> Result<ApiKey, SqlError> {
    // What ended the session meanwhile may have been meant to end the keys that it made, too.
    sessions::still_open(conn, user, by)?;
    let generation = user_rows::known(conn, user)?.key_generation;
    let own = api_keys::table.filter(api_keys::user_id.eq(user.get()));
    if own.count().get_result::<i64>(conn)? >= MOST_OF_A_USER {
        let message = format!("would be one too many: a user has at most {MOST_OF_A_USER}");
        return Err(Invalid::one("api_key", &message).into());
    }
    let row = (
        api_keys::token_hash.eq(&secret[..]),
        api_keys::user_id.eq(user.get()),
        api_keys::name.eq(&new.name),
        api_keys::role.eq(new.role.as_str()),
        api_keys::generation.eq(generation),
        api_keys::created_at.eq(now()),
    );
    let inserted = diesel::insert_into(api_keys::table).values(row).returning(Row::as_returning());
    Ok(from_row(inserted.get_result(conn)?)?.0)
}

pub(crate) fn find(conn: &mut SqliteConnection, secret: &Secret) -> Result<Option<ApiKey>, SqlError> {
    let query = api_keys::table.filter(api_keys::token_hash.eq(&secret[..])).select(Row::as_select());
    let row = query.first(conn).optional()?;
    row.map(|row| Ok(from_row(row)?.0)).transpose()
}

pub(crate) fn of(conn: &mut SqliteConnection, user: UserId) -> Result<Vec<(ApiKey, Secret)>, SqlError> {
    let query = api_keys::table.filter(api_keys::user_id.eq(user.get())).order(api_keys::id).select(Row::as_select());
    query.load(conn)?.into_iter().map(from_row).collect()
}

pub(crate) fn remove(conn: &mut SqliteConnection, secret: &Secret) -> Result<(), SqlError> {
    diesel::delete(api_keys::table.filter(api_keys::token_hash.eq(&secret[..]))).execute(conn)?;
    Ok(())
}

/// Ends all keys of the user, also those whose copies nobody can name: they are of a generation that is over.
pub(crate) fn end_all(conn: &mut SqliteConnection, user: UserId) -> Result<(), SqlError> {
    let next = users::key_generation.eq(users::key_generation + 1);
    diesel::update(users::table.find(user.get())).set(next).execute(conn)?;
    diesel::delete(api_keys::table.filter(api_keys::user_id.eq(user.get()))).execute(conn)?;
    Ok(())
}

pub(crate) fn note(conn: &mut SqliteConnection, used: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), SqlError> {
    for (id, at) in used {
        let at = at.timestamp_millis();
        // Another instance may have noted a later use.
        let earlier = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(at));
        let row = api_keys::table.filter(api_keys::id.eq(id.get())).filter(earlier);
        diesel::update(row).set(api_keys::last_used_at.eq(at)).execute(conn)?;
    }
    Ok(())
}

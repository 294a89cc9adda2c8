//! The statements on sessions.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{NewSession, Secret, Session, SessionId, StoreError, Used, UserId};

use super::{now, secret, time, users as user_rows};
use crate::sqlite::error::SqlError;
use crate::sqlite::schema::{sessions, users};

/// Sessions of one user.
const MOST_OF_A_USER: i64 = 100;
/// In one write: the others wait for it.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct Row {
    id: i64,
    token_hash: Vec<u8>,
    user_id: i64,
    generation: i64,
    client: String,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
}

fn from_row(row: Row) -> Result<(Session, Secret), SqlError> {
    let session = Session {
        id: SessionId::from_row(row.id),
        user_id: UserId::from_row(row.user_id),
        generation: row.generation,
        client: row.client,
        created_at: time(row.created_at)?,
        last_used_at: time(row.last_used_at)?,
        expires_at: time(row.expires_at)?,
    };
    Ok((session, secret(&row.token_hash)?))
}

/// Stores the session, and ends those that are `leaving`.
pub(crate) fn insert(conn: &mut SqliteConnection, new: &NewSession, leaving: &[Secret]) -> Result<Session, SqlError> {
    let user = user_rows::known(conn, new.user_id)?;
    if user.session_generation != new.generation {
        return Err(StoreError::SessionsEnded(user.id).into());
    }
    leaving.iter().try_for_each(|leaving| remove(conn, leaving))?;
    if live(user.id).count().get_result::<i64>(conn)? >= MOST_OF_A_USER {
        return Err(StoreError::TooManySessions(user.id).into());
    }
    let now = now();
    let row = (
        sessions::token_hash.eq(&new.secret[..]),
        sessions::user_id.eq(user.id.get()),
        sessions::generation.eq(user.session_generation),
        sessions::client.eq(&new.client),
        sessions::created_at.eq(now),
        sessions::last_used_at.eq(now),
        sessions::expires_at.eq(new.expires_at.timestamp_millis()),
    );
    let inserted = diesel::insert_into(sessions::table).values(row).returning(Row::as_returning());
    Ok(from_row(inserted.get_result(conn)?)?.0)
}

/// The oldest of the user's sessions, as many as have to end for one more. Nobody uses so many, but somebody may log in over
/// and over again.
pub(crate) fn without_room(conn: &mut SqliteConnection, user: UserId) -> Result<Vec<Secret>, SqlError> {
    let newest_first = live(user).order(sessions::id.desc()).select(sessions::token_hash);
    // SQLite knows an offset only behind a limit.
    let leaving: Vec<Vec<u8>> = newest_first.limit(-1).offset(MOST_OF_A_USER - 1).load(conn)?;
    leaving.iter().map(|bytes| secret(bytes)).collect()
}

pub(crate) fn find(conn: &mut SqliteConnection, secret: &Secret) -> Result<Option<Session>, SqlError> {
    let query = sessions::table.filter(sessions::token_hash.eq(&secret[..])).select(Row::as_select());
    let row = query.first(conn).optional()?;
    row.map(|row| Ok(from_row(row)?.0)).transpose()
}

/// Those that have not ended.
#[diesel::dsl::auto_type(no_type_alias)]
fn live(user: UserId) -> _ {
    let (user, now): (i64, i64) = (user.get(), now());
    sessions::table.filter(sessions::user_id.eq(user)).filter(sessions::expires_at.gt(now))
}

pub(crate) fn live_of(conn: &mut SqliteConnection, user: UserId) -> Result<Vec<(Session, Secret)>, SqlError> {
    let query = live(user).order(sessions::id).select(Row::as_select());
    query.load(conn)?.into_iter().map(from_row).collect()
}

pub(crate) fn remove(conn: &mut SqliteConnection, secret: &Secret) -> Result<(), SqlError> {
    diesel::delete(sessions::table.filter(sessions::token_hash.eq(&secret[..]))).execute(conn)?;
    Ok(())
}

pub(crate) fn end_all(conn: &mut SqliteConnection, user: UserId, keep: Option<SessionId>) -> Result<(), SqlError> {
    user_rows::known(conn, user)?;
    let next = users::session_generation + 1;
    let generation: i64 = diesel::update(users::table.find(user.get()))
        .set(users::session_generation.eq(next))
        .returning(users::session_generation)
        .get_result(conn)?;
    // No session has the id 0.
    let kept = keep.map_or(0, SessionId::get);
    let own = sessions::table.filter(sessions::user_id.eq(user.get()));
    diesel::delete(own.filter(sessions::id.ne(kept))).execute(conn)?;
    diesel::update(own.filter(sessions::id.eq(kept))).set(sessions::generation.eq(generation)).execute(conn)?;
    Ok(())
}

/// That the session is there, and of the user's current generation.
pub(crate) fn still_open(conn: &mut SqliteConnection, user: UserId, id: SessionId) -> Result<(), SqlError> {
    let current = user_rows::known(conn, user)?.session_generation;
    let query = sessions::table.find(id.get()).filter(sessions::user_id.eq(user.get())).select(sessions::generation);
    let generation: Option<i64> = query.first(conn).optional()?;
    if generation == Some(current) { Ok(()) } else { Err(StoreError::SessionsEnded(user).into()) }
}

pub(crate) fn extend(conn: &mut SqliteConnection, used: &[Used]) -> Result<(), SqlError> {
    for used in used {
        let expires_at = used.expires_at.timestamp_millis();
        // Another instance may have noted a later use; and what is over is over, whoever was told so.
        let shorter = sessions::table
            .filter(sessions::token_hash.eq(&used.secret[..]))
            .filter(sessions::expires_at.gt(now()))
            .filter(sessions::expires_at.lt(expires_at));
        let times = (sessions::last_used_at.eq(used.at.timestamp_millis()), sessions::expires_at.eq(expires_at));
        diesel::update(shorter).set(times).execute(conn)?;
    }
    Ok(())
}

/// Some of those that have ended by themselves; tells how many.
pub(crate) fn forget_ended(conn: &mut SqliteConnection) -> Result<usize, SqlError> {
    let ended = sessions::table.filter(sessions::expires_at.le(now())).select(sessions::id).limit(FORGOTTEN_AT_ONCE);
    let ended: Vec<i64> = ended.load(conn)?;
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(&ended))).execute(conn)?)
}

pub(crate) fn count_live(conn: &mut SqliteConnection) -> Result<i64, SqlError> {
    Ok(sessions::table.filter(sessions::expires_at.gt(now())).count().get_result(conn)?)
}

//! The statements on sessions.

use chrono::TimeDelta;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use hotshelf_domain::{NewSession, Session, SessionId, TokenHash, Used, UserId};

use super::columns::{now, time, token_hash};
use super::{Connection, EARLIER_OF, LATER_OF};
use crate::error::SqlError;
use crate::port::SessionTx;
use crate::tables::sessions;
use crate::usecases::accounts::SESSIONS_MAX;

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

fn from_row(row: Row) -> Result<(Session, TokenHash), SqlError> {
    let session = Session {
        id: SessionId::from_row(row.id),
        user_id: UserId::from_row(row.user_id),
        generation: row.generation,
        client: row.client,
        created_at: time(row.created_at)?,
        last_used_at: time(row.last_used_at)?,
        expires_at: time(row.expires_at)?,
    };
    Ok((session, token_hash(&row.token_hash)?))
}

impl SessionTx for Connection {
    fn insert_session(&mut self, new: &NewSession) -> Result<Session, SqlError> {
        let now = now();
        let row = (
            sessions::token_hash.eq(&new.token_hash[..]),
            sessions::user_id.eq(new.user_id.get()),
            sessions::generation.eq(new.generation),
            sessions::client.eq(&new.client),
            sessions::created_at.eq(now),
            sessions::last_used_at.eq(now),
            sessions::expires_at.eq(new.expires_at.timestamp_millis()),
        );
        let inserted = diesel::insert_into(sessions::table).values(row).returning(Row::as_returning());
        Ok(from_row(inserted.get_result(self)?)?.0)
    }

    fn count_sessions(&mut self, user: UserId) -> Result<i64, SqlError> {
        Ok(live(user).count().get_result(self)?)
    }

    fn generation_of(&mut self, user: UserId, id: SessionId) -> Result<Option<i64>, SqlError> {
        Ok(of_user(user, id).select(sessions::generation).first(self).optional()?)
    }

    fn set_generation(&mut self, user: UserId, id: SessionId, generation: i64) -> Result<(), SqlError> {
        diesel::update(of_user(user, id)).set(sessions::generation.eq(generation)).execute(self)?;
        Ok(())
    }

    fn delete_session(&mut self, token_hash: &TokenHash) -> Result<Option<SessionId>, SqlError> {
        let row = sessions::table.filter(sessions::token_hash.eq(&token_hash[..]));
        let deleted = diesel::delete(row).returning(sessions::id).get_result(self).optional()?;
        Ok(deleted.map(SessionId::from_row))
    }

    fn delete_sessions(&mut self, user: UserId, but: Option<SessionId>) -> Result<(), SqlError> {
        // No session has the id 0.
        let kept = but.map_or(0, SessionId::get);
        let own = sessions::table.filter(sessions::user_id.eq(user.get()));
        diesel::delete(own.filter(sessions::id.ne(kept))).execute(self)?;
        Ok(())
    }

    fn session(&mut self, token_hash: &TokenHash) -> Result<Option<Session>, SqlError> {
        let query = sessions::table.filter(sessions::token_hash.eq(&token_hash[..])).select(Row::as_select());
        let row = query.first(self).optional()?;
        row.map(|row| Ok(from_row(row)?.0)).transpose()
    }

    fn sessions_of(&mut self, user: UserId) -> Result<Vec<(Session, TokenHash)>, SqlError> {
        let query = live(user).order(sessions::id).select(Row::as_select());
        query.load(self)?.into_iter().map(from_row).collect()
    }

    fn sessions_without_room(&mut self, user: UserId) -> Result<Vec<TokenHash>, SqlError> {
        let newest_first = live(user).order(sessions::id.desc()).select(sessions::token_hash);
        // SQLite knows an offset only behind a limit.
        let leaving: Vec<Vec<u8>> = newest_first.limit(i64::MAX).offset(SESSIONS_MAX - 1).load(self)?;
        leaving.iter().map(|bytes| token_hash(bytes)).collect()
    }

    fn extend_sessions(&mut self, used: &[Used], max_ttl: TimeDelta) -> Result<(), SqlError> {
        for Used { token_hash, at, expires_at } in used {
            let (at, expires_at, max_ttl) =
                (at.timestamp_millis(), expires_at.timestamp_millis(), max_ttl.num_milliseconds());
            // Another instance may have noted a later use; and a session that has ended is not extended.
            let earlier = sessions::table
                .filter(sessions::token_hash.eq(&token_hash[..]))
                .filter(sessions::expires_at.gt(now()))
                .filter(sessions::last_used_at.lt(at));
            let end =
                sql::<BigInt>(LATER_OF).sql("(expires_at, ").sql(EARLIER_OF).sql("(").bind::<BigInt, _>(expires_at);
            let end = end.sql(", created_at + ").bind::<BigInt, _>(max_ttl).sql("))");
            diesel::update(earlier).set((sessions::last_used_at.eq(at), sessions::expires_at.eq(end))).execute(self)?;
        }
        Ok(())
    }

    fn forget_ended_sessions(&mut self) -> Result<usize, SqlError> {
        let ended =
            sessions::table.filter(sessions::expires_at.le(now())).select(sessions::id).limit(FORGOTTEN_AT_ONCE);
        let ended: Vec<i64> = ended.load(self)?;
        Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(&ended))).execute(self)?)
    }

    fn count_live_sessions(&mut self) -> Result<i64, SqlError> {
        Ok(sessions::table.filter(sessions::expires_at.gt(now())).count().get_result(self)?)
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn of_user(user: UserId, id: SessionId) -> _ {
    let (user, id): (i64, i64) = (user.get(), id.get());
    sessions::table.filter(sessions::id.eq(id)).filter(sessions::user_id.eq(user))
}

/// Those that have not ended.
#[diesel::dsl::auto_type(no_type_alias)]
fn live(user: UserId) -> _ {
    let (user, now): (i64, i64) = (user.get(), now());
    sessions::table.filter(sessions::user_id.eq(user)).filter(sessions::expires_at.gt(now))
}

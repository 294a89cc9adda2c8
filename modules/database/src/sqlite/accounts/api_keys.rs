//! The statements on API keys.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{ApiKey, ApiKeyId, NewApiKey, TokenHash, UserId};

use super::{now, role, time, token_hash};
use crate::port::ApiKeyTx;
use crate::sqlite::error::SqlError;
use crate::sqlite::schema::api_keys;

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

fn from_row(row: Row) -> Result<(ApiKey, TokenHash), SqlError> {
    let key = ApiKey {
        id: ApiKeyId::from_row(row.id),
        user_id: UserId::from_row(row.user_id),
        name: row.name,
        role: role(&row.role)?,
        generation: row.generation,
        created_at: time(row.created_at)?,
        last_used_at: row.last_used_at.map(time).transpose()?,
    };
    Ok((key, token_hash(&row.token_hash)?))
}

impl ApiKeyTx for SqliteConnection {
    fn insert_api_key(
        &mut self,
        user: UserId,
        generation: i64,
        new: &NewApiKey,
        token_hash: &TokenHash,
    ) -> Result<ApiKey, SqlError> {
        let row = (
            api_keys::token_hash.eq(&token_hash[..]),
            api_keys::user_id.eq(user.get()),
            api_keys::name.eq(&new.name),
            api_keys::role.eq(new.role.as_str()),
            api_keys::generation.eq(generation),
            api_keys::created_at.eq(now()),
        );
        let inserted = diesel::insert_into(api_keys::table).values(row).returning(Row::as_returning());
        Ok(from_row(inserted.get_result(self)?)?.0)
    }

    fn count_api_keys(&mut self, user: UserId) -> Result<i64, SqlError> {
        Ok(api_keys::table.filter(api_keys::user_id.eq(user.get())).count().get_result(self)?)
    }

    fn delete_api_key(&mut self, token_hash: &TokenHash) -> Result<Option<ApiKey>, SqlError> {
        let row = api_keys::table.filter(api_keys::token_hash.eq(&token_hash[..]));
        let deleted = diesel::delete(row).returning(Row::as_returning()).get_result(self).optional()?;
        deleted.map(|row| Ok(from_row(row)?.0)).transpose()
    }

    fn delete_api_keys(&mut self, user: UserId) -> Result<(), SqlError> {
        diesel::delete(api_keys::table.filter(api_keys::user_id.eq(user.get()))).execute(self)?;
        Ok(())
    }
}

pub(crate) fn find(conn: &mut SqliteConnection, token_hash: &TokenHash) -> Result<Option<ApiKey>, SqlError> {
    let query = api_keys::table.filter(api_keys::token_hash.eq(&token_hash[..])).select(Row::as_select());
    let row = query.first(conn).optional()?;
    row.map(|row| Ok(from_row(row)?.0)).transpose()
}

pub(crate) fn of(conn: &mut SqliteConnection, user: UserId) -> Result<Vec<(ApiKey, TokenHash)>, SqlError> {
    let query = api_keys::table.filter(api_keys::user_id.eq(user.get())).order(api_keys::id).select(Row::as_select());
    query.load(conn)?.into_iter().map(from_row).collect()
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

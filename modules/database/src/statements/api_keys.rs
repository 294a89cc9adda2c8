//! The statements on API keys.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use hotshelf_domain::{ApiKey, ApiKeyId, ApiKeyListing, Areas, Email, NewApiKey, OrganizationId, TokenHash, UserId};

use super::Connection;
use super::columns::{now, role, time, token_hash};
use crate::error::SqlError;
use crate::port::ApiKeyTx;
use crate::tables::{api_keys, users};

/// In one write: the others wait for it.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

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
    expires_at: Option<i64>,
    scopes: Option<String>,
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
        expires_at: row.expires_at.map(time).transpose()?,
        scopes: row.scopes.map_or(Areas::ALL, |names| Areas::of_names(&names)),
    };
    Ok((key, token_hash(&row.token_hash)?))
}

impl ApiKeyTx for Connection {
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
            api_keys::expires_at.eq(new.expires_at.map(|end| end.timestamp_millis())),
            api_keys::scopes.eq(Some(new.scopes).filter(|scopes| *scopes != Areas::ALL).map(|some| some.to_string())),
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

    fn api_key(&mut self, token_hash: &TokenHash) -> Result<Option<ApiKey>, SqlError> {
        let query = api_keys::table.filter(api_keys::token_hash.eq(&token_hash[..])).select(Row::as_select());
        let row = query.first(self).optional()?;
        row.map(|row| Ok(from_row(row)?.0)).transpose()
    }

    fn api_keys_of(&mut self, user: UserId) -> Result<Vec<(ApiKey, TokenHash)>, SqlError> {
        let query =
            api_keys::table.filter(api_keys::user_id.eq(user.get())).order(api_keys::id).select(Row::as_select());
        query.load(self)?.into_iter().map(from_row).collect()
    }

    fn api_key_of_organization(
        &mut self,
        organization: OrganizationId,
        id: ApiKeyId,
    ) -> Result<Option<(ApiKey, TokenHash)>, SqlError> {
        let own = api_keys::table.inner_join(users::table).filter(users::organization_id.eq(organization.get()));
        let row = own.filter(api_keys::id.eq(id.get())).select(Row::as_select()).first(self).optional()?;
        row.map(from_row).transpose()
    }

    fn api_keys_of_organization(
        &mut self,
        organization: OrganizationId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyListing>, SqlError> {
        let own = api_keys::table.inner_join(users::table).filter(users::organization_id.eq(organization.get()));
        let rest = own.filter(api_keys::id.gt(after.map_or(0, ApiKeyId::get))).order(api_keys::id).limit(limit.into());
        let rows: Vec<(Row, String)> = rest.select((Row::as_select(), users::email)).load(self)?;
        rows.into_iter()
            .map(|(row, email)| Ok(ApiKeyListing { key: from_row(row)?.0, email: Email::from_row(email) }))
            .collect()
    }

    fn ended_api_keys(&mut self, before: DateTime<Utc>) -> Result<Vec<i64>, SqlError> {
        let ended = api_keys::table.filter(api_keys::expires_at.lt(before.timestamp_millis()));
        Ok(ended.select(api_keys::id).limit(FORGOTTEN_AT_ONCE).load(self)?)
    }

    fn forget_api_keys(&mut self, ids: &[i64]) -> Result<usize, SqlError> {
        Ok(diesel::delete(api_keys::table.filter(api_keys::id.eq_any(ids))).execute(self)?)
    }

    fn note_api_keys(&mut self, used: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), SqlError> {
        for (id, at) in used {
            let at = at.timestamp_millis();
            // Another instance may have noted a later use.
            let earlier = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(at));
            let row = api_keys::table.filter(api_keys::id.eq(id.get())).filter(earlier);
            diesel::update(row).set(api_keys::last_used_at.eq(at)).execute(self)?;
        }
        Ok(())
    }
}

//! API keys behind the cache, and when they were used.

use std::collections::HashMap;

use bytes::{BufMut, Bytes};
use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_cache::{Key, Value};
use hotshelf_domain::{ApiKey, ApiKeyId, NewApiKey, Role, StoreError, TokenHash, UserId};
use parking_lot::Mutex;

use crate::auth::Auth;
use crate::error::AuthError;
use crate::sessions::{SessionPrincipal, hashed_key};
use crate::token::{Token, TokenKind};

/// What the keys of the cache begin with.
pub(crate) const KEY: &str = "apikey:";
/// Uses of one key within so much time are one.
const GRAIN: TimeDelta = TimeDelta::minutes(1);
/// Keys whose uses are remembered. With more, all are forgotten, and noted again a little earlier than needed.
const MOST_REMEMBERED: usize = 65_536;

/// What is kept of an API key, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyEntry {
    pub(crate) id: ApiKeyId,
    pub(crate) user: UserId,
    pub(crate) role: Role,
    /// Good as long as it is the user's current one.
    pub(crate) generation: i64,
}

impl KeyEntry {
    pub(crate) fn pack(key: &ApiKey) -> Value {
        let mut bytes = Vec::with_capacity(25);
        bytes.put_i64(key.id.get());
        bytes.put_i64(key.user_id.get());
        bytes.put_i64(key.generation);
        bytes.put_u8(match key.role {
            Role::Viewer => 0,
            Role::Editor => 1,
            Role::Admin => 2,
        });
        Value::unversioned(bytes)
    }

    /// `None` for what this version would not write.
    pub(crate) fn unpack(payload: &Bytes) -> Option<Self> {
        let (id, rest) = payload.split_first_chunk()?;
        let (user, rest) = rest.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let [role] = rest else { return None };
        Some(KeyEntry {
            id: ApiKeyId::new(i64::from_be_bytes(*id))?,
            user: UserId::new(i64::from_be_bytes(*user))?,
            role: *Role::ALL.get(usize::from(*role))?,
            generation: i64::from_be_bytes(*generation),
        })
    }
}

pub(crate) fn key_of(token_hash: &TokenHash) -> Key {
    hashed_key(KEY, token_hash)
}

/// When keys were used, to the minute.
#[derive(Default)]
pub(crate) struct KeyUses(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    last: HashMap<ApiKeyId, DateTime<Utc>>,
    /// The latest use of each.
    waiting: HashMap<ApiKeyId, DateTime<Utc>>,
}

impl KeyUses {
    pub(crate) fn note(&self, key: ApiKeyId, now: DateTime<Utc>) {
        let mut noted = self.0.lock();
        if noted.last.get(&key).is_some_and(|last| now - last < GRAIN) {
            return;
        }
        if noted.last.len() >= MOST_REMEMBERED {
            noted.last.clear();
        }
        noted.last.insert(key, now);
        if noted.waiting.len() < MOST_REMEMBERED {
            noted.waiting.insert(key, now);
        }
    }

    /// What was not yet written.
    pub(crate) fn take(&self) -> Vec<(ApiKeyId, DateTime<Utc>)> {
        std::mem::take(&mut self.0.lock().waiting).into_iter().collect()
    }

    /// These were not written: they wait for the next attempt, unless there is no room or a later use waits already.
    pub(crate) fn put_back(&self, uses: &[(ApiKeyId, DateTime<Utc>)]) {
        let mut noted = self.0.lock();
        for (key, at) in uses {
            if noted.waiting.len() < MOST_REMEMBERED {
                noted.waiting.entry(*key).or_insert(*at);
            }
        }
    }
}

impl Auth {
    /// Makes an API key of the principal's. The token is not kept: it can be shown now and never again.
    ///
    /// # Errors
    /// [`StoreError::SessionsEnded`] when the principal's session has ended meanwhile, [`StoreError::NoSuchUser`] among
    /// others.
    pub async fn add_api_key(
        &self,
        principal: &SessionPrincipal,
        new: NewApiKey,
    ) -> Result<(Token, ApiKey), AuthError> {
        let token = Token::new(TokenKind::ApiKey);
        let (user, by) = (principal.identity.user, principal.session);
        let key = self.0.accounts.add_api_key(user, by, new, token.hash()).await?;
        Ok((token, key))
    }

    /// The user's API keys, by id.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn api_keys(&self, user: UserId) -> Result<Vec<ApiKey>, AuthError> {
        Ok(self.0.accounts.api_keys_of(user).await?.into_iter().map(|(key, _)| key).collect())
    }

    /// Removes one of the user's API keys. From here on no instance accepts it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchApiKey`] among others.
    pub async fn remove_api_key(&self, user: UserId, id: ApiKeyId) -> Result<(), AuthError> {
        let keys = self.0.accounts.api_keys_of(user).await?;
        let (_, token_hash) = keys.into_iter().find(|(key, _)| key.id == id).ok_or(StoreError::NoSuchApiKey(id))?;
        let accounts = self.0.accounts.clone();
        let commit = async move |fencing| accounts.remove_api_key(token_hash, fencing).await;
        Ok(self.0.cache.write(vec![self.entry(&token_hash)], Vec::new(), commit).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_within_a_minute_are_one() {
        let (uses, now) = (KeyUses::default(), Utc::now());
        let [one, other] = [1, 2].map(|id| ApiKeyId::new(id).unwrap());
        uses.note(one, now);
        uses.note(one, now + TimeDelta::seconds(59));
        uses.note(other, now);
        let mut noted = uses.take();
        noted.sort_unstable();
        assert_eq!(noted, [(one, now), (other, now)]);
        uses.note(one, now + TimeDelta::seconds(61));
        assert_eq!(uses.take(), [(one, now + TimeDelta::seconds(61))]);
    }

    #[test]
    fn what_was_not_written_waits_for_the_next_attempt() {
        let (uses, now) = (KeyUses::default(), Utc::now());
        let [one, other] = [1, 2].map(|id| ApiKeyId::new(id).unwrap());
        uses.note(one, now);
        uses.note(other, now);
        let failed = uses.take();
        let later = now + TimeDelta::seconds(61);
        uses.note(one, later);
        uses.put_back(&failed);
        let mut noted = uses.take();
        noted.sort_unstable();
        assert_eq!(noted, [(one, later), (other, now)]);
    }
}

//! Users, their sessions and their API keys.

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_domain::{
    Actor, ApiKey, ApiKeyId, ApiKeyListing, Email, LeavingSessions, NewApiKey, NewSession, OrganizationId, Role,
    Session, SessionId, StoreError, TokenHash, Used, User, UserId,
};

use super::Database;
use crate::port::Tx;
use crate::usecases::accounts;
use hotshelf_cache::{Committed, Fencing};

impl Database {
    /// The user, `None` when there is none.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.user(id)).await
    }

    /// The user of that address, and the hash of the password, if one was chosen.
    pub async fn credentials(&self, email: Email) -> Result<Option<(User, Option<String>)>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.credentials(&email)).await
    }

    /// The users of an organization, by id.
    pub async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.users_of(organization)).await
    }

    /// Gives the user another role. Invitations by somebody who is no admin any more end.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::LastAdmin`].
    pub async fn set_role(
        &self,
        id: UserId,
        role: Role,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<User>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| accounts::set_role(tx, id, role, &by)).await
    }

    /// Removes the user with all sessions and keys. An operator may also remove the last admin of an organization, but
    /// not of the built-in one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::LastAdmin`].
    pub async fn remove_user(
        &self,
        id: UserId,
        by_operator: bool,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| accounts::remove_user(tx, id, by_operator, &by)).await
    }

    /// Gives the user another password instead of the one whose hash was `verified`. All sessions but `keep` end, and
    /// every permission to choose a new one.
    ///
    /// # Errors
    /// [`StoreError::SessionsEnded`] when the password is no longer that one, or the session has ended: another
    /// change was committed first.
    pub async fn set_password(
        &self,
        id: UserId,
        (verified, hash): (String, String),
        keep: SessionId,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        let set = move |tx: &mut dyn Tx| accounts::set_password(tx, id, (&verified, &hash), keep, &by);
        self.commit_recorded(1, fencing, set).await
    }

    /// Replaces the hash of the user's password by another of the same, if it is still the one that was `verified`.
    pub async fn replace_hash(&self, id: UserId, verified: String, hash: String) -> Result<(), StoreError> {
        self.0.writer.submit(1, move |tx| accounts::replace_hash(tx, id, &verified, &hash)).await
    }

    /// Stores a token with which a new password may be chosen for the user, once and until then.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`].
    pub async fn allow_reset(&self, id: UserId, token_hash: TokenHash, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.0.writer.submit(1, move |tx| accounts::allow_reset(tx, id, &token_hash, until)).await
    }

    /// The user whose password may be chosen by this token.
    pub async fn reset_of(&self, token_hash: TokenHash) -> Result<Option<UserId>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.user_of_reset(&token_hash)).await
    }

    /// Uses up the token to give its user another password, and the address counts as verified. All sessions, all API
    /// keys and all invitations by the user end, and every other permission to choose a new one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchReset`].
    pub async fn reset_password(
        &self,
        token_hash: TokenHash,
        hash: String,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| accounts::reset_password(tx, &token_hash, &hash, &by)).await
    }

    /// The oldest of the user's sessions, as many as have to end before one more is opened: a user has at most a
    /// hundred.
    pub async fn sessions_without_room(&self, id: UserId) -> Result<Vec<TokenHash>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.sessions_without_room(id)).await
    }

    /// Opens a session, and ends those that are `leaving`, and no others: their cached entries are fenced.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`]; [`StoreError::Suspended`]; [`StoreError::SessionsEnded`] when it would be of a
    /// generation that has ended; [`StoreError::TooManySessions`] when more would have to leave
    /// ([`sessions_without_room`](Database::sessions_without_room)).
    pub async fn open_session(
        &self,
        new: NewSession,
        leaving: LeavingSessions,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<Session>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| accounts::open_session(tx, &new, &leaving, &by)).await
    }

    /// The session that is recognized by this token, also one that has ended by itself.
    pub async fn session(&self, token_hash: TokenHash) -> Result<Option<Session>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.session(&token_hash)).await
    }

    /// The user's sessions that have not ended, by id, each with the hash of its token.
    pub async fn sessions_of(&self, id: UserId) -> Result<Vec<(Session, TokenHash)>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.sessions_of(id)).await
    }

    /// Ends a session. That there is none is as good.
    pub async fn end_session(
        &self,
        token_hash: TokenHash,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| accounts::end_session(tx, &token_hash, &by)).await
    }

    /// Ends all of the user's sessions.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`].
    pub async fn end_sessions(&self, id: UserId, by: Actor, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| accounts::end_sessions(tx, id, &by)).await
    }

    /// Notes when the sessions were used, and until when they go on: none of them less long than it did, none that has
    /// ended, and none longer than `max_ttl` in all. Cached entries that say that they end earlier do no harm.
    pub async fn extend_sessions(&self, used: Vec<Used>, max_ttl: TimeDelta) -> Result<(), StoreError> {
        self.0.writer.submit(1, move |tx| tx.extend_sessions(&used, max_ttl)).await
    }

    /// Revokes a token of an outside issuer, found by this hash, until `expires_at`, or for ever if that is `None`. The
    /// revocation and its entry in the audit log are one transaction. A token that is revoked already is no error, and
    /// is not recorded again. `user`: whose token it is, if that is known.
    pub async fn revoke_token(
        &self,
        token_hash: TokenHash,
        expires_at: Option<DateTime<Utc>>,
        user: Option<User>,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        let revoke = move |tx: &mut dyn Tx| accounts::revoke_token(tx, &token_hash, expires_at, user.as_ref(), &by);
        self.commit_recorded(1, fencing, revoke).await
    }

    /// Whether a token of an outside issuer is revoked.
    pub async fn is_revoked(&self, token_hash: TokenHash) -> Result<bool, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.is_revoked(&token_hash)).await
    }

    /// Deletes some of the sessions and revocations, and all permissions, proofs and invitations, that have expired;
    /// returns how many sessions and revocations, 0 when none is left. One call deletes at most a thousand of each,
    /// because other writes wait for it.
    pub async fn forget_ended(&self) -> Result<usize, StoreError> {
        let forget = |tx: &mut dyn Tx| {
            tx.forget_ended_resets()?;
            tx.forget_ended_proofs()?;
            tx.forget_ended_invitations()?;
            Ok(tx.forget_ended_revocations()? + tx.forget_ended_sessions()?)
        };
        self.0.writer.submit(1, forget).await
    }

    /// How many sessions have not ended.
    pub async fn live_sessions(&self) -> Result<i64, StoreError> {
        self.0.readers.keyed.read(|tx| tx.count_live_sessions()).await
    }

    /// Stores a new API key of the user's, who asks for it by that session.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`]; [`StoreError::SessionsEnded`] when the session has ended;
    /// [`StoreError::NotVerified`]; [`StoreError::Invalid`] when there are too many.
    pub async fn add_api_key(
        &self,
        id: UserId,
        by: SessionId,
        new: NewApiKey,
        token_hash: TokenHash,
        actor: Actor,
    ) -> Result<ApiKey, StoreError> {
        self.write_recorded(move |tx| accounts::add_api_key(tx, id, by, &new, &token_hash, &actor)).await
    }

    /// The API key that is recognized by this token.
    pub async fn api_key(&self, token_hash: TokenHash) -> Result<Option<ApiKey>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.api_key(&token_hash)).await
    }

    /// The user's API keys, by id, each with the hash of its token.
    pub async fn api_keys_of(&self, id: UserId) -> Result<Vec<(ApiKey, TokenHash)>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.api_keys_of(id)).await
    }

    /// The API key of that id, if its user belongs to the organization, with the hash of its token.
    pub async fn api_key_of_organization(
        &self,
        organization: OrganizationId,
        id: ApiKeyId,
    ) -> Result<Option<(ApiKey, TokenHash)>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.api_key_of_organization(organization, id)).await
    }

    /// The API keys of all users of an organization, by id, from the first after `after` on.
    pub async fn api_keys_of_organization(
        &self,
        organization: OrganizationId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyListing>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.api_keys_of_organization(organization, after, limit)).await
    }

    /// Forgets some of the API keys that have ended before that; tells how many, 0 when none are left.
    pub async fn forget_api_keys(&self, ended_before: DateTime<Utc>) -> Result<usize, StoreError> {
        let ended = self.0.readers.keyed.read(move |tx| tx.ended_api_keys(ended_before)).await?;
        if ended.is_empty() {
            return Ok(0);
        }
        self.0.writer.submit(ended.len(), move |tx| tx.forget_api_keys(&ended)).await
    }

    /// Removes an API key. That there is none is as good.
    pub async fn remove_api_key(
        &self,
        token_hash: TokenHash,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| accounts::remove_api_key(tx, &token_hash, &by)).await
    }

    /// Notes when API keys were used, as far as no later use is noted.
    pub async fn note_api_keys(&self, used: Vec<(ApiKeyId, DateTime<Utc>)>) -> Result<(), StoreError> {
        self.0.writer.submit(1, move |tx| tx.note_api_keys(&used)).await
    }
}

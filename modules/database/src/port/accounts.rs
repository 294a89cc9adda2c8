//! Users, what they are recognized by, and how they come in.

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_domain::{
    ApiKey, ApiKeyId, ApiKeyListing, Email, Invitation, InvitationId, NewApiKey, NewInvitation, NewSession, NewUser,
    OrganizationId, Role, Session, SessionId, TokenHash, Used, User, UserId,
};

use crate::error::SqlError;

/// Users.
pub(crate) trait UserTx {
    /// The user, `None` when there is none.
    fn user(&mut self, id: UserId) -> Result<Option<User>, SqlError>;

    /// The user of that address.
    fn holder(&mut self, email: &Email) -> Result<Option<User>, SqlError>;

    /// The user of that address, and the hash of the password, if one was chosen.
    fn credentials(&mut self, email: &Email) -> Result<Option<(User, Option<String>)>, SqlError>;

    /// The users of the organization, by id.
    fn users_of(&mut self, organization: OrganizationId) -> Result<Vec<User>, SqlError>;

    /// Some of those who registered before that time and have not verified their addresses. Whoever was added by an
    /// admin and has not chosen a password is none of them.
    fn unverified(&mut self, before: DateTime<Utc>, limit: i64) -> Result<Vec<UserId>, SqlError>;

    /// Fails with [`StoreError::EmailTaken`](hotshelf_domain::StoreError::EmailTaken) when another one has the address.
    fn insert_user(&mut self, new: &NewUser, organization: OrganizationId) -> Result<User, SqlError>;

    /// Writes the role of a user.
    fn set_role(&mut self, id: UserId, role: Role) -> Result<(), SqlError>;

    /// The users of the organization, by id.
    fn members(&mut self, organization: OrganizationId) -> Result<Vec<UserId>, SqlError>;

    /// Deletes the user with all sessions, keys and resets.
    fn delete_user(&mut self, id: UserId) -> Result<(), SqlError>;

    /// Notes that the address of the user is proven, if that is not noted yet.
    fn set_verified(&mut self, id: UserId) -> Result<(), SqlError>;

    /// Counts the admins of the organization whose addresses are verified. No other transaction makes them fewer before
    /// this one ends.
    fn count_admins(&mut self, organization: OrganizationId) -> Result<i64, SqlError>;

    /// The hash of the password, if the user exists and has chosen one.
    fn password_hash(&mut self, id: UserId) -> Result<Option<String>, SqlError>;

    /// Writes the hash of the password.
    fn set_password_hash(&mut self, id: UserId, hash: &str) -> Result<(), SqlError>;

    /// Increments the generation of the user's sessions, and returns it.
    fn next_session_generation(&mut self, id: UserId) -> Result<i64, SqlError>;

    /// Increments the generation of the user's API keys, and returns it.
    fn next_key_generation(&mut self, id: UserId) -> Result<i64, SqlError>;
}

/// Sessions.
pub(crate) trait SessionTx {
    /// Inserts a session of a user that exists.
    fn insert_session(&mut self, new: &NewSession) -> Result<Session, SqlError>;

    /// The session that is recognized by this token, also one that has ended by itself.
    fn session(&mut self, token_hash: &TokenHash) -> Result<Option<Session>, SqlError>;

    /// The user's sessions that have not ended, by id, each with the hash of its token.
    fn sessions_of(&mut self, user: UserId) -> Result<Vec<(Session, TokenHash)>, SqlError>;

    /// The oldest of the user's sessions, as many as have to end for one more.
    fn sessions_without_room(&mut self, user: UserId) -> Result<Vec<TokenHash>, SqlError>;

    /// Notes when the sessions were used and until when they go on. None lasts longer than `max_ttl`.
    fn extend_sessions(&mut self, used: &[Used], max_ttl: TimeDelta) -> Result<(), SqlError>;

    /// Deletes some of those that have ended by themselves; tells how many.
    fn forget_ended_sessions(&mut self) -> Result<usize, SqlError>;

    /// Counts the sessions of all users that have not ended.
    fn count_live_sessions(&mut self) -> Result<i64, SqlError>;

    /// Counts the sessions of the user that have not ended.
    fn count_sessions(&mut self, user: UserId) -> Result<i64, SqlError>;

    /// The generation of the user's session, `None` when there is no such session.
    fn generation_of(&mut self, user: UserId, id: SessionId) -> Result<Option<i64>, SqlError>;

    /// Moves the session into that generation.
    fn set_generation(&mut self, user: UserId, id: SessionId, generation: i64) -> Result<(), SqlError>;

    /// Deletes the session, if there is one, and names it.
    fn delete_session(&mut self, token_hash: &TokenHash) -> Result<Option<SessionId>, SqlError>;

    /// Deletes all sessions of the user but that one.
    fn delete_sessions(&mut self, user: UserId, but: Option<SessionId>) -> Result<(), SqlError>;
}

/// API keys.
pub(crate) trait ApiKeyTx {
    /// Inserts a key of that generation.
    fn insert_api_key(
        &mut self,
        user: UserId,
        generation: i64,
        new: &NewApiKey,
        token_hash: &TokenHash,
    ) -> Result<ApiKey, SqlError>;

    /// The key that is recognized by this token.
    fn api_key(&mut self, token_hash: &TokenHash) -> Result<Option<ApiKey>, SqlError>;

    /// The user's keys, by id, each with the hash of its token.
    fn api_keys_of(&mut self, user: UserId) -> Result<Vec<(ApiKey, TokenHash)>, SqlError>;

    /// The key, if its user belongs to that organization.
    fn api_key_of_organization(
        &mut self,
        organization: OrganizationId,
        id: ApiKeyId,
    ) -> Result<Option<(ApiKey, TokenHash)>, SqlError>;

    /// The keys of all users of that organization, by id, from the first after `after` on.
    fn api_keys_of_organization(
        &mut self,
        organization: OrganizationId,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyListing>, SqlError>;

    /// Some of those that have ended before that.
    fn ended_api_keys(&mut self, before: DateTime<Utc>) -> Result<Vec<i64>, SqlError>;

    /// Deletes these keys, and counts those that were there.
    fn forget_api_keys(&mut self, ids: &[i64]) -> Result<usize, SqlError>;

    /// Notes when keys were used, as far as no later use is noted.
    fn note_api_keys(&mut self, used: &[(ApiKeyId, DateTime<Utc>)]) -> Result<(), SqlError>;

    /// Counts the keys of the user.
    fn count_api_keys(&mut self, user: UserId) -> Result<i64, SqlError>;

    /// Deletes the key, if there is one, and returns it.
    fn delete_api_key(&mut self, token_hash: &TokenHash) -> Result<Option<ApiKey>, SqlError>;

    /// Deletes all keys of the user.
    fn delete_api_keys(&mut self, user: UserId) -> Result<(), SqlError>;
}

/// Permissions to choose a new password.
pub(crate) trait ResetTx {
    /// Inserts a permission that is valid until then.
    fn insert_reset(&mut self, user: UserId, token_hash: &TokenHash, until: DateTime<Utc>) -> Result<(), SqlError>;

    /// The user of the permission, if it is valid.
    fn user_of_reset(&mut self, token_hash: &TokenHash) -> Result<Option<UserId>, SqlError>;

    /// Deletes all permissions of the user.
    fn delete_resets(&mut self, user: UserId) -> Result<(), SqlError>;

    /// Deletes those that have ended.
    fn forget_ended_resets(&mut self) -> Result<(), SqlError>;
}

/// Proofs of addresses.
pub(crate) trait ProofTx {
    /// Inserts a proof that is valid until then.
    fn insert_proof(&mut self, user: UserId, token_hash: &TokenHash, until: DateTime<Utc>) -> Result<(), SqlError>;

    /// The user whose address it proves, if it is valid.
    fn user_of_proof(&mut self, token_hash: &TokenHash) -> Result<Option<UserId>, SqlError>;

    /// Deletes all proofs of the user.
    fn delete_proofs(&mut self, user: UserId) -> Result<(), SqlError>;

    /// Deletes those that have ended.
    fn forget_ended_proofs(&mut self) -> Result<(), SqlError>;
}

/// Invitations.
pub(crate) trait InvitationTx {
    /// Inserts it with an id that no invitation ever had.
    fn insert_invitation(&mut self, new: &NewInvitation) -> Result<Invitation, SqlError>;

    /// The invitation, if it is valid.
    fn invitation_of(&mut self, token_hash: &TokenHash) -> Result<Option<Invitation>, SqlError>;

    /// Counts the invitations of the organization that are valid.
    fn count_invitations(&mut self, organization: OrganizationId) -> Result<i64, SqlError>;

    /// Deletes the invitation. `false` when the organization has no such invitation.
    fn delete_invitation(&mut self, organization: OrganizationId, id: InvitationId) -> Result<bool, SqlError>;

    /// Deletes all invitations that the user made.
    fn delete_invitations_by(&mut self, user: UserId) -> Result<(), SqlError>;

    /// The invitations of the organization that are valid, by id.
    fn invitations_of(&mut self, organization: OrganizationId) -> Result<Vec<Invitation>, SqlError>;

    /// Deletes those that have ended.
    fn forget_ended_invitations(&mut self) -> Result<(), SqlError>;
}

/// Addresses of removed users.
pub(crate) trait RemovalTx {
    /// Notes that the user with this address is removed now.
    fn insert_removal(&mut self, email: &Email) -> Result<(), SqlError>;

    /// When the last user with this address was removed, in milliseconds since 1970, if that is noted.
    fn removed_at(&mut self, email: &Email) -> Result<Option<i64>, SqlError>;

    /// Forgets that a user with this address was removed.
    fn delete_removal(&mut self, email: &Email) -> Result<(), SqlError>;
}

/// Revoked tokens of an outside issuer.
pub(crate) trait RevocationTx {
    /// Revokes a token until `expires_at`; `None`: for ever. A later end extends a revocation. Returns whether the
    /// token was not revoked before.
    fn insert_revocation(
        &mut self,
        token_hash: &TokenHash,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, SqlError>;

    /// Whether the token is revoked.
    fn is_revoked(&mut self, token_hash: &TokenHash) -> Result<bool, SqlError>;

    /// Deletes some of the revocations whose tokens have expired; tells how many, 0 when none is left.
    fn forget_ended_revocations(&mut self) -> Result<usize, SqlError>;
}

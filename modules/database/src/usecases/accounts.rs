//! Users, their sessions, API keys and password resets, and which of them end together.

use chrono::{DateTime, Utc};
use hotshelf_domain::{
    Actor, ApiKey, AuditAction, AuditCredential, AuditTarget, Invalid, IssuedId, LeavingSessions, NewApiKey,
    NewSession, OrganizationId, Role, Session, SessionId, StoreError, TokenHash, User, UserId,
};

use super::audit::Recorded;
use super::registration::proven;
use crate::error::SqlError;
use crate::port::{ApiKeyTx, RevocationTx, SessionTx, Tx, UserTx};

/// Sessions of one user.
pub(crate) const SESSIONS_MAX: i64 = 100;
/// API keys of one user.
const API_KEYS_MAX: i64 = 100;

pub(crate) fn set_role(tx: &mut dyn Tx, id: UserId, role: Role, by: &Actor) -> Result<Recorded<User>, SqlError> {
    let user = known(tx, id)?;
    if role != Role::Admin {
        check_not_last_admin(tx, &user)?;
        tx.delete_invitations_by(id)?;
    }
    tx.set_role(id, role)?;
    let record = by.does(AuditAction::UserRoleChanged).to(AuditTarget::User(id));
    let record = record.with(format!("{}, {} instead of {}", user.email, role, user.role));
    Ok(Recorded::new(User { role, ..user }, record))
}

/// An operator may also remove the last admin, but not of the built-in organization. The entry of the audit log belongs
/// to the organization that loses the user.
pub(crate) fn remove_user(
    tx: &mut dyn Tx,
    id: UserId,
    by_operator: bool,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    let user = known(tx, id)?;
    if !by_operator || user.organization_id == OrganizationId::BUILT_IN {
        check_not_last_admin(tx, &user)?;
    }
    delete(tx, &user)?;
    let record = by.for_organization(user.organization_id).does(AuditAction::UserRemoved).to(AuditTarget::User(id));
    Ok(Recorded::new((), record.with(format!("{}, {}", user.email, user.role))))
}

/// Deletes a user whom somebody decides to remove, and notes the removal: a token of the outside issuer from before
/// must not create the user again. Not for somebody who has registered and not verified the address: anybody can do
/// that with the address of another, whose tokens are good.
pub(super) fn delete(tx: &mut dyn Tx, user: &User) -> Result<(), SqlError> {
    // An admin has added a user without a password.
    if user.verified || tx.password_hash(user.id)?.is_none() {
        tx.insert_removal(&user.email)?;
    }
    tx.delete_user(user.id)
}

/// Whoever asks has shown the password whose hash was `verified`, in the session that is kept.
pub(crate) fn set_password(
    tx: &mut dyn Tx,
    id: UserId,
    (verified, hash): (&str, &str),
    keep: SessionId,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    if tx.password_hash(id)?.as_deref() != Some(verified) {
        return Err(StoreError::SessionsEnded(id).into());
    }
    check_still_open(tx, id, keep)?;
    replace_password(tx, id, hash, Some(keep))?;
    Ok(Recorded::new((), by.does(AuditAction::PasswordChanged).to(AuditTarget::User(id))))
}

/// Of the same password: nothing ends.
pub(crate) fn replace_hash(tx: &mut dyn UserTx, id: UserId, verified: &str, hash: &str) -> Result<(), SqlError> {
    if tx.password_hash(id)?.as_deref() == Some(verified) {
        tx.set_password_hash(id, hash)?;
    }
    Ok(())
}

pub(crate) fn allow_reset(
    tx: &mut dyn Tx,
    id: UserId,
    token_hash: &TokenHash,
    until: DateTime<Utc>,
) -> Result<(), SqlError> {
    known(tx, id)?;
    tx.insert_reset(id, token_hash, until)
}

/// With the password end all sessions, all API keys and all invitations by the user. The mail has proven the address.
pub(crate) fn reset_password(
    tx: &mut dyn Tx,
    token_hash: &TokenHash,
    hash: &str,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    let user = tx.user_of_reset(token_hash)?.ok_or(StoreError::NoSuchReset)?;
    let record = by.as_user(&known(tx, user)?).does(AuditAction::PasswordReset).to(AuditTarget::User(user));
    // Cached keys that the caller could not name are invalid as well: they are of an earlier generation.
    tx.next_key_generation(user)?;
    tx.delete_api_keys(user)?;
    tx.delete_invitations_by(user)?;
    proven(tx, user)?;
    replace_password(tx, user, hash, None)?;
    Ok(Recorded::new((), record))
}

/// Stores the session, and ends those that are `leaving`.
pub(crate) fn open_session(
    tx: &mut dyn Tx,
    new: &NewSession,
    leaving: &LeavingSessions,
    by: &Actor,
) -> Result<Recorded<Session>, SqlError> {
    let user = known(tx, new.user_id)?;
    if user.suspended {
        return Err(StoreError::Suspended(user.organization_id).into());
    }
    if user.session_generation != new.generation {
        return Err(StoreError::SessionsEnded(user.id).into());
    }
    let replaced = leaving.replaced.as_ref().map(|replaced| tx.delete_session(replaced)).transpose()?.flatten();
    leaving.oldest.iter().try_for_each(|oldest| tx.delete_session(oldest).map(drop))?;
    if tx.count_sessions(user.id)? >= SESSIONS_MAX {
        return Err(StoreError::TooManySessions(user.id).into());
    }
    let session = tx.insert_session(new)?;
    let by = Actor { credential: Some(AuditCredential::Session(session.id)), ..by.as_user(&user) };
    let mut opened = Recorded::new(session, by.does(AuditAction::LoginSucceeded).to(AuditTarget::User(user.id)));
    if let Some(replaced) = replaced {
        let ended = by.does(AuditAction::SessionEnded).to(AuditTarget::Session(replaced));
        opened = opened.and(ended.with("the login showed it"));
    }
    if !leaving.oldest.is_empty() {
        let ended = by.does(AuditAction::SessionEnded).to(AuditTarget::User(user.id)).times(leaving.oldest.len());
        opened = opened.and(ended.with("the oldest, for a new one"));
    }
    Ok(opened)
}

/// Ends one session. That there is none is as good, and not recorded.
pub(crate) fn end_session(
    tx: &mut dyn SessionTx,
    token_hash: &TokenHash,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    let Some(id) = tx.delete_session(token_hash)? else { return Ok(Recorded { value: (), records: Vec::new() }) };
    let is_own = by.credential == Some(AuditCredential::Session(id));
    let action = if is_own { AuditAction::Logout } else { AuditAction::SessionEnded };
    Ok(Recorded::new((), by.does(action).to(AuditTarget::Session(id))))
}

pub(crate) fn end_sessions(tx: &mut dyn Tx, user: UserId, by: &Actor) -> Result<Recorded<()>, SqlError> {
    end_sessions_but(tx, user, None)?;
    Ok(Recorded::new((), by.does(AuditAction::SessionsEnded).to(AuditTarget::User(user))))
}

fn end_sessions_but(tx: &mut dyn Tx, user: UserId, keep: Option<SessionId>) -> Result<(), SqlError> {
    known(tx, user)?;
    let generation = tx.next_session_generation(user)?;
    tx.delete_sessions(user, keep)?;
    keep.map_or(Ok(()), |keep| tx.set_generation(user, keep, generation))
}

pub(crate) fn add_api_key(
    tx: &mut dyn Tx,
    user: UserId,
    by: SessionId,
    new: &NewApiKey,
    token_hash: &TokenHash,
    actor: &Actor,
) -> Result<Recorded<ApiKey>, SqlError> {
    // A change that has ended the session may have been meant to end the keys that it made, too.
    let known = check_still_open(tx, user, by)?;
    // It would outlive the account of whoever has registered with the address of another.
    if !known.verified {
        return Err(StoreError::NotVerified(user).into());
    }
    if known.suspended {
        return Err(StoreError::Suspended(known.organization_id).into());
    }
    if tx.count_api_keys(user)? >= API_KEYS_MAX {
        let message = format!("would be one too many: a user has at most {API_KEYS_MAX}");
        return Err(StoreError::from(Invalid::one("api_key", &message)).into());
    }
    let key = tx.insert_api_key(user, known.key_generation, new, token_hash)?;
    let record = actor.does(AuditAction::ApiKeyCreated).to(AuditTarget::ApiKey(key.id));
    let end = key.expires_at.map_or("without an end".to_owned(), |end| format!("until {}", end.to_rfc3339()));
    let record = record.with(format!("{}, {}, {}, {end}", key.name, key.role, key.scopes));
    Ok(Recorded::new(key, record))
}

/// Removes one of the user's keys. That there is none is as good, and not recorded.
pub(crate) fn remove_api_key(
    tx: &mut dyn ApiKeyTx,
    token_hash: &TokenHash,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    let Some(key) = tx.delete_api_key(token_hash)? else { return Ok(Recorded { value: (), records: Vec::new() }) };
    let record = by.does(AuditAction::ApiKeyRemoved).to(AuditTarget::ApiKey(key.id));
    Ok(Recorded::new((), record.with(format!("{}, of user {}", key.name, key.user_id))))
}

/// Revokes a token of an outside issuer. That it is revoked already is as good, and not recorded. The entry of the
/// audit log belongs to the organization of the user whose token it is, if that is known.
pub(crate) fn revoke_token(
    tx: &mut dyn RevocationTx,
    token_hash: &TokenHash,
    end: Option<DateTime<Utc>>,
    user: Option<&User>,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    if !tx.insert_revocation(token_hash, end)? {
        return Ok(Recorded { value: (), records: Vec::new() });
    }
    let id = IssuedId::new(token_hash);
    let is_own = by.credential == Some(AuditCredential::Issued(id));
    let action = if is_own { AuditAction::Logout } else { AuditAction::TokenRevoked };
    let record = match user {
        None => by.does(action),
        Some(user) => by.for_organization(user.organization_id).does(action).with(format!("of user {}", user.id)),
    };
    Ok(Recorded::new((), record.to(AuditTarget::Issued(id))))
}

/// The user, who must exist.
pub(super) fn known(tx: &mut dyn UserTx, id: UserId) -> Result<User, SqlError> {
    Ok(tx.user(id)?.ok_or(StoreError::NoSuchUser(id))?)
}

/// Checks that the session exists in the user's current generation; returns the user.
fn check_still_open(tx: &mut dyn Tx, user: UserId, id: SessionId) -> Result<User, SqlError> {
    let known = known(tx, user)?;
    match tx.generation_of(user, id)? {
        Some(generation) if generation == known.session_generation => Ok(known),
        _ => Err(StoreError::SessionsEnded(user).into()),
    }
}

fn check_not_last_admin(tx: &mut dyn UserTx, user: &User) -> Result<(), SqlError> {
    if user.verified && user.role == Role::Admin && tx.count_admins(user.organization_id)? <= 1 {
        return Err(StoreError::LastAdmin(user.id).into());
    }
    Ok(())
}

fn replace_password(tx: &mut dyn Tx, user: UserId, hash: &str, keep: Option<SessionId>) -> Result<(), SqlError> {
    tx.set_password_hash(user, hash)?;
    tx.delete_resets(user)?;
    end_sessions_but(tx, user, keep)
}

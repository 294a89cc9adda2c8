//! Users, their sessions, API keys and password resets, and which of them end together.

use chrono::{DateTime, Utc};
use hotshelf_domain::{
    ApiKey, Invalid, NewApiKey, NewSession, OrganizationId, Role, Session, SessionId, StoreError, TokenHash, User,
    UserId,
};

use super::registration::proven;
use crate::port::{UserTx, WriteTx};

/// Sessions of one user.
pub(crate) const SESSIONS_MAX: i64 = 100;
/// API keys of one user.
const API_KEYS_MAX: i64 = 100;

pub(crate) fn set_role<T: WriteTx>(tx: &mut T, id: UserId, role: Role) -> Result<User, T::Error> {
    let user = known(tx, id)?;
    if role != Role::Admin {
        check_not_last_admin(tx, &user)?;
        tx.delete_invitations_by(id)?;
    }
    tx.set_role(id, role)?;
    Ok(User { role, ..user })
}

/// An operator may also remove the last admin.
pub(crate) fn remove_user<T: UserTx>(tx: &mut T, id: UserId, by_operator: bool) -> Result<(), T::Error> {
    let user = known(tx, id)?;
    if !by_operator || user.organization_id == OrganizationId::BUILT_IN {
        check_not_last_admin(tx, &user)?;
    }
    tx.delete_user(id)
}

/// Whoever asks has shown the password whose hash was `verified`, in the session that is kept.
pub(crate) fn set_password<T: WriteTx>(
    tx: &mut T,
    id: UserId,
    (verified, hash): (&str, &str),
    keep: SessionId,
) -> Result<(), T::Error> {
    if tx.password_hash(id)?.as_deref() != Some(verified) {
        return Err(StoreError::SessionsEnded(id).into());
    }
    check_still_open(tx, id, keep)?;
    replace_password(tx, id, hash, Some(keep))
}

/// Of the same password: nothing ends.
pub(crate) fn replace_hash<T: UserTx>(tx: &mut T, id: UserId, verified: &str, hash: &str) -> Result<(), T::Error> {
    if tx.password_hash(id)?.as_deref() == Some(verified) {
        tx.set_password_hash(id, hash)?;
    }
    Ok(())
}

pub(crate) fn allow_reset<T: WriteTx>(
    tx: &mut T,
    id: UserId,
    token_hash: &TokenHash,
    until: DateTime<Utc>,
) -> Result<(), T::Error> {
    known(tx, id)?;
    tx.insert_reset(id, token_hash, until)
}

/// With the password end all sessions, all API keys and all invitations by the user. The mail has proven the address.
pub(crate) fn reset_password<T: WriteTx>(tx: &mut T, token_hash: &TokenHash, hash: &str) -> Result<(), T::Error> {
    let user = tx.user_of_reset(token_hash)?.ok_or(StoreError::NoSuchReset)?;
    // Cached keys that the caller could not name are invalid as well: they are of an earlier generation.
    tx.next_key_generation(user)?;
    tx.delete_api_keys(user)?;
    tx.delete_invitations_by(user)?;
    proven(tx, user)?;
    replace_password(tx, user, hash, None)
}

/// Stores the session, and ends those that are `leaving`.
pub(crate) fn open_session<T: WriteTx>(
    tx: &mut T,
    new: &NewSession,
    leaving: &[TokenHash],
) -> Result<Session, T::Error> {
    let user = known(tx, new.user_id)?;
    if user.session_generation != new.generation {
        return Err(StoreError::SessionsEnded(user.id).into());
    }
    leaving.iter().try_for_each(|leaving| tx.delete_session(leaving))?;
    if tx.count_sessions(user.id)? >= SESSIONS_MAX {
        return Err(StoreError::TooManySessions(user.id).into());
    }
    tx.insert_session(new)
}

pub(crate) fn end_sessions<T: WriteTx>(tx: &mut T, user: UserId, keep: Option<SessionId>) -> Result<(), T::Error> {
    known(tx, user)?;
    let generation = tx.next_session_generation(user)?;
    tx.delete_sessions(user, keep)?;
    keep.map_or(Ok(()), |keep| tx.set_generation(user, keep, generation))
}

pub(crate) fn add_api_key<T: WriteTx>(
    tx: &mut T,
    user: UserId,
    by: SessionId,
    new: &NewApiKey,
    token_hash: &TokenHash,
) -> Result<ApiKey, T::Error> {
    // A change that has ended the session may have been meant to end the keys that it made, too.
    let known = check_still_open(tx, user, by)?;
    // It would outlive the account of whoever has registered with the address of another.
    if !known.verified {
        return Err(StoreError::NotVerified(user).into());
    }
    if tx.count_api_keys(user)? >= API_KEYS_MAX {
        let message = format!("would be one too many: a user has at most {API_KEYS_MAX}");
        return Err(StoreError::from(Invalid::one("api_key", &message)).into());
    }
    tx.insert_api_key(user, known.key_generation, new, token_hash)
}

/// The user, who must exist.
pub(super) fn known<T: UserTx>(tx: &mut T, id: UserId) -> Result<User, T::Error> {
    Ok(tx.user(id)?.ok_or(StoreError::NoSuchUser(id))?)
}

/// Checks that the session exists in the user's current generation; returns the user.
fn check_still_open<T: WriteTx>(tx: &mut T, user: UserId, id: SessionId) -> Result<User, T::Error> {
    let known = known(tx, user)?;
    match tx.generation_of(user, id)? {
        Some(generation) if generation == known.session_generation => Ok(known),
        _ => Err(StoreError::SessionsEnded(user).into()),
    }
}

fn check_not_last_admin<T: UserTx>(tx: &mut T, user: &User) -> Result<(), T::Error> {
    if user.verified && user.role == Role::Admin && tx.count_admins(user.organization_id)? <= 1 {
        return Err(StoreError::LastAdmin(user.id).into());
    }
    Ok(())
}

fn replace_password<T: WriteTx>(tx: &mut T, user: UserId, hash: &str, keep: Option<SessionId>) -> Result<(), T::Error> {
    tx.set_password_hash(user, hash)?;
    tx.delete_resets(user)?;
    end_sessions(tx, user, keep)
}

//! How users come in, and how their addresses are proven. An address belongs to whoever has proven to read its mail;
//! until then, another may come and take it over.

use chrono::{DateTime, Utc};
use hotshelf_domain::{
    Actor, AuditAction, AuditRecord, AuditTarget, Email, Home, Invalid, Invitation, InvitationId, NewInvitation,
    NewOrganization, NewUser, OrganizationId, Quotas, Resource, Role, StoreError, TokenHash, User, UserId,
};

use super::accounts::known;
use super::audit::Recorded;
use super::organizations::end_deserted;
use super::quotas::check_room;
use crate::error::SqlError;
use crate::port::{InvitationTx, OrganizationTx, RemovalTx, Tx, UserTx};

/// Invitations of one organization that wait for their guests.
const INVITATIONS_MAX: i64 = 100;

/// Stores the user. The one who has the address and never verified it is removed, if it is the one that the caller
/// names: the cached entry of no other is fenced.
pub(crate) fn add_user(
    tx: &mut dyn Tx,
    new: &NewUser,
    instead_of: Option<UserId>,
    by: &Actor,
    quotas: Quotas,
) -> Result<Recorded<User>, SqlError> {
    // What refuses comes before what changes something: so most refusals leave nothing to undo.
    let (home, role) = home_of(tx, new)?;
    if let Home::Issued { issued_at, .. } = &new.home {
        check_not_removed(tx, &new.email, *issued_at)?;
    }
    let holder = replaceable_holder(tx, &new.email, instead_of)?;
    match &new.home {
        // An admin lets the user in again.
        Home::In(_) => tx.delete_removal(&new.email)?,
        Home::Invited(by, _) => {
            let invitation = invitation(tx, by, &new.email)?;
            tx.delete_invitation(invitation.organization_id, invitation.id)?;
            tx.delete_removal(&new.email)?;
        }
        // Anybody may register with the address of another. So this must not make the tokens from before the removal
        // good again.
        Home::New(_) | Home::Issued { .. } => {}
    }
    let organization = match home {
        Destination::Existing(organization) => organization,
        Destination::Founded(organization) => tx.insert_organization(organization)?.id,
    };
    let mut founded = false;
    if let Some(holder) = &holder {
        founded = has_founded(tx, holder)?;
        tx.delete_user(holder.id)?;
    }
    check_room(tx, organization, Resource::Users, quotas)?;
    let user = tx.insert_user(&NewUser { role, ..new.clone() }, organization)?;
    let record = match new.home {
        // Whoever registers is the one who acts.
        Home::New(_) | Home::Invited(..) => by.as_user(&user).does(AuditAction::UserRegistered),
        // At the machine itself, it is done for the organization.
        Home::In(_) | Home::Issued { .. } => {
            by.for_organization(by.organization.unwrap_or(organization)).does(AuditAction::UserAdded)
        }
    };
    let record = record.to(AuditTarget::User(user.id)).with(format!("{}, {}", user.email, user.role));
    let added = Recorded::new(user, record);
    let Some(holder) = holder else { return Ok(added) };
    let removal = removal(&holder, by, "the address was not verified, and another has taken it over");
    with_the_organization(tx, added.and(removal), &holder, founded, by)
}

/// Where a user comes in.
enum Destination<'a> {
    Existing(OrganizationId),
    /// It is made for the user.
    Founded(&'a NewOrganization),
}

/// Where the user comes in, and with which role.
fn home_of<'a>(tx: &mut dyn Tx, new: &'a NewUser) -> Result<(Destination<'a>, Role), SqlError> {
    Ok(match &new.home {
        Home::In(organization) | Home::Issued { organization, .. } => {
            (Destination::Existing(open(tx, *organization)?), new.role)
        }
        Home::New(organization) => (Destination::Founded(organization), new.role),
        Home::Invited(by, organization) => {
            let invitation = invitation(tx, by, &new.email)?;
            let home = open(tx, invitation.organization_id)?;
            let founds = invitation.new_organization;
            let destination = if founds { Destination::Founded(organization) } else { Destination::Existing(home) };
            (destination, invitation.role)
        }
    })
}

/// The one who has the address, if that is the one whose cached entry is fenced, and never verified it.
fn replaceable_holder(
    tx: &mut dyn UserTx,
    email: &Email,
    instead_of: Option<UserId>,
) -> Result<Option<User>, SqlError> {
    let holder = tx.holder(email)?;
    match &holder {
        Some(holder) if holder.verified => Err(StoreError::EmailTaken.into()),
        Some(holder) if instead_of != Some(holder.id) => Err(StoreError::EmailMoved.into()),
        _ => Ok(holder),
    }
}

/// Whether the organization was made for the registration of this unverified user: one who was added chooses a password
/// by a mail, which verifies the address, and one who was invited has shown that already.
fn has_founded(tx: &mut dyn UserTx, unverified: &User) -> Result<bool, SqlError> {
    Ok(tx.password_hash(unverified.id)?.is_some())
}

/// A token creates no user who was removed after the token was issued, or in the same second: times in tokens are in
/// seconds.
fn check_not_removed(tx: &mut dyn RemovalTx, email: &Email, issued_at: Option<i64>) -> Result<(), SqlError> {
    match tx.removed_at(email)? {
        Some(removed_at) if issued_at.is_none_or(|issued_at| issued_at <= removed_at.div_euclid(1_000)) => {
            Err(StoreError::RemovedSince.into())
        }
        _ => Ok(()),
    }
}

/// Of a user who never verified the address.
fn removal(user: &User, by: &Actor, why: &str) -> AuditRecord {
    let record = by.for_organization(user.organization_id).does(AuditAction::UserRemoved);
    record.to(AuditTarget::User(user.id)).with(format!("{}, {}: {why}", user.email, user.role))
}

/// The organization, which must exist and not be suspended.
fn open(tx: &mut dyn OrganizationTx, id: OrganizationId) -> Result<OrganizationId, SqlError> {
    match tx.organization(id)? {
        None => Err(StoreError::NoSuchOrganization(id).into()),
        Some(organization) if organization.suspended => Err(StoreError::Suspended(id).into()),
        Some(_) => Ok(id),
    }
}

/// The invitation with that token, if it is for that address.
fn invitation(tx: &mut dyn InvitationTx, by: &TokenHash, email: &Email) -> Result<Invitation, SqlError> {
    let invitation = tx.invitation_of(by)?.filter(|invitation| invitation.email == *email);
    Ok(invitation.ok_or(StoreError::NotInvited)?)
}

pub(crate) fn allow_proof(
    tx: &mut dyn Tx,
    id: UserId,
    token_hash: &TokenHash,
    until: DateTime<Utc>,
) -> Result<(), SqlError> {
    known(tx, id)?;
    tx.insert_proof(id, token_hash, until)
}

/// Whoever asks has shown the password whose hash was `shown`, and reads the mail: both are the user's.
pub(crate) fn verify(
    tx: &mut dyn Tx,
    token_hash: &TokenHash,
    shown: &str,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    let user = tx.user_of_proof(token_hash)?.ok_or(StoreError::NoSuchProof)?;
    if tx.password_hash(user)?.as_deref() != Some(shown) {
        return Err(StoreError::NoSuchProof.into());
    }
    proven(tx, user)?;
    let by = by.as_user(&known(tx, user)?);
    Ok(Recorded::new((), by.does(AuditAction::UserVerified).to(AuditTarget::User(user))))
}

/// What was still to prove it ends.
pub(super) fn proven(tx: &mut dyn Tx, user: UserId) -> Result<(), SqlError> {
    tx.set_verified(user)?;
    tx.delete_proofs(user)
}

/// Removes the user, unless the address was verified meanwhile.
pub(crate) fn end_unverified(tx: &mut dyn Tx, id: UserId) -> Result<Recorded<()>, SqlError> {
    let Some(user) = tx.user(id)?.filter(|user| !user.verified) else {
        return Ok(Recorded { value: (), records: Vec::new() });
    };
    let founded = has_founded(tx, &user)?;
    tx.delete_user(id)?;
    let nobody = Actor::default();
    let removed = Recorded::new((), removal(&user, &nobody, "the address was not verified in time"));
    with_the_organization(tx, removed, &user, founded, &nobody)
}

/// With an unverified user ends the organization that the registration has `founded`. Any other stays, also without
/// users: its operator has removed them, and its products are not the business of whoever takes the address over.
fn with_the_organization<V>(
    tx: &mut dyn Tx,
    removed: Recorded<V>,
    user: &User,
    founded: bool,
    by: &Actor,
) -> Result<Recorded<V>, SqlError> {
    if !founded {
        return Ok(removed);
    }
    Ok(match end_deserted(tx, user.organization_id, by)? {
        None => removed,
        Some(ended) => removed.and(ended),
    })
}

pub(crate) fn invite(tx: &mut dyn Tx, new: &NewInvitation, actor: &Actor) -> Result<Recorded<Invitation>, SqlError> {
    let by = known(tx, new.invited_by)?;
    // The right may have ended since the request was authorized, and with it the invitations that were there.
    if by.role != Role::Admin {
        return Err(StoreError::NoAdmin(by.id).into());
    }
    if !by.verified {
        return Err(StoreError::NotVerified(by.id).into());
    }
    if by.suspended {
        return Err(StoreError::Suspended(by.organization_id).into());
    }
    if tx.holder(&new.email)?.is_some_and(|holder| holder.verified) {
        return Err(StoreError::EmailTaken.into());
    }
    if tx.count_invitations(new.organization)? >= INVITATIONS_MAX {
        let message = format!("would be one too many: {INVITATIONS_MAX} may be open at a time");
        return Err(StoreError::from(Invalid::one("invitation", &message)).into());
    }
    let invitation = tx.insert_invitation(new)?;
    let record = actor.does(AuditAction::InvitationCreated).to(AuditTarget::Invitation(invitation.id));
    let record = record.with(format!("{}, {}", invitation.email, invitation.role));
    Ok(Recorded::new(invitation, record))
}

pub(crate) fn revoke(
    tx: &mut dyn InvitationTx,
    organization: OrganizationId,
    id: InvitationId,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    if !tx.delete_invitation(organization, id)? {
        return Err(StoreError::NoSuchInvitation(id).into());
    }
    Ok(Recorded::new((), by.does(AuditAction::InvitationRevoked).to(AuditTarget::Invitation(id))))
}

//! How users come in, and how their addresses are proven. An address belongs to whoever has proven to read its mail; until
//! then, another may come and take it over.

use chrono::{DateTime, Utc};
use hotshelf_domain::{
    Email, Home, Invalid, Invitation, InvitationId, NewInvitation, NewUser, OrganizationId, Role, StoreError,
    TokenHash, User, UserId,
};

use super::accounts::known;
use super::organizations::end_deserted;
use crate::port::{InvitationTx, OrganizationTx, WriteTx};

/// Invitations of one organization that wait for their guests.
const INVITATIONS_MAX: i64 = 100;

/// Stores the user. The one who has the address and never verified it is removed, if it is the one that the caller
/// names: the cached entry of no other is fenced.
pub(crate) fn add_user<T: WriteTx>(tx: &mut T, new: &NewUser, instead_of: Option<UserId>) -> Result<User, T::Error> {
    let (organization, role) = match &new.home {
        Home::In(organization) => (open(tx, *organization)?, new.role),
        Home::New(organization) => (tx.insert_organization(organization)?.id, new.role),
        Home::Invited(by, organization) => {
            let invitation = accepted(tx, by, &new.email)?;
            let home = open(tx, invitation.organization_id)?;
            (if invitation.new_organization { tx.insert_organization(organization)?.id } else { home }, invitation.role)
        }
    };
    if let Some(holder) = tx.holder(&new.email)? {
        if holder.verified {
            return Err(StoreError::EmailTaken.into());
        }
        if instead_of != Some(holder.id) {
            return Err(StoreError::EmailMoved.into());
        }
        remove_unverified(tx, &holder)?;
    }
    tx.insert_user(&NewUser { role, ..new.clone() }, organization)
}

/// The organization, which must exist and not be suspended.
fn open<T: OrganizationTx>(tx: &mut T, id: OrganizationId) -> Result<OrganizationId, T::Error> {
    match tx.organization(id)? {
        None => Err(StoreError::NoSuchOrganization(id).into()),
        Some(organization) if organization.suspended => Err(StoreError::Suspended(id).into()),
        Some(_) => Ok(id),
    }
}

/// Uses the invitation up.
fn accepted<T: InvitationTx>(tx: &mut T, by: &TokenHash, email: &Email) -> Result<Invitation, T::Error> {
    let invitation = tx.invitation_of(by)?.filter(|invitation| invitation.email == *email);
    let invitation = invitation.ok_or(StoreError::NotInvited)?;
    tx.delete_invitation(invitation.organization_id, invitation.id)?;
    Ok(invitation)
}

pub(crate) fn allow_proof<T: WriteTx>(
    tx: &mut T,
    id: UserId,
    token_hash: &TokenHash,
    until: DateTime<Utc>,
) -> Result<(), T::Error> {
    known(tx, id)?;
    tx.insert_proof(id, token_hash, until)
}

/// Whoever asks has shown the password whose hash was `shown`, and reads the mail: both are the user's.
pub(crate) fn verify<T: WriteTx>(tx: &mut T, token_hash: &TokenHash, shown: &str) -> Result<(), T::Error> {
    let user = tx.user_of_proof(token_hash)?.ok_or(StoreError::NoSuchProof)?;
    if tx.password_hash(user)?.as_deref() != Some(shown) {
        return Err(StoreError::NoSuchProof.into());
    }
    proven(tx, user)
}

/// What was still to prove it ends.
pub(super) fn proven<T: WriteTx>(tx: &mut T, user: UserId) -> Result<(), T::Error> {
    tx.set_verified(user)?;
    tx.delete_proofs(user)
}

/// Removes the user, unless the address was verified meanwhile.
pub(crate) fn end_unverified<T: WriteTx>(tx: &mut T, id: UserId) -> Result<(), T::Error> {
    match tx.user(id)? {
        Some(user) if !user.verified => remove_unverified(tx, &user),
        _ => Ok(()),
    }
}

/// With the user ends the organization that was made for the registration.
fn remove_unverified<T: WriteTx>(tx: &mut T, user: &User) -> Result<(), T::Error> {
    tx.delete_user(user.id)?;
    end_deserted(tx, user.organization_id)
}

pub(crate) fn invite<T: WriteTx>(tx: &mut T, new: &NewInvitation) -> Result<Invitation, T::Error> {
    let by = known(tx, new.invited_by)?;
    // The right may have ended since the request was authorized, and with it the invitations that were there.
    if by.role != Role::Admin {
        return Err(StoreError::NoAdmin(by.id).into());
    }
    if !by.verified {
        return Err(StoreError::NotVerified(by.id).into());
    }
    if tx.holder(&new.email)?.is_some_and(|holder| holder.verified) {
        return Err(StoreError::EmailTaken.into());
    }
    if tx.count_invitations(new.organization)? >= INVITATIONS_MAX {
        let message = format!("would be one too many: {INVITATIONS_MAX} may be open at a time");
        return Err(StoreError::from(Invalid::one("invitation", &message)).into());
    }
    tx.insert_invitation(new)
}

pub(crate) fn revoke<T: InvitationTx>(
    tx: &mut T,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<(), T::Error> {
    if tx.delete_invitation(organization, id)? { Ok(()) } else { Err(StoreError::NoSuchInvitation(id).into()) }
}

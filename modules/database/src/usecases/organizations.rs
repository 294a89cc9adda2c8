//! The end of organizations, for a while or for good.

use hotshelf_domain::{Organization, OrganizationId, StoreError, UserId};

use crate::port::{OrganizationTx, UserTx, WriteTx};

/// Suspends or resumes it, if it has no other users than those whose cached entries are fenced.
pub(crate) fn set_suspended<T: WriteTx>(
    tx: &mut T,
    id: OrganizationId,
    suspended: bool,
    fenced: &[UserId],
) -> Result<Organization, T::Error> {
    let organization = ending(tx, id, fenced)?;
    tx.set_suspended(id, suspended)?;
    Ok(Organization { suspended, ..organization })
}

/// Ends it with all its users, on the same condition. Its products are still to be deleted.
pub(crate) fn end<T: WriteTx>(tx: &mut T, id: OrganizationId, fenced: &[UserId]) -> Result<(), T::Error> {
    ending(tx, id, fenced)?;
    for user in tx.members(id)? {
        tx.delete_user(user)?;
    }
    tx.end_organization(id)
}

/// Ends it if nobody belongs to it.
pub(crate) fn end_deserted<T: OrganizationTx + UserTx>(tx: &mut T, id: OrganizationId) -> Result<(), T::Error> {
    if id != OrganizationId::BUILT_IN && tx.members(id)?.is_empty() { tx.end_organization(id) } else { Ok(()) }
}

/// The organization, which may be ended.
fn ending<T: WriteTx>(tx: &mut T, id: OrganizationId, fenced: &[UserId]) -> Result<Organization, T::Error> {
    let organization = tx.organization(id)?.ok_or(StoreError::NoSuchOrganization(id))?;
    if id == OrganizationId::BUILT_IN {
        return Err(StoreError::OrganizationBuiltIn(id).into());
    }
    match tx.members(id)?.iter().all(|member| fenced.contains(member)) {
        true => Ok(organization),
        false => Err(StoreError::MembersChanged(id).into()),
    }
}

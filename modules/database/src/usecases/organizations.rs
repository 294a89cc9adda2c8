//! Organizations: created, suspended for a while, and ended for good.

use std::collections::HashSet;

use hotshelf_domain::{
    Actor, AuditAction, AuditRecord, AuditTarget, NewOrganization, Organization, OrganizationId, OrganizationPatch,
    StoreError, UserId,
};

use super::accounts::{delete, known};
use super::audit::Recorded;
use crate::error::SqlError;
use crate::port::{OrganizationTx, Tx, UserTx};

pub(crate) fn create(
    tx: &mut dyn OrganizationTx,
    new: &NewOrganization,
    by: &Actor,
) -> Result<Recorded<Organization>, SqlError> {
    let organization = tx.insert_organization(new)?;
    let record = by.does(AuditAction::OrganizationCreated).to(AuditTarget::Organization(organization.id));
    let record = record.with(organization.name.clone());
    Ok(Recorded::new(organization, record))
}

/// Suspends or resumes it, and sets its quotas, whichever the patch names. It is suspended or resumed if it has no
/// other users than those whose cached entries are fenced. What stays as it was is not recorded.
pub(crate) fn change(
    tx: &mut dyn Tx,
    id: OrganizationId,
    patch: OrganizationPatch,
    fenced: &[UserId],
    by: &Actor,
) -> Result<Recorded<Organization>, SqlError> {
    let organization = alterable(tx, id)?;
    let mut changed = Recorded { value: organization.clone(), records: Vec::new() };
    if let Some(suspended) = patch.suspended {
        fenced_members(tx, id, fenced)?;
        if suspended != organization.suspended {
            tx.set_suspended(id, suspended)?;
            changed.value.suspended = suspended;
            let action = if suspended { AuditAction::OrganizationSuspended } else { AuditAction::OrganizationResumed };
            changed = changed.and(about(id, by, action).with(organization.name));
        }
    }
    if let Some(quotas) = patch.quotas
        && quotas != tx.quotas(id)?
    {
        tx.set_quotas(id, quotas)?;
        changed = changed.and(about(id, by, AuditAction::OrganizationQuotasChanged).with(quotas.to_string()));
    }
    Ok(changed)
}

/// Ends it with all its users, on the same condition. Its products are still to be deleted.
pub(crate) fn end(
    tx: &mut dyn Tx,
    id: OrganizationId,
    fenced: &[UserId],
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    let organization = alterable(tx, id)?;
    let members = fenced_members(tx, id, fenced)?;
    for member in &members {
        let user = known(tx, *member)?;
        delete(tx, &user)?;
    }
    tx.end_organization(id)?;
    let users = match members.len() {
        1 => "1 user".to_owned(),
        users => format!("{users} users"),
    };
    let record = about(id, by, AuditAction::OrganizationDeleted);
    Ok(Recorded::new((), record.with(format!("{}, with {users}", organization.name))))
}

/// Ends it if nobody belongs to it; returns what is to be recorded then.
pub(crate) fn end_deserted(tx: &mut dyn Tx, id: OrganizationId, by: &Actor) -> Result<Option<AuditRecord>, SqlError> {
    let organization = tx.organization(id)?;
    // A suspended one stays until the operator decides.
    let Some(organization) = organization.filter(|found| id != OrganizationId::BUILT_IN && !found.suspended) else {
        return Ok(None);
    };
    if !tx.members(id)?.is_empty() {
        return Ok(None);
    }
    tx.end_organization(id)?;
    let record = about(id, by, AuditAction::OrganizationDeleted);
    Ok(Some(record.with(format!("{}: its only user never verified the address", organization.name))))
}

/// The entry belongs to the organization that it is about.
fn about(id: OrganizationId, by: &Actor, action: AuditAction) -> AuditRecord {
    by.for_organization(id).does(action).to(AuditTarget::Organization(id))
}

/// The organization, if it may be changed and ended.
fn alterable(tx: &mut dyn OrganizationTx, id: OrganizationId) -> Result<Organization, SqlError> {
    let organization = tx.organization(id)?.ok_or(StoreError::NoSuchOrganization(id))?;
    if id == OrganizationId::BUILT_IN {
        return Err(StoreError::OrganizationBuiltIn(id).into());
    }
    Ok(organization)
}

/// Its users, all of whom have to be fenced.
fn fenced_members(tx: &mut dyn UserTx, id: OrganizationId, fenced: &[UserId]) -> Result<Vec<UserId>, SqlError> {
    let (members, fenced) = (tx.members(id)?, fenced.iter().collect::<HashSet<_>>());
    match members.iter().all(|member| fenced.contains(member)) {
        true => Ok(members),
        false => Err(StoreError::MembersChanged(id).into()),
    }
}

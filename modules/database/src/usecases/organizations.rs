//! Organizations.

use hotshelf_domain::{Actor, AuditAction, AuditTarget, NewOrganization, Organization};

use super::audit::Recorded;
use crate::port::OrganizationTx;

pub(crate) fn create<T: OrganizationTx>(
    tx: &mut T,
    new: &NewOrganization,
    by: &Actor,
) -> Result<Recorded<Organization>, T::Error> {
    let organization = tx.insert_organization(new)?;
    let record = by.does(AuditAction::OrganizationCreated).to(AuditTarget::Organization(organization.id));
    let record = record.with(organization.name.clone());
    Ok(Recorded::new(organization, record))
}

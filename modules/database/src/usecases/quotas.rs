//! What organizations may have, and whether there is room for more. Checked inside the write's transaction: nobody else
//! adds anything before its commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hotshelf_domain::{OrganizationId, OrganizationUsage, Quotas, Resource, StoreError, Usage};

use crate::error::SqlError;
use crate::port::OrganizationTx;

/// How much of it the organization has, and may have: by its own quotas, or else by those of the service.
pub(crate) fn usage(
    tx: &mut dyn OrganizationTx,
    id: OrganizationId,
    of_service: Quotas,
) -> Result<OrganizationUsage, SqlError> {
    let quotas = in_force(tx, id, of_service)?;
    Ok(OrganizationUsage {
        products: Usage { used: tx.used(id, Resource::Products)?, limit: quotas.products },
        users: Usage { used: tx.used(id, Resource::Users)?, limit: quotas.users },
        schemas: Usage { used: tx.used(id, Resource::Schemas)?, limit: quotas.schemas },
    })
}

/// Checks that there is room for one more.
pub(super) fn check_room(
    tx: &mut dyn OrganizationTx,
    id: OrganizationId,
    resource: Resource,
    of_service: Quotas,
) -> Result<(), SqlError> {
    let usage = usage_of(tx, id, resource, of_service)?;
    if usage.room() == Some(0) {
        return Err(StoreError::QuotaExceeded { organization: id, resource, usage }.into());
    }
    Ok(())
}

/// The room for products in each organization, while products are checked before the first is inserted.
pub(super) struct ProductRoom {
    of_service: Quotas,
    of: HashMap<OrganizationId, Usage>,
}

impl ProductRoom {
    pub(super) fn new(of_service: Quotas) -> Self {
        ProductRoom { of_service, of: HashMap::new() }
    }

    /// Takes a place for one more, if there is one. The built-in organization costs no query.
    pub(super) fn take(
        &mut self,
        tx: &mut dyn OrganizationTx,
        id: OrganizationId,
    ) -> Result<Result<(), StoreError>, SqlError> {
        if id == OrganizationId::BUILT_IN {
            return Ok(Ok(()));
        }
        let usage = match self.of.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(usage_of(tx, id, Resource::Products, self.of_service)?),
        };
        if usage.room() == Some(0) {
            let (resource, usage) = (Resource::Products, *usage);
            return Ok(Err(StoreError::QuotaExceeded { organization: id, resource, usage }));
        }
        usage.used += 1;
        Ok(Ok(()))
    }
}

/// Counts nothing where there is no limit.
fn usage_of(
    tx: &mut dyn OrganizationTx,
    id: OrganizationId,
    resource: Resource,
    of_service: Quotas,
) -> Result<Usage, SqlError> {
    let quotas = in_force(tx, id, of_service)?;
    let limit = match resource {
        Resource::Products => quotas.products,
        Resource::Users => quotas.users,
        Resource::Schemas => quotas.schemas,
    };
    let used = if limit.is_some() { tx.used(id, resource)? } else { 0 };
    Ok(Usage { used, limit })
}

fn in_force(tx: &mut dyn OrganizationTx, id: OrganizationId, of_service: Quotas) -> Result<Quotas, SqlError> {
    if id == OrganizationId::BUILT_IN { Ok(Quotas::default()) } else { Ok(tx.quotas(id)?.or(of_service)) }
}

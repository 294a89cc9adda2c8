//! Whose schemas are. That never changes, so what is known stays known, also after the end of the organization: then
//! nobody is left who sees them.

use std::collections::HashMap;

use hotshelf_domain::{OrganizationId, SchemaId};
use parking_lot::Mutex;

use super::ProductService;
use crate::error::ProductError;

/// Schemas that are remembered. With more, all are forgotten.
const MOST_REMEMBERED: usize = 65_536;

#[derive(Default)]
pub(super) struct SchemaOwners(Mutex<HashMap<SchemaId, OrganizationId>>);

impl ProductService {
    /// Whether there is such a schema, and it is this organization's. Asks the database once, but each time for a
    /// schema that is not: how long it takes must not tell whether others have it.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn has_schema(&self, organization: OrganizationId, id: SchemaId) -> Result<bool, ProductError> {
        if self.0.schema_owners.0.lock().get(&id) == Some(&organization) {
            return Ok(true);
        }
        let found = self.0.repository.schema(id).await?.map(|schema| schema.organization_id);
        if let Some(owner) = found {
            let mut owners = self.0.schema_owners.0.lock();
            if owners.len() >= MOST_REMEMBERED {
                owners.clear();
            }
            owners.insert(id, owner);
        }
        Ok(found == Some(organization))
    }
}

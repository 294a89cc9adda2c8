//! Whose schemas are. That never changes, so what is known stays known.

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
    /// The organization of a schema, `None` when there is no such schema. Asks the database once.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn owner_of_schema(&self, id: SchemaId) -> Result<Option<OrganizationId>, ProductError> {
        let known = self.0.schema_owners.0.lock().get(&id).copied();
        if known.is_some() {
            return Ok(known);
        }
        let found = self.0.repository.schema(id).await?.map(|schema| schema.organization_id);
        if let Some(owner) = found {
            let mut owners = self.0.schema_owners.0.lock();
            if owners.len() >= MOST_REMEMBERED {
                owners.clear();
            }
            owners.insert(id, owner);
        }
        Ok(found)
    }
}

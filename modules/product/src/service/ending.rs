//! The products of organizations that have ended: deleted in batches, so that no other write waits for long, however
//! often the process is killed meanwhile.

use std::time::Duration;

use hotshelf_domain::{Actor, OrganizationId, SchemaId};
use tokio::time::sleep;

use super::ProductService;
use crate::error::ProductError;
use crate::tags;

/// Products in one transaction.
const BATCH: u32 = 500;
/// Between two looks at which organizations have ended.
const INTERVAL: Duration = Duration::from_secs(60);

impl ProductService {
    /// Deletes the products and the schemas of an organization that has ended. When it returns, no reader sees any of
    /// them. It may be dropped: the rest is deleted in the background. The entries of the audit log belong to the
    /// organization.
    ///
    /// # Errors
    /// As [`delete_many`](ProductService::delete_many); what was deleted stays so.
    pub async fn finish_organization(&self, id: OrganizationId, by: &Actor) -> Result<(), ProductError> {
        let by = by.for_organization(id);
        loop {
            let some = self.0.repository.some_products(id, BATCH).await?;
            if some.is_empty() {
                break;
            }
            self.delete_many(some, by.clone()).await?;
        }
        // Of an organization without products, too, empty lists may be cached.
        let schemas = self.0.repository.schemas_of(id).await?;
        let homes: Vec<_> = [SchemaId::BUILT_IN].into_iter().chain(schemas).map(|schema| (id, schema)).collect();
        let repository = self.0.repository.clone();
        let finish = async move |fencing| repository.finish_organization(id, fencing).await;
        Ok(self.0.cache.write(Vec::new(), tags::memberships(&homes), finish).await?)
    }

    /// Goes on with what was left unfinished, by this process or another.
    pub(super) fn finish_organizations(&self) {
        let (service, stopping) = (self.clone(), self.0.tasks.stopping());
        self.0.tasks.spawn_loop("ended organizations", async move {
            loop {
                if let Some(Err(error)) = stopping.run_until_cancelled(service.finish_all()).await {
                    tracing::warn!(%error, "products of an ended organization could not be deleted; trying again");
                }
                if stopping.run_until_cancelled(sleep(INTERVAL)).await.is_none() {
                    return;
                }
            }
        });
    }

    async fn finish_all(&self) -> Result<(), ProductError> {
        let mut outcome = Ok(());
        for id in self.0.repository.ending_organizations().await? {
            // One that cannot be finished holds up no other.
            match self.finish_organization(id, &Actor::default()).await {
                Ok(()) => tracing::info!(organization = id.get(), "the products of an ended organization are deleted"),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }
}

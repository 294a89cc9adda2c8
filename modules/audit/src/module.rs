use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, async_trait};
use tokio::time::sleep;

use crate::log::AuditLog;

/// Between two looks at what is to be written.
const WRITING: Duration = Duration::from_millis(500);
/// Between two looks at what is to be forgotten.
const FORGETTING: Duration = Duration::from_secs(60);

#[async_trait]
impl Module for AuditLog {
    /// Begins the work in the background. What was noted is still written at the stop.
    async fn start(&self) -> Result<(), Failure> {
        let (audit, stopping) = (self.clone(), self.0.tasks.stopping());
        self.0.tasks.spawn_loop("audit log", async move {
            while stopping.run_until_cancelled(sleep(WRITING)).await.is_some() {
                if let Err(error) = audit.write_due(false).await {
                    tracing::debug!(%error, "what was noted could not be written to the audit log; trying again");
                }
            }
            if let Err(error) = audit.write_due(true).await {
                tracing::error!(%error, "what was noted last is missing from the audit log");
            }
        });
        let (audit, stopping) = (self.clone(), self.0.tasks.stopping());
        self.0.tasks.spawn_loop("audit housekeeping", async move {
            loop {
                if let Err(error) = audit.forget().await {
                    tracing::debug!(%error, "old entries of the audit log could not be forgotten; trying again");
                }
                if stopping.run_until_cancelled(sleep(FORGETTING)).await.is_none() {
                    return;
                }
            }
        });
        Ok(())
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        match self.0.tasks.stop(timeout).await {
            true => Ok(()),
            false => Err("entries of the audit log were still to be written".into()),
        }
    }

    async fn health(&self) -> Health {
        match self.0.tasks.ended_early().first() {
            Some(task) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            None => Health::healthy("recording"),
        }
    }
}

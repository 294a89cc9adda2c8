use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, async_trait};

use crate::database::Database;

#[async_trait]
impl Module for Database {
    fn stopping(&self, timeout: Duration) {
        self.prepare_close(timeout);
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        Ok(self.close(timeout).await?)
    }

    async fn health(&self) -> Health {
        if let Some(task) = self.ended_tasks().first() {
            return Health::unhealthy(format!("task `{task}` has died; restart the service"));
        }
        if let Err(error) = self.ping().await {
            return Health::unhealthy(error.to_string());
        }
        let condition = self.condition();
        match (condition.reads.cause(), condition.writes.cause()) {
            (None, None) => Health::healthy(format!("{} answers", self.title())),
            // The ping has succeeded, so it is not the database as a whole.
            (Some(cause), None) => Health::degraded(format!("some reads fail ({cause})")),
            // Whoever shares the file can write no more than this process, and reads are most of what a catalogue is
            // asked for.
            (None, Some(cause)) => Health::impaired(format!("writes fail ({cause}); reads are served")),
            (Some(reads), Some(writes)) => {
                Health::impaired(format!("writes fail ({writes}), and some reads do ({reads})"))
            }
        }
    }
}

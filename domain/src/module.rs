use std::sync::OnceLock;
use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};
use hotshelf_stats::Stats;

use crate::repository::{DatabaseOptions, ProductRepository};

/// The life of the database: opened before anything needs it, closed after everything is done with it. Offers
/// [`ProductRepository`].
pub struct DatabaseModule {
    options: DatabaseOptions,
    repository: OnceLock<ProductRepository>,
}

impl DatabaseModule {
    /// Opens nothing yet.
    pub fn new(options: DatabaseOptions) -> Self {
        DatabaseModule { options, repository: OnceLock::new() }
    }
}

#[async_trait]
impl Module for DatabaseModule {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let stats = services.require::<Stats>("stats")?;
        let repository = ProductRepository::open(self.options.clone(), &stats).await?;
        tracing::info!(path = %repository.path().display(), shared = self.options.shared, "database open");
        services.provide(repository.clone())?;
        let _ = self.repository.set(repository);
        Ok(())
    }

    fn stopping(&self, patience: Duration) {
        if let Some(repository) = self.repository.get() {
            repository.hurry(patience);
        }
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        if let Some(repository) = self.repository.get() {
            repository.close(patience).await?;
        }
        Ok(())
    }

    async fn health(&self) -> Health {
        let Some(repository) = self.repository.get() else { return Health::unhealthy("not open yet") };
        if let Some(task) = repository.ended_tasks().first() {
            return Health::unhealthy(format!("task `{task}` has died; restart the service"));
        }
        if let Err(error) = repository.ping().await {
            return Health::unhealthy(error.to_string());
        }
        let condition = repository.condition();
        match (condition.reads_fail(), condition.writes_fail()) {
            (None, None) => Health::healthy("SQLite answers"),
            // What was tried above is read: it is not the database as a whole.
            (Some(cause), None) => Health::degraded(format!("some reads fail ({cause})")),
            // Whoever shares the file can write no more than this process, and reads are most of what a catalogue is asked for.
            (None, Some(cause)) => Health::impaired(format!("writes fail ({cause}); reads are served")),
            (Some(reads), Some(writes)) => {
                Health::impaired(format!("writes fail ({writes}), and some reads do ({reads})"))
            }
        }
    }
}

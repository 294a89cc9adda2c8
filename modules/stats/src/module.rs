use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};

use crate::Stats;

/// Offers [`Stats`] to the other modules.
pub struct StatsModule;

#[async_trait]
impl Module for StatsModule {
    fn name(&self) -> &'static str {
        "stats"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        services.provide(Stats::new()?)?;
        Ok(())
    }

    async fn health(&self) -> Health {
        Health::healthy("counting")
    }
}

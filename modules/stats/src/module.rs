use hotshelf_lifecycle::{Health, Module, async_trait};

use crate::Stats;

#[async_trait]
impl Module for Stats {
    async fn health(&self) -> Health {
        Health::healthy("counting")
    }
}

use hotshelf_lifecycle::{Health, Module, async_trait};

use crate::Registry;

#[async_trait]
impl Module for Registry {
    async fn health(&self) -> Health {
        Health::healthy("counting")
    }
}

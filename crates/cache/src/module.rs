use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, async_trait};

use crate::cache::Cache;

#[async_trait]
impl<E: Clone + Send + Sync + 'static> Module for Cache<E> {
    async fn start(&self) -> Result<(), Failure> {
        Cache::start(self).await
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if Cache::stop(self, timeout).await { Ok(()) } else { Err("loads were still under way".into()) }
    }

    async fn health(&self) -> Health {
        Cache::health(self)
    }
}

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};
use hotshelf_stats::Stats;

use crate::cache::Cache;
use crate::epoch::EpochStore;
use crate::options::CacheOptions;

/// How the cache gets at the epoch, which is kept by a module that it does not know.
type EpochSource = Box<dyn Fn(&Services) -> Result<Arc<dyn EpochStore>, Failure> + Send + Sync>;

/// The life of a [`Cache`], which it offers to the other modules.
pub struct CacheModule<E> {
    options: CacheOptions,
    epoch_source: EpochSource,
    cache: OnceLock<Cache<E>>,
}

impl<E> CacheModule<E> {
    /// Connects to nothing yet. `epoch_source` takes the epoch's keeper from the registry.
    pub fn new(
        options: CacheOptions,
        epoch_source: impl Fn(&Services) -> Result<Arc<dyn EpochStore>, Failure> + Send + Sync + 'static,
    ) -> Self {
        CacheModule { options, epoch_source: Box::new(epoch_source), cache: OnceLock::new() }
    }
}

#[async_trait]
impl<E: Clone + Send + Sync + 'static> Module for CacheModule<E> {
    fn name(&self) -> &'static str {
        "cache"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let stats = services.require::<Stats>("stats")?;
        let cache = Cache::<E>::new(self.options.clone(), (self.epoch_source)(services)?, &stats)?;
        services.provide(cache.clone())?;
        let _ = self.cache.set(cache);
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        match self.cache.get() {
            Some(cache) => cache.start().await,
            None => Err("started before it was initialized".into()),
        }
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        match self.cache.get() {
            Some(cache) if !cache.stop(patience).await => Err("loads were still under way".into()),
            _ => Ok(()),
        }
    }

    async fn health(&self) -> Health {
        self.cache.get().map_or_else(|| Health::unhealthy("not initialized"), Cache::health)
    }
}

//! For running the cache engine as a module of the service: its start and stop, its health, its statistics and its
//! metrics. May depend on `cache`, `stats` and `lifecycle`.

mod metrics;
mod statistics;

use std::time::Duration;

use hotshelf_cache::{Cache, Condition};
use hotshelf_lifecycle::{Failure, Health, Module, async_trait};
use hotshelf_stats::{MetricsError, Registry};

pub use statistics::{AuditSnapshot, CacheSnapshot, CacheStatistics, L1Snapshot, L2Snapshot, StatsSnapshot};

/// Starts and stops a [`Cache`].
pub struct CacheModule<E> {
    cache: Cache<E>,
    statistics: CacheStatistics,
}

impl<E: Clone + Send + Sync + 'static> CacheModule<E> {
    /// Of this cache, whose metrics it registers.
    ///
    /// # Errors
    /// When those of another cache are registered.
    pub fn new(cache: Cache<E>, registry: &Registry) -> Result<Self, MetricsError> {
        let statistics = CacheStatistics::new(cache.statistics());
        registry.collector(metrics::CacheCollector(cache.statistics()))?;
        Ok(CacheModule { cache, statistics })
    }

    /// The handle.
    pub fn cache(&self) -> &Cache<E> {
        &self.cache
    }

    /// The statistics of the API.
    pub fn statistics(&self) -> &CacheStatistics {
        &self.statistics
    }
}

#[async_trait]
impl<E: Clone + Send + Sync + 'static> Module for CacheModule<E> {
    async fn start(&self) -> Result<(), Failure> {
        self.cache.start().await
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if self.cache.stop(timeout).await { Ok(()) } else { Err("writes or loads were still under way".into()) }
    }

    async fn health(&self) -> Health {
        let condition = self.cache.condition();
        let message = condition.to_string();
        match condition {
            Condition::Off | Condition::InMemory | Condition::RedisUp => Health::healthy(message),
            Condition::Disconnected { .. }
            | Condition::OtherSeal
            | Condition::NotConnectedYet
            | Condition::RedisDown { .. } => Health::degraded(message),
            Condition::ServiceEnded { .. } | Condition::TaskDied { .. } => Health::unhealthy(message),
        }
    }
}

//! For running the cache engine as a module of the service: its life, and the sentence about it in the health report.
//! May depend on `cache` and `lifecycle`.

use std::time::Duration;

use hotshelf_cache::{Cache, Condition};
use hotshelf_lifecycle::{Failure, Health, Module, async_trait};

/// The life of a [`Cache`].
pub struct CacheModule<E>(Cache<E>);

impl<E> CacheModule<E> {
    /// Of this cache.
    pub fn new(cache: Cache<E>) -> Self {
        CacheModule(cache)
    }

    /// The handle.
    pub fn cache(&self) -> &Cache<E> {
        &self.0
    }
}

#[async_trait]
impl<E: Clone + Send + Sync + 'static> Module for CacheModule<E> {
    async fn start(&self) -> Result<(), Failure> {
        self.0.start().await
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if self.0.stop(timeout).await { Ok(()) } else { Err("writes or loads were still under way".into()) }
    }

    async fn health(&self) -> Health {
        health(self.0.condition())
    }
}

/// In words for operators.
fn health(condition: Condition) -> Health {
    match condition {
        Condition::Off => Health::healthy("off"),
        Condition::InMemory => Health::healthy("in memory"),
        Condition::RedisUp => Health::healthy("Redis is up"),
        Condition::Disconnected { reason } => Health::degraded(format!(
            "Redis is up, but the writes of other instances are not heard ({reason}); memory serves nothing"
        )),
        Condition::NotConnectedYet => Health::degraded("not connected yet"),
        Condition::RedisDown { reason } => Health::degraded(format!("Redis is down ({reason}); serving without it")),
        Condition::ServiceEnded { reason } => Health::unhealthy(reason),
        Condition::TaskDied { task } => Health::unhealthy(format!("task `{task}` has died; restart the service")),
    }
}

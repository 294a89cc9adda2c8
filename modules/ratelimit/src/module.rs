use std::sync::OnceLock;
use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};
use hotshelf_stats::Stats;

use crate::limiter::RateLimiter;
use crate::options::RateLimitOptions;

/// The life of a [`RateLimiter`], which it offers to the other modules.
pub struct RateLimitModule {
    options: RateLimitOptions,
    limiter: OnceLock<RateLimiter>,
}

impl RateLimitModule {
    /// Connects to nothing yet.
    pub fn new(options: RateLimitOptions) -> Self {
        RateLimitModule { options, limiter: OnceLock::new() }
    }
}

#[async_trait]
impl Module for RateLimitModule {
    fn name(&self) -> &'static str {
        "ratelimit"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let limiter = RateLimiter::new(self.options.clone(), &services.require::<Stats>("stats")?);
        services.provide(limiter.clone())?;
        let _ = self.limiter.set(limiter);
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        self.limiter.get().ok_or("started before it was initialized")?.start();
        Ok(())
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        match self.limiter.get() {
            Some(limiter) if !limiter.stop(patience).await => Err("a step in Redis was still under way".into()),
            _ => Ok(()),
        }
    }

    async fn health(&self) -> Health {
        self.limiter.get().map_or_else(|| Health::unhealthy("not initialized"), RateLimiter::health)
    }
}

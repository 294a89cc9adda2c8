use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, async_trait};

use crate::limiter::RateLimiter;

#[async_trait]
impl Module for RateLimiter {
    async fn start(&self) -> Result<(), Failure> {
        RateLimiter::start(self);
        Ok(())
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if RateLimiter::stop(self, timeout).await { Ok(()) } else { Err("a step in Redis was still under way".into()) }
    }

    async fn health(&self) -> Health {
        RateLimiter::health(self)
    }
}

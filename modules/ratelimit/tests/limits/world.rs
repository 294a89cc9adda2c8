//! The words of the stories: limiters that count in one Redis, and callers of them.

use std::time::Duration;

use futures_util::future::join_all;
use hotshelf_lifecycle::{Health, Module, Status};
use hotshelf_ratelimit::{Decision, Limit, OnLoss, RateLimitOptions, RateLimiter, Scope, Subject};
use hotshelf_redis_client::{RedisOptions, Servers};
use hotshelf_stats::Registry;
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};

/// One process.
pub(crate) struct Instance {
    pub(crate) limiter: RateLimiter,
    pub(crate) registry: Registry,
}

impl Instance {
    pub(crate) async fn on(redis: &RedisServer) -> Self {
        Instance::that(redis, OnLoss::Local).await
    }

    /// Which does that while Redis is away.
    pub(crate) async fn that(redis: &RedisServer, on_loss: OnLoss) -> Self {
        Instance::with(Some(patient(Servers::One(redis.address().parse().unwrap()))), on_loss).await
    }

    pub(crate) async fn with(redis: Option<RedisOptions>, on_loss: OnLoss) -> Self {
        let registry = Registry::new().unwrap();
        let limiter =
            RateLimiter::new(RateLimitOptions { redis, prefix: "p:".to_owned(), on_loss }, &registry).unwrap();
        limiter.start().await.unwrap();
        Instance { limiter, registry }
    }

    /// So many requests in an hour.
    pub(crate) fn hourly(&self, requests: u32) -> Scope {
        self.limiter.scope("hourly", Limit::new(requests, Duration::from_secs(3_600)).unwrap())
    }

    pub(crate) async fn health(&self) -> Health {
        self.limiter.health().await
    }

    pub(crate) async fn healthy(&self) {
        wait_until("limits are counted in Redis", PATIENCE, async || self.health().await.status == Status::Healthy)
            .await;
    }

    pub(crate) async fn degraded(&self) {
        wait_until("the loss is told", PATIENCE, async || self.health().await.status == Status::Degraded).await;
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = self.registry.page().unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().unwrap()
    }
}

/// On a machine that runs other tests beside this one.
pub(crate) fn patient(servers: Servers) -> RedisOptions {
    let timeout = Duration::from_millis(900);
    RedisOptions { command_timeout: timeout, connect_timeout: PATIENCE, ..RedisOptions::new(servers) }
}

pub(crate) fn somebody() -> Subject {
    Subject::new("somebody")
}

/// Asks for so many permits at the same time; how many were granted.
pub(crate) async fn allowed_of(scope: &Scope, wanted: usize) -> usize {
    decisions(scope, wanted).await.into_iter().filter(is_allowed).count()
}

/// In the order in which they were asked for.
pub(crate) async fn decisions(scope: &Scope, wanted: usize) -> Vec<Decision> {
    let somebody = somebody();
    join_all((0..wanted).map(|_| scope.decide(&somebody))).await
}

pub(crate) fn is_allowed(decision: &Decision) -> bool {
    matches!(decision, Decision::Allowed(_))
}

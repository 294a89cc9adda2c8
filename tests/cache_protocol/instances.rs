//! One instance of the service with its Redis, or two on the same database and the same Redis.

use std::path::Path;

use hotshelf_testkit::catalogue::{create_named, lookup, wait_for_redis};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Reply, Service, ServiceBuilder, wait_until};
use tempfile::TempDir;

use crate::hotshelf;

/// Far more than Redis needs, so that a busy machine causes no outage.
pub(crate) const PATIENT: (&str, &str) = ("REDIS_COMMAND_TIMEOUT", "1s");

pub(crate) type Settings<'a> = &'a [(&'a str, &'a str)];

/// Two instances, both up and subscribed to each other's pushes.
pub(crate) struct Pair {
    pub(crate) first: Service,
    pub(crate) second: Service,
    pub(crate) redis: RedisServer,
    directory: TempDir,
}

impl Pair {
    pub(crate) async fn start(settings: Settings<'_>) -> Self {
        let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let (first, second) = tokio::join!(
            sharing(directory.path(), settings).redis(&redis).start(),
            sharing(directory.path(), settings).redis(&redis).start()
        );
        let pair = Pair { first, second, redis, directory };
        pair.wait_until_both_hear().await;
        pair
    }

    async fn wait_until_both_hear(&self) {
        for instance in [&self.first, &self.second] {
            wait_for_redis(instance, "up").await;
        }
        // Not before: without Redis, the write would advance the epoch, and the other instance would notice a little
        // later.
        let probe = create_named(&self.first, "Probe").await;
        for instance in [&self.first, &self.second] {
            let from_memory = async || cache_status(&lookup(instance, &probe).await).ends_with("; detail=l1");
            wait_until("memory serves", PATIENCE, from_memory).await;
        }
    }

    /// A builder for a further instance.
    pub(crate) fn another(&self, settings: Settings<'_>) -> ServiceBuilder {
        sharing(self.directory.path(), settings).redis(&self.redis)
    }

    pub(crate) fn both(&self) -> [&Client; 2] {
        [&self.first, &self.second]
    }
}

fn sharing(directory: &Path, settings: Settings<'_>) -> ServiceBuilder {
    with(hotshelf().shared_db(&directory.join("products.db")), settings)
}

/// An instance with these settings, and long timeouts unless they set others.
pub(crate) fn with(service: ServiceBuilder, settings: Settings<'_>) -> ServiceBuilder {
    [PATIENT].iter().chain(settings).fold(service, |service, (name, value)| service.env(name, value))
}

/// One instance with that backend. Returns when it uses its Redis, if it has one.
pub(crate) async fn alone(backend: &str, redis: &RedisServer, settings: Settings<'_>) -> Service {
    let service = with(hotshelf().backend(backend).redis(redis), settings).start().await;
    if matches!(backend, "redis" | "tiered") {
        wait_for_redis(&service, "up").await;
    }
    service
}

/// The number of loads of products by all of these.
pub(crate) async fn loads(instances: &[&Client]) -> f64 {
    let mut loads = 0.0;
    for instance in instances {
        loads += instance.metrics().await.value("cache_loads_total", &[("type", "product")]);
    }
    loads
}

#[track_caller]
pub(crate) fn cache_status(reply: &Reply) -> &str {
    reply.header("cache-status")
}

/// The name of a product's entry in Redis.
pub(crate) fn entry(product: &serde_json::Value) -> String {
    format!("product:id:{}", product["id"])
}

/// The state of the entry: `V` value, `L` lease, `W` awaited lease, `F` fence, a blank if it is absent.
pub(crate) fn state(redis: &RedisServer, entry: &str) -> char {
    redis.get(entry).and_then(|held| held.chars().next()).unwrap_or(' ')
}

/// Checks that finished operations have left no lease and no fence, long before these would expire.
pub(crate) async fn assert_nothing_is_left(redis: &RedisServer) {
    let left = || redis.keys("product:id:*").into_iter().filter(|key| "LWF".contains(state(redis, key)));
    let none = async || left().next().is_none();
    wait_until("no lease and no fence is left", std::time::Duration::from_secs(2), none).await;
}

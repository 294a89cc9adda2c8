//! The service under measurement: its start, and its statistics.

use std::ops::Add;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotshelf_testkit::{Client, RedisServer, Service, ServiceBuilder};

use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::load::Workload;
use crate::rounds::Reads;

/// Built with the profile of the benchmark, which is that of releases.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hotshelf");

/// The time within which the service must use Redis and have cached the hot products.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// A builder for that build of the service on the products of that catalogue.
pub(crate) fn on(build: &Path, catalogue: &Catalogue) -> ServiceBuilder {
    Service::builder(build).database(&catalogue.database())
}

/// The service with its Redis and database, ready to be measured.
pub(crate) struct Running {
    // Dropped before the things that it uses.
    pub(crate) service: Service,
    /// The client for the statistics.
    pub(crate) observer: Client,
    pub(crate) workload: Arc<Workload>,
    /// What every read of the workload must be.
    pub(crate) reads: Option<Reads>,
    pub(crate) redis: Option<RedisServer>,
    pub(crate) catalogue: Catalogue,
}

/// Returns when the service uses its Redis. Before that, it answers requests but stores nothing in Redis.
pub(crate) async fn wait_for_redis(observer: &Client) -> Result<(), Failure> {
    let begin = Instant::now();
    loop {
        let stats = observer.get("/api/v1/cache/stats").await.expect(200).json();
        if stats["cache_stats"]["l2"]["state"] == "up" {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("the service does not take its Redis in: {stats}").into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The bodies of the products 1 to `last` as a cache answers them, in this order. Each was a hit.
pub(crate) async fn cached_bodies(client: &Client, last: usize) -> Result<Vec<String>, Failure> {
    let begin = Instant::now();
    let mut bodies = Vec::new();
    for id in 1..=last {
        let path = format!("/api/v1/products/{id}");
        loop {
            let reply = client.get(&path).await.expect(200);
            if reply.header("cache-status").contains("; hit") {
                bodies.push(reply.text().to_owned());
                break;
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("product {id} does not come to be cached: {}", reply.header("cache-status")).into());
            }
        }
    }
    Ok(bodies)
}

/// The lookups that the service has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lookups {
    hits: u64,
    misses: u64,
}

impl Add for Lookups {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Lookups { hits: self.hits + other.hits, misses: self.misses + other.misses }
    }
}

impl Lookups {
    pub(crate) async fn of(client: &Client) -> Result<Self, Failure> {
        let stats = client.get("/api/v1/cache/stats").await.expect(200).json();
        let count = |name: &str| stats["cache_stats"][name].as_u64().ok_or("the statistics have changed their shape");
        Ok(Lookups { hits: count("hits")?, misses: count("misses")? })
    }

    /// The lookups since `before` other than `answered` reads of that kind, if any.
    pub(crate) fn are_not_all(self, reads: Reads, before: Lookups, answered: usize) -> Option<String> {
        let (hits, misses) = (self.hits - before.hits, self.misses - before.misses);
        let expected = match reads {
            Reads::Hits => (answered as u64, 0),
            Reads::Misses => (0, answered as u64),
        };
        let what = || format!("all {answered} reads were to be {reads:?}, but there were {hits} hits, {misses} misses");
        (expected != (hits, misses)).then(what)
    }
}

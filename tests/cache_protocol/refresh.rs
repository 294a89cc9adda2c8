//! An entry with many lookups is loaded again before it expires.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotshelf_testkit::catalogue::{create, laptop, path, read};
use hotshelf_testkit::{RedisServer, wait_until};

use crate::instances::{alone, cache_status, loads};
use crate::readers::Busy;

const EXPIRIES: f64 = 8.0;
const CLIENTS: usize = 3;
/// Half of the period in which an entry with a TTL of two seconds is loaded again.
const STANDSTILL: Duration = Duration::from_millis(200);

/// Whether requests were answered all the time. An entry is loaded again by a lookup in the last fifth of its TTL. On a
/// busy machine, there may be no lookup in that time.
#[derive(Default)]
struct Pulse(Mutex<Beats>);

#[derive(Default)]
struct Beats {
    last: Option<Instant>,
    stood_still: Option<Instant>,
}

impl Pulse {
    /// Notes an answer. Returns whether there was a long pause within the last TTL of the entry.
    fn beat(&self) -> bool {
        let (mut beats, now) = (self.0.lock().unwrap(), Instant::now());
        if beats.last.is_some_and(|last| now - last > STANDSTILL) {
            beats.stood_still = Some(now);
        }
        beats.last = Some(now);
        beats.stood_still.is_some_and(|since| now - since < Duration::from_secs(2))
    }
}

/// At full load over eight TTLs of its entry, no request for the product waits for the database.
async fn a_hot_product_never_misses(backend: &str) {
    let redis = RedisServer::start();
    let service = alone(backend, &redis, &[("CACHE_TTL", "2s"), ("AUDIT_RATE", "0")]).await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let (mut clients, pulse) = (Busy::new(), Arc::new(Pulse::default()));
    for _ in 0..CLIENTS {
        let (client, path, pulse) = (service.client().clone(), path(&product), Arc::clone(&pulse));
        clients.client(move |_| {
            let (request, pulse) = (client.get(&path), Arc::clone(&pulse));
            async move {
                let reply = request.await.expect(200);
                let stood_still = pulse.beat();
                let hit = cache_status(&reply).starts_with("hotshelf; hit; ttl=");
                assert!(hit || stood_still, "{reply:?}");
            }
        });
    }
    let labels = [("type", "product")];
    let refreshes = async || service.metrics().await.value("cache_refreshes_total", &labels);
    let enough = async || clients.has_ended() || refreshes().await >= EXPIRIES;
    wait_until("it has been loaded again often enough", Duration::from_secs(60), enough).await;
    assert!(clients.stop().await > 1_000, "that was no load");
    let metrics = service.metrics().await;
    let (misses, refreshes) = (metrics.value("cache_misses_total", &labels), refreshes().await);
    let loads = loads(&[&service]).await;
    assert!(loads <= refreshes + misses, "{loads} loads, but {refreshes} refreshes and {misses} misses");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_product_never_misses_with_the_memory_backend() {
    a_hot_product_never_misses("memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_product_never_misses_with_the_redis_backend() {
    a_hot_product_never_misses("redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_product_never_misses_with_both_tiers() {
    a_hot_product_never_misses("tiered").await;
}

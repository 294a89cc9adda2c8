//! An unknown id is loaded once, and the product shows as soon as it is created.

use std::time::Duration;

use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop};
use hotshelf_testkit::{Client, RedisServer};
use tokio::time::{Instant, sleep_until};

use crate::instances::{Pair, alone, loads};
use crate::readers::storm;

const REQUESTS: usize = 500;
/// The time by which memory may lag behind another instance.
const LEASE: Duration = Duration::from_secs(1);

/// All requests get 404.
async fn flood(instances: &[&Client], path: &str) {
    let mut storm = storm(instances, path, REQUESTS);
    while let Some(reply) = storm.join_next().await {
        reply.unwrap().unwrap().expect(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_id_is_loaded_once_and_a_create_shows_at_once() {
    let redis = RedisServer::start();
    for backend in ["memory", "redis", "tiered"] {
        redis.restart();
        let service = alone(backend, &redis, &[("CACHE_NEGATIVE_TTL", "5m")]).await;
        create(&service, &laptop()).await;
        for id in 2..=4 {
            let (unknown, before) = (format!("{PRODUCTS}/{id}"), loads(&[&service]).await);
            flood(&[&service], &unknown).await;
            flood(&[&service], &unknown).await;
            assert_eq!(loads(&[&service]).await - before, 1.0, "{backend}, {unknown}");
            let product = create(&service, &laptop()).await;
            assert_eq!(product["id"], id);
            assert_eq!(service.get(&unknown).await.expect(200).json()["product"], product);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_id_is_loaded_a_few_times_by_two_instances() {
    let pair = Pair::start(&[("CACHE_NEGATIVE_TTL", "5m")]).await;
    // The probe was the first product.
    for id in 2..=4 {
        let (unknown, before) = (format!("{PRODUCTS}/{id}"), loads(&pair.both()).await);
        flood(&pair.both(), &unknown).await;
        // The loading instance may not have read the generation that the other one has set. Then its entry is invalid,
        // and without a lease neither waits for the other. So there are a few loads, for any number of requests.
        let loaded = loads(&pair.both()).await - before;
        assert!(loaded <= 8.0, "{unknown}: {loaded} loads");
        let product = create(&pair.first, &laptop()).await;
        let acknowledged = Instant::now();
        assert_eq!(product["id"], id);
        pair.first.get(&unknown).await.expect(200);
        pair.second.get(&unknown).header("cache-control", "no-cache").await.expect(200);
        pair.second.get(&unknown).header("x-min-version", "1").await.expect(200);
        sleep_until(acknowledged + LEASE).await;
        pair.second.get(&unknown).await.expect(200);
    }
}

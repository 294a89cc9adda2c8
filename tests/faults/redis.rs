//! Redis as the second tier: the service uses it when it is available, and answers all requests when it is not.

use std::time::Duration;

use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};
use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, lookup, read, statistics, update, wait_for_redis};
use hotshelf_testkit::{BackgroundLoad, Outcome};

/// A request waits for the timeout of a Redis command (100 ms) at most twice before the service stops using Redis; the
/// rest is for a busy machine. A request that waited for Redis without that would last until the deadline of requests,
/// 10 s, or fail.
const BOUND: Duration = Duration::from_secs(2);

#[track_caller]
fn assert_unharmed(outcome: &Outcome) {
    assert_eq!(outcome.failures, Vec::<String>::new(), "failed of {} requests", outcome.requests);
    assert!(outcome.slowest < BOUND, "one of {} requests took {:?}", outcome.requests, outcome.slowest);
}

async fn health(client: &Client) -> String {
    client.get("/health").await.expect(200).json()["status"].as_str().unwrap().to_owned()
}

async fn start_with(redis: &RedisServer) -> Service {
    let service = hotshelf().redis(redis).start().await;
    wait_for_redis(&service, "up").await;
    service
}

#[tokio::test]
async fn without_redis_it_starts_degraded_and_serves_from_memory() {
    let service = hotshelf().without_redis().start().await;
    assert_eq!(health(&service).await, "degraded");
    assert_eq!(statistics(&service).await["l2"]["state"], "down");
    assert_eq!(service.metrics().await.value("cache_l2_up", &[]), 0.0);
    let product = create(&service, &laptop()).await;
    for from_cache in [false, true] {
        assert_eq!(lookup(&service, &product).await.json()["from_cache"], from_cache);
    }
    let product = update(&service, &product, &json!({"stock": 1})).await;
    assert_eq!(read(&service, &product).await, product);
}

/// Without Redis, a write advances the epoch. If that fails, the write is not acknowledged.
#[tokio::test]
async fn a_write_that_cannot_advance_the_epoch_is_not_acknowledged() {
    let service = hotshelf().without_redis().start().await;
    let product = create(&service, &laptop()).await;
    ExternalWriter::on_database_of(&service).run("UPDATE copy_epoch SET epoch = -7");
    let path = format!("{PRODUCTS}/{}", product["id"]);
    service.put(&path).json(&json!({"stock": 1})).await.expect(503);
    ExternalWriter::on_database_of(&service).run("UPDATE copy_epoch SET epoch = 7");
    service.put(&path).json(&json!({"stock": 2})).await.expect(200);
    assert_eq!(read(&service, &product).await["stock"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_used_as_soon_as_it_is_available() {
    let redis = RedisServer::not_started();
    let service = hotshelf().redis(&redis).start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    assert_eq!(health(&service).await, "degraded");

    redis.restart();
    wait_for_redis(&service, "up").await;
    assert_eq!(health(&service).await, "healthy");
    assert_eq!(service.metrics().await.value("cache_l2_up", &[]), 1.0);
    let product = update(&service, &product, &json!({"stock": 1})).await;
    assert_eq!(read(&service, &product).await, product);
    wait_until("the product is in Redis", PATIENCE, async || redis.keys("product:id:*") == ["product:id:1"]).await;
}

#[tokio::test]
async fn entries_have_the_documented_keys_and_a_ttl() {
    let redis = RedisServer::start();
    let service = start_with(&redis).await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    service.get(PRODUCTS).await.expect(200);
    for key in ["product:id:1", "product:list:0:20"] {
        wait_until(&format!("{key} is in Redis"), PATIENCE, async || redis.keys(key) == [key]).await;
        assert!(redis.command(&["TTL", key]).integer() > 0, "{key} has no TTL");
    }
}

#[tokio::test]
async fn every_key_begins_with_the_configured_prefix() {
    let redis = RedisServer::start();
    let service = hotshelf().redis(&redis).env("CACHE_PREFIX", "shop:").start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    service.get(PRODUCTS).await.expect(200);
    wait_until("the product is in Redis", PATIENCE, async || redis.keys("shop:*id:1").len() == 1).await;
    assert_eq!(redis.keys("*"), redis.keys("shop:*"));
}

#[tokio::test]
async fn with_the_redis_backend_a_hit_comes_from_redis() {
    let redis = RedisServer::start();
    let service = hotshelf().backend("redis").redis(&redis).start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    assert_eq!(lookup(&service, &product).await.header("cache-status"), "hotshelf; fwd=miss; stored");
    let hit = lookup(&service, &product).await;
    assert_eq!(hit.json()["from_cache"], true);
    let status = hit.header("cache-status");
    assert!(status.starts_with("hotshelf; hit; ttl=") && status.ends_with("; detail=l2"), "{status}");

    let stats = statistics(&service).await;
    assert_eq!((&stats["hits"], &stats["misses"]), (&json!(1), &json!(1)));
    assert_eq!((&stats["l2"]["hits"], &stats["l2"]["misses"]), (&json!(1), &json!(1)));
    assert_eq!((&stats["l1"]["hits"], &stats["l1"]["entries"]), (&json!(0), &json!(0)));
    let metrics = service.metrics().await;
    assert_eq!(metrics.value("cache_hits_total", &[("type", "product"), ("tier", "l2")]), 1.0);
}

#[tokio::test]
async fn a_lookup_that_misses_in_memory_asks_redis() {
    let redis = RedisServer::start();
    let service = start_with(&redis).await;
    let product = create(&service, &laptop()).await;
    for _ in 0..3 {
        read(&service, &product).await;
    }
    let stats = statistics(&service).await;
    assert_eq!((&stats["hits"], &stats["misses"]), (&json!(2), &json!(1)));
    assert_eq!((&stats["l1"]["hits"], &stats["l1"]["misses"]), (&json!(2), &json!(1)));
    assert_eq!((&stats["l2"]["hits"], &stats["l2"]["misses"]), (&json!(0), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_fails_no_request() {
    let redis = RedisServer::start();
    for backend in ["tiered", "redis"] {
        redis.restart();
        let service = hotshelf().backend(backend).redis(&redis).start().await;
        wait_for_redis(&service, "up").await;
        let load = BackgroundLoad::start(&service).await;
        load.more(300).await;
        redis.stop();
        load.more(300).await;
        wait_for_redis(&service, "down").await;
        assert_eq!(health(&service).await, "degraded");
        redis.restart();
        wait_for_redis(&service, "up").await;
        load.more(300).await;
        assert_unharmed(&load.stop().await);
        wait_until("limits are counted there, too", PATIENCE, async || health(&service).await == "healthy").await;
        let product = create(&service, &laptop()).await;
        read(&service, &product).await;
        let key = format!("product:id:{}", product["id"]);
        wait_until("Redis is used again", PATIENCE, async || redis.keys(&key).len() == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_redis_delays_no_request() {
    let redis = RedisServer::start();
    for backend in ["tiered", "redis"] {
        redis.restart();
        let service = hotshelf().backend(backend).redis(&redis).start().await;
        wait_for_redis(&service, "up").await;
        let load = BackgroundLoad::start(&service).await;
        load.more(300).await;
        redis.pause();
        wait_for_redis(&service, "down").await;
        load.more(300).await;
        redis.resume();
        wait_for_redis(&service, "up").await;
        load.more(300).await;
        assert_unharmed(&load.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_fails_no_request() {
    let redis = RedisServer::start();
    let service = start_with(&redis).await;
    let load = BackgroundLoad::start(&service).await;
    for _ in 0..5 {
        load.more(60).await;
        redis.command(&["FLUSHALL"]);
    }
    load.more(60).await;
    assert_unharmed(&load.stop().await);
}

/// The generations of a list are set before it is loaded, and only the load finds that the organization does not exist.
#[tokio::test]
async fn lists_of_unknown_organizations_leave_only_keys_with_a_ttl() {
    let redis = RedisServer::start();
    let service = start_with(&redis).await;
    for organization in 1_000..1_050 {
        let list = format!("organization_id={organization}&category=a&min_price=1&in_stock=true&search=x&order=price");
        service.get(&format!("{PRODUCTS}?{list}")).await.expect(404);
        service.get(&format!("/api/v1/organizations/{organization}/products")).await.expect(404);
        service.get(&format!("/api/v1/organizations/{organization}/product-ids")).await.expect(404);
        service.get(&format!("{PRODUCTS}/{organization}")).await.expect(404);
    }
    let mut endless = redis.keys("*");
    assert!(endless.len() > 50, "the lists have set generations: {endless:?}");
    endless.retain(|key| redis.command(&["PTTL", key]).integer() == -1);
    assert_eq!(endless, ["product:epoch"]);
}

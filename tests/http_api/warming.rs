//! Warming: after a start, and on request, the most popular entries are cached.

use std::process::{Command, Output};

use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create_many, statistics, wait_for_redis};

const WARM: &str = "/api/v1/cache/warm";
/// One read in 16 is counted, so some of these are.
const OFTEN: usize = 400;
/// More products than are on the first pages.
const PRODUCTS_IN_ALL: i64 = 25;
/// A product that is on no first page.
const FAVOURITE: &str = "/api/v1/products/24";
const NEGLECTED: &str = "/api/v1/products/25";

async fn create_products(client: &Client) {
    let product = |number: i64| json!({"name": number.to_string(), "price": 1});
    create_many(client, &(1..=PRODUCTS_IN_ALL).map(product).collect::<Vec<Value>>()).await;
}

async fn read_the_favourite(client: &Client) {
    for _ in 0..OFTEN {
        client.get(FAVOURITE).await.expect(200);
    }
}

async fn message(client: &Client) -> String {
    client.get("/health").await.json()["modules"]["warm"]["message"].as_str().unwrap().to_owned()
}

async fn wait_for_message(client: &Client, part: &str) {
    wait_until(&format!("the warming says {part:?}"), PATIENCE, async || message(client).await.contains(part)).await;
}

async fn warm(client: &Client) {
    client.post(WARM).await.expect(202);
    wait_for_message(client, "warmed").await;
}

async fn is_cached(client: &Client, path: &str) -> bool {
    client.get(path).await.expect(200).json()["from_cache"] == true
}

/// Runs `hotshelf warm` with the settings of that service.
fn warm_by_hand(service: &Service, redis: &RedisServer) -> Output {
    hotshelf().on_sqlite().database(&service.database()).redis(redis).command(&["warm"], "")
}

#[tokio::test]
async fn the_most_popular_product_is_cached_after_a_restart() {
    let mut service = hotshelf().backend("memory").env("WARM_INTERVAL", "1h").env("WARM_PRODUCTS", 1).start().await;
    create_products(&service).await;
    read_the_favourite(&service).await;
    service.terminate().await;
    service.restart().await;
    wait_for_message(&service, "warmed 3 entries").await;

    let stats = statistics(&service).await;
    assert_eq!(
        (&stats["hits"], &stats["misses"]),
        (&0.into(), &0.into()),
        "warming is not counted as a lookup: {stats}"
    );
    assert!(is_cached(&service, FAVOURITE).await);
    assert!(is_cached(&service, PRODUCTS).await, "the first page");
    assert!(is_cached(&service, "/api/v1/organizations/1/products").await, "the first page of the organization");
    assert!(!is_cached(&service, NEGLECTED).await);
}

#[tokio::test]
async fn without_reads_or_switched_off_it_does_nothing_at_the_start() {
    for (interval, reads) in [("1h", false), ("0s", true)] {
        let mut service = hotshelf().backend("memory").env("WARM_INTERVAL", interval).start().await;
        create_products(&service).await;
        if reads {
            read_the_favourite(&service).await;
        }
        service.terminate().await;
        service.restart().await;
        assert_eq!(message(&service).await, "nothing to warm yet");
        assert!(!is_cached(&service, FAVOURITE).await);
    }
}

#[tokio::test]
async fn warming_on_request_runs_once_at_a_time() {
    let service = hotshelf().backend("memory").env("WARM_RATE", 1).start().await;
    create_products(&service).await;
    let asked = async || service.post(WARM).await.expect(202).json()["message"].take();
    assert_eq!(asked().await, "Warming has begun");
    // At this rate, a run takes longer than any test.
    assert_eq!(asked().await, "Warming is under way already");
    wait_for_message(&service, "warming, 1 of 2 entries").await;
}

#[tokio::test]
async fn cached_entries_are_not_loaded_again() {
    let service = hotshelf().backend("memory").start().await;
    create_products(&service).await;
    read_the_favourite(&service).await;
    let loads = async || service.metrics().await.value("cache_loads_total", &[]);
    let loaded = async |outcome| service.metrics().await.value("warm_entries_total", &[("outcome", outcome)]);
    // Two pages are loaded; the product is cached already.
    warm(&service).await;
    assert_eq!((loaded("loaded").await, loaded("present").await), (2.0, 1.0));
    let before = loads().await;
    service.post(WARM).await.expect(202);
    wait_until("all three were found again", PATIENCE, async || loaded("present").await == 4.0).await;
    assert_eq!(loads().await, before);

    service.delete("/api/v1/cache").await.expect(200);
    service.post(WARM).await.expect(202);
    wait_until("all three were loaded", PATIENCE, async || loaded("loaded").await == 5.0).await;
    assert!(is_cached(&service, FAVOURITE).await);
}

#[tokio::test]
async fn without_a_database_it_fails_and_reports_that() {
    let service = hotshelf().backend("memory").start().await;
    create_products(&service).await;
    let mut outsider = hotshelf_testkit::ExternalWriter::on_database_of(&service);
    outsider.run("ALTER TABLE organizations RENAME TO mislaid");
    service.post(WARM).await.expect(202);
    wait_for_message(&service, "broke off").await;
    let health = service.get("/health").await.expect(200).json();
    assert_eq!(health["modules"]["warm"]["status"], "degraded", "{health}");
    outsider.run("ALTER TABLE mislaid RENAME TO organizations");
    warm(&service).await;
}

#[tokio::test]
async fn the_command_fills_redis() {
    let redis = RedisServer::start();
    let mut service = hotshelf().on_sqlite().redis(&redis).backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    create_products(&service).await;
    read_the_favourite(&service).await;

    let refused = warm_by_hand(&service, &redis);
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("curl -X POST http://") && complaint.contains("/api/v1/cache/warm"), "{complaint}");

    service.terminate().await;
    redis.command(&["FLUSHALL"]);
    let done = warm_by_hand(&service, &redis);
    let (said, complaint) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(said.starts_with("3 entries loaded, 0 were there"), "{said}{complaint}");

    service.restart().await;
    wait_for_redis(&service, "up").await;
    assert!(is_cached(&service, FAVOURITE).await);
    assert!(is_cached(&service, PRODUCTS).await);
}

#[tokio::test]
async fn the_command_fills_only_redis() {
    let directory = tempfile::tempdir().unwrap();
    let complaint = |backend: &str, redis: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotshelf"));
        command.arg("warm").env_clear().current_dir(directory.path()).env("CACHE_BACKEND", backend);
        let refused = command.env("REDIS_ADDR", redis).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        String::from_utf8(refused.stderr).unwrap()
    };
    assert!(complaint("memory", "127.0.0.1:1").contains("CACHE_BACKEND=memory"));
    let complaint = complaint("tiered", "127.0.0.1:1");
    assert!(complaint.contains("Redis cannot be warmed: Redis is down (connection refused)"), "{complaint}");
}

//! Instances that share the database and not the Redis: what one writes must reach the other by the database alone.

use hotshelf_testkit::catalogue::{create, create_named, laptop, lookup, update, wait_for_redis};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, wait_until};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep_until};

use crate::instances::{Pair, cache_status};

/// A beat, and what a busy machine takes for one.
const HEARD: Duration = Duration::from_secs(1);

async fn cached(reader: &Client, product: &Value) {
    let from_memory = async || cache_status(&lookup(reader, product).await).ends_with("; detail=l1");
    wait_until("memory serves it", PATIENCE, from_memory).await;
}

/// Each update by the writer is seen by the reader, which has the product in memory, once it had the time to hear of
/// it.
async fn updates_are_heard(writer: &Client, reader: &Client) {
    let product = create(writer, &laptop()).await;
    for stock in 1..=5 {
        cached(reader, &product).await;
        let written = update(writer, &product, &json!({"stock": stock})).await;
        sleep_until(Instant::now() + HEARD).await;
        assert_eq!(lookup(reader, &product).await.json()["product"], written);
        let page = reader.get("/api/v1/products").await.expect(200).json();
        assert!(page["products"].as_array().unwrap().contains(&written), "{page}");
    }
    let late = create_named(writer, "Late").await;
    sleep_until(Instant::now() + HEARD).await;
    let page = reader.get("/api/v1/products").await.expect(200).json();
    assert!(page["products"].as_array().unwrap().contains(&late), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_without_a_cache_tells_the_others_by_the_epoch() {
    let pair = Pair::start(&[]).await;
    let plain = pair.another(&[]).backend("none").start().await;
    let product = create(&plain, &laptop()).await;
    cached(&pair.first, &product).await;
    updates_are_heard(&plain, &pair.first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_has_moved_to_another_server_is_noticed() {
    let pair = Pair::start(&[]).await;
    let product = create(&pair.first, &laptop()).await;
    cached(&pair.first, &product).await;
    // The connections of the others stay in order; only this one is elsewhere.
    let other_redis = RedisServer::start();
    let moved = pair.another(&[]).redis(&other_redis).start().await;
    wait_for_redis(&moved, "up").await;
    updates_are_heard(&moved, &pair.first).await;
    updates_are_heard(&pair.second, &moved).await;
}

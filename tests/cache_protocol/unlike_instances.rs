//! Instances that share the database but not Redis: writes of one reach the other through the database alone.

use hotshelf_testkit::catalogue::{create, create_named, laptop, lookup, update, wait_for_redis};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, wait_until};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep_until};

use crate::instances::{Pair, cache_status};

/// A heartbeat, and its delay on a busy machine.
const HEARD: Duration = Duration::from_secs(1);

async fn cached(reader: &Client, product: &Value) {
    let from_memory = async || cache_status(&lookup(reader, product).await).ends_with("; detail=l1");
    wait_until("memory serves it", PATIENCE, from_memory).await;
}

/// The reader, which has the product in memory, sees each update of the writer after the next heartbeat.
async fn updates_reach_the_reader(writer: &Client, reader: &Client) {
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
async fn an_instance_without_a_cache_advances_the_epoch_for_the_others() {
    let pair = Pair::start(&[]).await;
    let plain = pair.another(&[]).backend("none").start().await;
    let product = create(&plain, &laptop()).await;
    cached(&pair.first, &product).await;
    updates_reach_the_reader(&plain, &pair.first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_on_another_server_is_noticed() {
    let pair = Pair::start(&[]).await;
    let product = create(&pair.first, &laptop()).await;
    cached(&pair.first, &product).await;
    // The connections of the other instance stay open; only this one uses another server.
    let other_redis = RedisServer::start();
    let moved = pair.another(&[]).redis(&other_redis).start().await;
    wait_for_redis(&moved, "up").await;
    updates_reach_the_reader(&moved, &pair.first).await;
    updates_reach_the_reader(&pair.second, &moved).await;
}

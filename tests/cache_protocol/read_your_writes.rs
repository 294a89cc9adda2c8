//! A client that sends the version that it saw last gets no older one, from any instance.

use hotshelf_testkit::catalogue::{create, delete, laptop, lookup, path, update, wait_for_redis};
use hotshelf_testkit::{Network, PATIENCE, Proxy, wait_until};
use serde_json::json;

use crate::instances::{Pair, cache_status};

const ROUNDS: i64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x_min_version_shows_each_write_at_once_on_the_other_instance() {
    let pair = Pair::start(&[]).await;
    let product = create(&pair.first, &laptop()).await;
    for round in 0..ROUNDS {
        let [writer, reader] = if round % 2 == 0 { pair.both() } else { [pair.both()[1], pair.both()[0]] };
        lookup(reader, &product).await;
        let written = update(writer, &product, &json!({"stock": round})).await;
        let request = reader.get(&path(&product)).header("x-min-version", &written["version"].to_string());
        assert_eq!(request.await.expect(200).json()["product"], written);
    }
    delete(&pair.first, &product).await;
    pair.second.get(&path(&product)).header("x-min-version", &(ROUNDS + 2).to_string()).await.expect(404);
}

/// Without a connection to Redis, memory may serve old values until its lease ends, but not to a client that requires a
/// newer version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_without_pushes_ignores_its_older_value() {
    let pair = Pair::start(&[]).await;
    let network = Proxy::start(pair.redis.address()).await;
    let deaf = pair.another(&[]).env("REDIS_ADDR", network.address()).start().await;
    wait_for_redis(&deaf, "up").await;
    let mut product = create(&pair.first, &laptop()).await;
    let mut older_was_served = false;
    for _ in 0..10 {
        let in_memory = async || cache_status(&lookup(&deaf, &product).await).ends_with("; detail=l1");
        wait_until("memory has it", PATIENCE, in_memory).await;
        network.set(Network::Silent);
        let newer = update(&pair.first, &product, &json!({"stock": 1})).await;
        older_was_served |= lookup(&deaf, &product).await.json()["product"] == product;
        let request = deaf.get(&path(&product)).header("x-min-version", &newer["version"].to_string());
        assert_eq!(request.await.expect(200).json()["product"], newer);
        network.set(Network::Whole);
        wait_for_redis(&deaf, "up").await;
        product = newer;
        if older_was_served {
            return;
        }
    }
    panic!("memory never had an older value to ignore");
}

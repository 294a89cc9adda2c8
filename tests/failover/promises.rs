//! Each Redis topology behaves like one server: hits from both tiers, pushes to another instance, lists, batches,
//! deletion by pattern.

use std::time::Duration;

use hotshelf_testkit::catalogue::{PRODUCTS, create, create_many, id, ids, laptop, lookup, read, update};
use hotshelf_testkit::{Client, wait_until};
use serde_json::{Value, json};

use crate::topology::{Pair, Topology, cache_status};

/// The time by which memory may lag behind another instance.
const LEASE: Duration = Duration::from_secs(1);
const BY_PRICE: &str = "/api/v1/organizations/1/products?order=-price&limit=1";

async fn hits_come_from_both_tiers(pair: &Pair) {
    let product = create(&pair.first, &laptop()).await;
    let looks = [(&pair.first, "fwd=miss; stored"), (&pair.first, "l1"), (&pair.second, "l2"), (&pair.second, "l1")];
    for (instance, expected) in looks {
        let reply = lookup(instance, &product).await;
        assert!(cache_status(&reply).ends_with(expected), "{} instead of {expected}", cache_status(&reply));
    }
}

async fn writes_reach_the_other_instance(pair: &Pair) {
    let mut product = create(&pair.first, &laptop()).await;
    for (number, writer, reader) in [(1, &pair.first, &pair.second), (2, &pair.second, &pair.first)] {
        read(reader, &product).await;
        product = update(writer, &product, &json!({"stock": number})).await;
        assert_eq!(read(writer, &product).await, product, "the writer's own process");
        let heard = async || read(reader, &product).await == product;
        wait_until("the other instance shows it", LEASE, heard).await;
    }
}

async fn lists_follow(pair: &Pair) {
    for (price, writer, reader) in [(5_000, &pair.first, &pair.second), (6_000, &pair.second, &pair.first)] {
        let look = async |client: &Client| ids(&client.get(BY_PRICE).await.expect(200).json());
        look(reader).await;
        let dearest = create(writer, &json!({"name": "Dear", "price": price})).await;
        assert_eq!(look(writer).await, [id(&dearest)], "the writer's own process");
        wait_until("the other instance lists it", LEASE, async || look(reader).await == [id(&dearest)]).await;
    }
}

async fn batches_are_hits(pair: &Pair) {
    let made = create_many(&pair.first, &vec![json!({"name": "One of many", "price": 1}); 60]).await;
    let list: Vec<_> = made.iter().map(i64::to_string).collect();
    let target = format!("{PRODUCTS}?ids={}", list.join(","));
    for (instance, expected) in [(&pair.first, "fwd=miss; stored"), (&pair.second, "l2"), (&pair.second, "l1")] {
        let reply = instance.get(&target).await.expect(200);
        assert_eq!(ids(&reply.json()), made);
        assert!(cache_status(&reply).ends_with(expected), "{} instead of {expected}", cache_status(&reply));
    }
}

/// Runs after all the others, so that every primary has entries.
async fn deletion_reaches_every_server(pair: &Pair) {
    let entries = pair.redis.keys("product:id:*");
    assert!(entries.iter().all(|count| *count > 0), "on each: {entries:?}");
    let reply: Value = pair.first.delete("/api/v1/cache?pattern=product:id:*").await.expect(200).json();
    let deleted = reply["deleted"].as_u64().unwrap();
    assert!(deleted >= entries.iter().sum::<usize>() as u64, "{deleted} of {entries:?}");
    assert_eq!(pair.redis.keys("product:id:*").iter().sum::<usize>(), 0);
    assert!(pair.redis.keys("product:{gen}:*").iter().sum::<usize>() > 0, "the protocol keeps what it needs");
}

async fn promises_hold(redis: Topology, settings: &[(&str, &str)]) {
    let pair = Pair::start(redis, &[&[("AUDIT_RATE", "0")], settings].concat()).await;
    hits_come_from_both_tiers(&pair).await;
    writes_reach_the_other_instance(&pair).await;
    lists_follow(&pair).await;
    batches_are_hits(&pair).await;
    deletion_reaches_every_server(&pair).await;
    for instance in [&pair.first, &pair.second] {
        let metrics = instance.metrics().await;
        let errors = metrics.samples("cache_errors_total", &[("tier", "l2")]);
        assert!(errors.iter().all(|sample| sample.value == 0.0), "{errors:?}\n{}", instance.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels() {
    promises_hold(Topology::sentinels(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster() {
    promises_hold(Topology::cluster(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_with_several_connections_to_each_node() {
    promises_hold(Topology::cluster(), &[("REDIS_POOL_SIZE", "3")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_several_connections() {
    promises_hold(Topology::one(), &[("REDIS_POOL_SIZE", "4")]).await;
}

//! Replication is asynchronous. A replica that becomes the master may still hold the values from before the last
//! writes. None of them is served.

use hotshelf_testkit::catalogue::{create, id, ids, laptop, read, update};
use hotshelf_testkit::{Client, PATIENCE, wait_until};
use serde_json::json;

use crate::topology::{Pair, Topology};

const BY_PRICE: &str = "/api/v1/organizations/1/products?order=-price&limit=1";

async fn dearest(client: &Client) -> Vec<i64> {
    ids(&client.get(BY_PRICE).await.expect(200).json())
}

/// Every server holds this entry, or is not responsible for its key.
async fn replicas_have(pair: &Pair, entry: &str) {
    let copies = async || pair.redis.copies(entry) >= 2;
    wait_until("a replica has the entry", PATIENCE, copies).await;
}

async fn values_without_replicated_writes_are_invalid(redis: Topology) {
    let pair = Pair::start(redis, &[("AUDIT_RATE", "0"), ("CACHE_WRITE_STRATEGY", "write_through")]).await;
    let product = create(&pair.first, &laptop()).await;
    let rival = create(&pair.first, &json!({"name": "Dear", "price": 5_000})).await;
    for instance in pair.both() {
        read(instance, &product).await;
        assert_eq!(dearest(instance).await, [id(&rival)]);
    }
    let entry = format!("product:id:{}", product["id"]);
    replicas_have(&pair, &entry).await;
    pair.redis.stop_replication();
    let product = update(&pair.first, &product, &json!({"price": 6_000})).await;
    assert_eq!(read(&pair.first, &product).await, product);
    let former = pair.redis.master_of(&entry);
    former.stop();
    wait_until("another one is the master", PATIENCE, async || pair.redis.is_whole_without(former)).await;
    let promoted = pair.redis.master_of(&entry);
    assert!(promoted.get(&entry).is_some_and(|held| held.contains("999.99")), "the promoted server has the old value");
    pair.are_up().await;
    for instance in pair.both() {
        assert_eq!(read(instance, &product).await, product);
        assert_eq!(dearest(instance).await, [id(&product)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_sentinels() {
    values_without_replicated_writes_are_invalid(Topology::sentinels()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster() {
    values_without_replicated_writes_are_invalid(Topology::cluster()).await;
}

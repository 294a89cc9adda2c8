//! The self-audit compares cached values with the database, and reports stale ones.

use std::time::Duration;

use hotshelf_testkit::catalogue::{create_named, lookup, path, read, statistics, update};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};
use serde_json::{Value, json};

use crate::instances::{Pair, alone, entry};
use crate::readers::Busy;

/// Within this time, the audit must remove an entry that was made stale by hand.
const SOON: Duration = Duration::from_secs(10);
const PRODUCT: (&str, &str) = ("type", "product");

async fn counted(client: &Client) -> (f64, f64) {
    let metrics = client.metrics().await;
    let value = |name| metrics.value(name, &[PRODUCT]);
    (value("cache_audit_checks_total"), value("cache_audit_stale_total"))
}

/// Puts the value of an older version back, which no write would do; returns the newer product.
async fn make_stale(service: &Service, redis: &RedisServer, product: &Value) -> Value {
    read(service, product).await;
    redis.command(&["COPY", &entry(product), "saved"]);
    let newer = update(service, product, &json!({"name": "New"})).await;
    redis.command(&["COPY", "saved", &entry(product), "REPLACE"]);
    newer
}

async fn assert_found_and_repaired(service: &Service, redis: &RedisServer, product: &Value, newer: &Value) {
    let found = async || counted(service).await.1 == 1.0;
    wait_until("the stale value is found", SOON, found).await;
    assert_eq!(read(service, product).await, *newer);
    assert_ne!(redis.get(&entry(product)), redis.get("saved"), "it is still there");
    let audit = statistics(service).await["audit"].take();
    assert_eq!(audit["stale"], 1, "{audit}");
    assert!(audit["consistency"].as_f64().unwrap() < 1.0, "{audit}");
    let told = service.log().lines().filter(|line| line.contains("ERROR") && line.contains("stale copy")).count();
    assert_eq!(told, 1, "{}", service.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_made_stale_by_hand_is_counted_and_removed() {
    let redis = RedisServer::start();
    let service = alone("redis", &redis, &[("AUDIT_RATE", "50")]).await;
    let product = create_named(&service, "Old").await;
    let newer = make_stale(&service, &redis, &product).await;
    assert_eq!(read(&service, &product).await, product, "a read serves the stale value");
    assert_found_and_repaired(&service, &redis, &product, &newer).await;
}

/// Without lookups, only the audit reads the entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_value_without_lookups_is_removed_too() {
    let redis = RedisServer::start();
    let service = alone("tiered", &redis, &[("AUDIT_RATE", "50")]).await;
    let product = create_named(&service, "Old").await;
    let newer = make_stale(&service, &redis, &product).await;
    assert_found_and_repaired(&service, &redis, &product, &newer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_is_on_by_default() {
    let service = crate::hotshelf().backend("memory").start().await;
    let product = create_named(&service, "Watched").await;
    read(&service, &product).await;
    wait_until("the entry is checked twice", PATIENCE, async || counted(&service).await.0 >= 2.0).await;
    let audit = statistics(&service).await["audit"].take();
    assert_eq!((&audit["stale"], audit["consistency"].as_f64()), (&json!(0), Some(1.0)), "{audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_service_without_defects_has_no_stale_entries() {
    const CHECKS: f64 = 1_000.0;
    let pair = Pair::start(&[("AUDIT_RATE", "200"), ("CACHE_TTL", "2s")]).await;
    let mut products = Vec::new();
    for number in 0..10 {
        products.push(create_named(&pair.first, &format!("Product {number}")).await);
    }
    let mut clients = Busy::new();
    for client in pair.both() {
        for writes in [true, false] {
            let (client, products) = (client.clone(), products.clone());
            clients.client(move |step| {
                let (client, product) = (client.clone(), products[step % products.len()].clone());
                async move {
                    if writes {
                        let reply = client.put(&path(&product)).json(&json!({"stock": step})).await;
                        assert!(matches!(reply.status, 200 | 409), "{reply:?}");
                    } else {
                        lookup(&client, &product).await;
                    }
                }
            });
        }
    }
    let checked = async || counted(&pair.first).await.0.min(counted(&pair.second).await.0) >= CHECKS;
    let ended = async || clients.has_ended() || checked().await;
    wait_until("enough is checked", Duration::from_secs(40), ended).await;
    clients.stop().await;
    for service in [&pair.first, &pair.second] {
        assert_eq!(counted(service).await.1, 0.0, "{}", service.log());
    }
}

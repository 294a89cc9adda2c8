//! `/api/v1/cache/stats`: the counters of lookups, entries and tiers.

use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, lookup, path, read, reset_statistics, statistics, update};
use hotshelf_testkit::shapes::{assert_utc, fields};

/// Hits and misses in one part of the statistics.
fn hits_and_misses(at: &Value) -> (u64, u64) {
    (at["hits"].as_u64().unwrap(), at["misses"].as_u64().unwrap())
}

#[tokio::test]
async fn the_shape_is_the_documented_one() {
    let service = hotshelf().start().await;
    let body = service.get("/api/v1/cache/stats").await.expect(200).json();
    assert_eq!(fields(&body), ["cache_stats", "timestamp"]);
    assert_utc(&body["timestamp"]);
    let stats = &body["cache_stats"];
    let expected = ["audit", "caches", "deletes", "errors", "hit_rate", "hits", "l1", "l2", "misses", "sets"];
    assert_eq!(fields(stats), expected);
    assert_eq!(fields(&stats["l1"]), ["bytes", "entries", "evictions", "hits", "misses"]);
    assert_eq!(fields(&stats["l2"]), ["hits", "misses", "state"]);
    for cache in ["product", "list"] {
        assert_eq!(fields(&stats["caches"][cache]), ["hits", "misses"]);
    }
}

#[tokio::test]
async fn a_fresh_service_has_counted_nothing() {
    let service = hotshelf().backend("memory").start().await;
    let none = json!({"hits": 0, "misses": 0});
    let expected = json!({
        "hits": 0, "misses": 0, "sets": 0, "deletes": 0, "errors": 0, "hit_rate": 0.0,
        "l1": {"hits": 0, "misses": 0, "entries": 0, "bytes": 0, "evictions": 0},
        "l2": {"hits": 0, "misses": 0, "state": "off"},
        "audit": {"checks": 0, "stale": 0, "consistency": 1.0},
        "caches": {
            "product": none, "details": none, "list": none, "page": none, "total": none, "org_ids": none,
            "schema_ids": none, "analytics": none,
        },
    });
    let mut stats = statistics(&service).await;
    assert_eq!(stats["hit_rate"].as_f64(), Some(0.0));
    stats["hit_rate"] = json!(0.0);
    assert_eq!(stats, expected);
}

#[tokio::test]
async fn create_get_get_update_get_shows_two_misses_and_one_hit() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    read(&service, &product).await;
    update(&service, &product, &json!({"stock": 49})).await;
    read(&service, &product).await;

    let stats = statistics(&service).await;
    assert_eq!(hits_and_misses(&stats), (1, 2));
    assert_eq!(hits_and_misses(&stats["l1"]), (1, 2));
    assert_eq!(hits_and_misses(&stats["l2"]), (0, 0));
    assert_eq!(hits_and_misses(&stats["caches"]["product"]), (1, 2));
    assert_eq!(hits_and_misses(&stats["caches"]["list"]), (0, 0));
    assert!((stats["hit_rate"].as_f64().unwrap() - 1.0 / 3.0).abs() < 0.001, "{stats}");
    assert_eq!((&stats["sets"], &stats["errors"]), (&json!(2), &json!(0)));
    assert!(stats["deletes"].as_u64() >= Some(1), "{stats}");
    assert_eq!(stats["l1"]["entries"], 1);
    assert!(stats["l1"]["bytes"].as_u64() > Some(100), "{stats}");
}

#[tokio::test]
async fn a_list_counts_as_one_lookup() {
    let service = hotshelf().backend("memory").start().await;
    create(&service, &laptop()).await;
    create(&service, &laptop()).await;
    for _ in 0..3 {
        service.get(PRODUCTS).await.expect(200);
    }
    let stats = statistics(&service).await;
    assert_eq!(hits_and_misses(&stats), (2, 1));
    assert_eq!(hits_and_misses(&stats["caches"]["list"]), (2, 1));
    assert_eq!(hits_and_misses(&stats["caches"]["product"]), (0, 0));
}

#[tokio::test]
async fn an_unknown_id_is_looked_up_in_the_database_once() {
    let service = hotshelf().backend("memory").start().await;
    for _ in 0..3 {
        service.get("/api/v1/products/7").await.expect(404);
    }
    assert_eq!(hits_and_misses(&statistics(&service).await), (2, 1));
}

#[tokio::test]
async fn conditional_and_forced_reads_count_once_each() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    let etag = lookup(&service, &product).await.header("etag").to_owned();
    reset_statistics(&service).await;
    service.get(&path(&product)).header("if-none-match", &etag).await.expect(304);
    assert_eq!(hits_and_misses(&statistics(&service).await), (1, 0));
    service.get(&path(&product)).header("cache-control", "no-cache").await.expect(200);
    assert_eq!(hits_and_misses(&statistics(&service).await), (1, 1));
}

#[tokio::test]
async fn the_envelope_counts_in_the_same_cache() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    service.get(&format!("/products/{}", product["id"])).await.expect(200);
    assert_eq!(hits_and_misses(&statistics(&service).await["caches"]["product"]), (1, 1));
}

#[tokio::test]
async fn without_a_cache_every_lookup_is_a_miss() {
    let service = hotshelf().backend("none").start().await;
    let product = create(&service, &laptop()).await;
    for _ in 0..3 {
        assert_eq!(lookup(&service, &product).await.json()["from_cache"], false);
    }
    let stats = statistics(&service).await;
    assert_eq!(hits_and_misses(&stats), (0, 3));
    assert_eq!((&stats["hit_rate"], &stats["l2"]["state"]), (&json!(0.0), &json!("off")));
}

#[tokio::test]
async fn a_reset_sets_every_counter_to_0_and_keeps_the_entries() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    read(&service, &product).await;
    service.get(PRODUCTS).await.expect(200);

    let body = service.post("/api/v1/cache/stats/reset").await.expect(200).json();
    assert_eq!(fields(&body), ["message"]);
    let stats = statistics(&service).await;
    for place in [&stats, &stats["l1"], &stats["l2"], &stats["caches"]["product"], &stats["caches"]["list"]] {
        assert_eq!(hits_and_misses(place), (0, 0), "{stats}");
    }
    for counter in ["sets", "deletes", "errors"] {
        assert_eq!(stats[counter], 0, "{counter}");
    }
    assert_eq!(stats["hit_rate"].as_f64(), Some(0.0));
    assert_eq!(lookup(&service, &product).await.json()["from_cache"], true);
}

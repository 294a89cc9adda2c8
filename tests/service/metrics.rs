//! `/metrics`: the names dashboards rely on, and that they tell the truth.

use hotshelf_testkit::{Client, Metrics};
use serde_json::json;

use crate::catalogue::{PRODUCTS, create, laptop, path, read, statistics, update};
use crate::hotshelf;

const PRODUCT: (&str, &str) = ("type", "product");

/// A miss, a hit, a change, a miss; a page missed and hit; an id nobody has.
async fn some_traffic(client: &Client) {
    let product = create(client, &laptop()).await;
    read(client, &product).await;
    read(client, &product).await;
    update(client, &product, &json!({"stock": 1})).await;
    read(client, &product).await;
    client.get(PRODUCTS).await.expect(200);
    client.get(PRODUCTS).await.expect(200);
    client.get("/api/v1/products/77").await.expect(404);
}

#[tokio::test]
async fn every_name_of_the_contract_is_there() {
    let service = hotshelf().start().await;
    some_traffic(&service).await;
    let reply = service.get("/metrics").await.expect(200);
    assert!(reply.header("content-type").starts_with("text/plain"), "{:?}", reply.headers);
    let kinds = [
        ("cache_hits_total", "counter"),
        ("cache_misses_total", "counter"),
        ("cache_loads_total", "counter"),
        ("cache_coalesced_total", "counter"),
        ("cache_fills_refused_total", "counter"),
        ("cache_invalidations_total", "counter"),
        ("cache_errors_total", "counter"),
        ("cache_l1_entries", "gauge"),
        ("cache_l1_bytes", "gauge"),
        ("cache_evictions_total", "counter"),
        ("cache_l2_up", "gauge"),
        ("http_requests_total", "counter"),
        ("http_request_duration_seconds", "histogram"),
        ("db_query_duration_seconds", "histogram"),
    ];
    for (name, kind) in kinds {
        let line = format!("# TYPE {name} {kind}");
        assert!(reply.text().lines().any(|found| found == line), "no line {line:?} in\n{}", reply.text());
    }
}

#[tokio::test]
async fn the_labels_are_the_contracts() {
    let service = hotshelf().start().await;
    some_traffic(&service).await;
    let metrics = service.metrics().await;
    let expected = [
        ("cache_hits_total", vec!["tier", "type"]),
        ("cache_misses_total", vec!["type"]),
        ("cache_loads_total", vec!["outcome", "type"]),
        ("cache_coalesced_total", vec!["type"]),
        ("cache_fills_refused_total", vec!["type"]),
        ("cache_invalidations_total", vec!["source", "type"]),
        ("cache_l1_entries", vec![]),
        ("cache_l1_bytes", vec![]),
        ("cache_evictions_total", vec!["type"]),
        ("cache_l2_up", vec![]),
        ("http_requests_total", vec!["method", "route", "status"]),
        ("http_request_duration_seconds_count", vec!["method", "route", "status"]),
        ("db_query_duration_seconds_count", vec!["operation"]),
    ];
    for (name, labels) in expected {
        let samples = metrics.samples(name, &[]);
        assert!(!samples.is_empty(), "no line of {name}");
        for sample in samples {
            assert_eq!(sample.labels.keys().collect::<Vec<_>>(), labels, "{name}");
        }
    }
}

#[tokio::test]
async fn the_cache_is_counted_as_the_statistics_count_it() {
    let service = hotshelf().backend("memory").start().await;
    some_traffic(&service).await;
    let metrics = service.metrics().await;
    let stats = statistics(&service).await;
    assert_eq!(metrics.value("cache_hits_total", &[PRODUCT, ("tier", "l1")]), 1.0);
    assert_eq!(metrics.value("cache_misses_total", &[PRODUCT]), 3.0);
    assert_eq!(metrics.value("cache_hits_total", &[("type", "list"), ("tier", "l1")]), 1.0);
    assert_eq!(metrics.value("cache_misses_total", &[("type", "list")]), 1.0);
    assert_eq!(metrics.value("cache_loads_total", &[PRODUCT, ("outcome", "ok")]), 2.0);
    assert_eq!(metrics.value("cache_loads_total", &[PRODUCT, ("outcome", "absent")]), 1.0);
    assert!(metrics.value("cache_invalidations_total", &[PRODUCT, ("source", "local")]) >= 1.0);
    assert_eq!(metrics.value("cache_l2_up", &[]), 0.0);
    assert_eq!(Some(metrics.value("cache_l1_entries", &[])), stats["l1"]["entries"].as_f64());
    assert_eq!(Some(metrics.value("cache_l1_bytes", &[])), stats["l1"]["bytes"].as_f64());
    assert!(metrics.value("cache_l1_bytes", &[]) > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_of_one_product_at_the_same_time_load_it_once() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    let readers: Vec<_> = (0..64).map(|_| tokio::spawn(service.get(&path(&product)).into_future())).collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap().expect(200).json()["product"], product);
    }
    assert_eq!(service.metrics().await.value("cache_loads_total", &[PRODUCT]), 1.0);
    let stats = statistics(&service).await;
    assert_eq!(stats["hits"].as_u64().unwrap() + stats["misses"].as_u64().unwrap(), 64, "{stats}");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    let service = hotshelf().start().await;
    some_traffic(&service).await;
    for number in 0..3 {
        service.get(&format!("/nowhere/{number}")).await.expect(404);
    }
    let metrics = service.metrics().await;
    let route = ("route", "/api/v1/products/{id}");
    assert_eq!(metrics.value("http_requests_total", &[("method", "GET"), route, ("status", "200")]), 3.0);
    assert_eq!(metrics.value("http_requests_total", &[("method", "GET"), route, ("status", "404")]), 1.0);
    assert_eq!(metrics.value("http_requests_total", &[("method", "POST"), ("route", PRODUCTS)]), 1.0);
    for sample in metrics.all() {
        let named = sample.labels.get("route").is_some_and(|route| route.contains("nowhere") || route.contains("77"));
        assert!(!named, "a path that a client made up became a label: {sample:?}");
    }
}

#[tokio::test]
async fn the_buckets_of_the_latency_reach_from_50_microseconds_to_10_seconds() {
    let service = hotshelf().start().await;
    some_traffic(&service).await;
    let labels = [("method", "POST"), ("route", PRODUCTS), ("status", "201")];
    let metrics = service.metrics().await;
    let buckets = cumulative_buckets(&metrics, &labels);
    let finite: Vec<f64> = buckets.iter().map(|&(bound, _)| bound).filter(|bound| bound.is_finite()).collect();
    assert_eq!((finite.first(), finite.last()), (Some(&0.00005), Some(&10.0)));
    assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, 1.0)));
    assert_eq!(metrics.value("http_request_duration_seconds_count", &labels), 1.0);
    assert!(metrics.value("http_request_duration_seconds_sum", &labels) > 0.0);
}

fn cumulative_buckets(metrics: &Metrics, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
    let samples = metrics.samples("http_request_duration_seconds_bucket", labels);
    samples.iter().map(|sample| (sample.labels["le"].parse().unwrap(), sample.value)).collect()
}

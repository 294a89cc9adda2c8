//! `/metrics`: the names on which dashboards rely, and their values.

use hotshelf_testkit::{Client, Metrics, PATIENCE, RedisServer, wait_until};
use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path, read, statistics, update, wait_for_redis};

const PRODUCT: (&str, &str) = ("type", "product");

/// A miss, a hit, a change, a miss; a page missed and hit; an unknown id.
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
async fn every_documented_metric_exists() {
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
        ("cache_l1_limit_bytes", "gauge"),
        ("cache_l2_bytes", "gauge"),
        ("cache_l2_limit_bytes", "gauge"),
        ("cache_l2_evicted_keys", "gauge"),
        ("cache_redis_command_duration_seconds", "histogram"),
        ("warm_runs_total", "counter"),
        ("warm_entries_total", "counter"),
        ("http_requests_total", "counter"),
        ("http_request_duration_seconds", "histogram"),
        ("http_requests_under_way", "gauge"),
        ("db_query_duration_seconds", "histogram"),
        ("db_info", "gauge"),
        ("db_errors_total", "counter"),
        ("db_connections", "gauge"),
        ("db_reads_waiting", "gauge"),
        ("db_reads_refused_total", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("hotshelf_build_info", "gauge"),
    ];
    for (name, kind) in kinds {
        let line = format!("# TYPE {name} {kind}");
        assert!(reply.text().lines().any(|found| found == line), "no line {line:?} in\n{}", reply.text());
    }
}

#[tokio::test]
async fn the_labels_are_the_documented_ones() {
    let service = hotshelf().start().await;
    some_traffic(&service).await;
    let metrics = service.metrics().await;
    let expected = [
        ("cache_hits_total", vec!["tier", "type"]),
        ("cache_misses_total", vec!["type"]),
        ("db_info", vec!["database", "history", "role", "system", "timeline"]),
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
        ("db_reads_waiting", vec!["lane"]),
        ("db_reads_refused_total", vec!["lane", "reason"]),
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
async fn metrics_and_statistics_count_the_cache_alike() {
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
    assert_eq!((metrics.value("cache_l2_up", &[]), metrics.value("cache_l2_configured", &[])), (0.0, 0.0));
    assert_eq!(Some(metrics.value("cache_l1_entries", &[])), stats["l1"]["entries"].as_f64());
    assert_eq!(Some(metrics.value("cache_l1_bytes", &[])), stats["l1"]["bytes"].as_f64());
    assert!(metrics.value("cache_l1_bytes", &[]) > 0.0);
}

#[tokio::test]
async fn metrics_show_the_memory_of_both_tiers_and_its_limit() {
    let redis = RedisServer::start();
    redis.command(&["CONFIG", "SET", "maxmemory", "77mb"]);
    let service = hotshelf().redis(&redis).env("CACHE_L1_BYTES", "3MiB").start().await;
    let level = async |name: &str| service.metrics().await.value(name, &[]);
    let limit = 77.0 * 1024.0 * 1024.0;
    let told = async || level("cache_l2_limit_bytes").await == limit;
    wait_until("the limit of Redis is known", PATIENCE, told).await;
    assert!((1.0..limit).contains(&level("cache_l2_bytes").await));
    assert_eq!(level("cache_l1_limit_bytes").await, 3.0 * 1024.0 * 1024.0);

    redis.stop();
    wait_for_redis(&service, "down").await;
    assert_eq!((level("cache_l2_up").await, level("cache_l2_configured").await), (0.0, 1.0));
    assert_eq!((level("cache_l2_bytes").await, level("cache_l2_limit_bytes").await), (0.0, 0.0));
}

#[tokio::test]
async fn each_redis_command_has_its_own_times() {
    let redis = RedisServer::start();
    let service = hotshelf().redis(&redis).backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    let name = "cache_redis_command_duration_seconds_count";
    let count = async |command| service.metrics().await.value(name, &[("command", command)]);
    let before = (count("lookup").await, count("fill").await);
    read(&service, &product).await;
    read(&service, &product).await;
    assert_eq!((count("lookup").await, count("fill").await), (before.0 + 2.0, before.1 + 1.0));
}

#[tokio::test]
async fn failures_of_the_database_are_counted_and_refusals_are_not() {
    let service = hotshelf().backend("none").start().await;
    let errors = async || service.metrics().await.value("db_errors_total", &[]);
    service.get("/api/v1/products/77").await.expect(404);
    service.get("/api/v1/organizations/77/products").await.expect(404);
    assert_eq!(errors().await, 0.0);
    let mut outsider = ExternalWriter::on_database_of(&service);
    outsider.run("ALTER TABLE products RENAME TO mislaid");
    service.get("/api/v1/products/77").await.expect(503);
    service.post(PRODUCTS).json(&laptop()).await.expect(503);
    let metrics = service.metrics().await;
    for operation in ["find", "commit"] {
        assert_eq!(metrics.value("db_errors_total", &[("operation", operation)]), 1.0, "{operation}");
    }
    outsider.run("ALTER TABLE mislaid RENAME TO products");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_lookups_of_one_product_load_it_once() {
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
async fn requests_are_counted_by_route_not_by_path() {
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
        assert!(!named, "a path from a client became a label: {sample:?}");
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

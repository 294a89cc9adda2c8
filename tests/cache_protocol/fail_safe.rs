//! While the database fails, values past their TTL are served for the grace and marked as such; invalidated values are
//! never served.

use std::time::Duration;

use hotshelf_testkit::catalogue::{PRODUCTS, create_named, delete, lookup, path, read, update};
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use serde_json::json;

use crate::instances::{Settings, alone, cache_status};
use hotshelf_testkit::ExternalWriter;

const BACKENDS: [&str; 3] = ["memory", "redis", "tiered"];
const GRACE_SECONDS: i64 = 3;
const SHORT_LIVES: Settings<'static> = &[("CACHE_TTL", "1s"), ("CACHE_LIST_TTL", "1s"), ("CACHE_GRACE", "3s")];
const LONG_GRACE: Settings<'static> = &[("CACHE_TTL", "1s"), ("CACHE_LIST_TTL", "1s"), ("CACHE_GRACE", "5m")];
/// One TTL with its jitter of a tenth, and a margin.
const A_LIFE: Duration = Duration::from_millis(1_200);

/// The number of seconds past the TTL of the served value, if any.
fn overdue(status: &str) -> Option<i64> {
    status.strip_prefix("hotshelf; hit; ttl=-")?.strip_suffix("; detail=stale-if-error")?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_value_is_served_within_the_grace_and_marked() {
    let redis = RedisServer::start();
    for backend in BACKENDS {
        redis.restart();
        let service = alone(backend, &redis, SHORT_LIVES).await;
        let product = create_named(&service, "Old").await;
        read(&service, &product).await;
        service.get(PRODUCTS).await.expect(200);
        let mut outsider = ExternalWriter::on_database(&service.database());
        outsider.hide_products();

        let seen_overdue = async || {
            let reply = lookup(&service, &product).await;
            assert!(cache_status(&reply).starts_with("hotshelf; hit; "), "{backend}: {reply:?}");
            let body = reply.json();
            assert_eq!((&body["product"], &body["from_cache"]), (&product, &json!(true)), "{backend}");
            overdue(cache_status(&reply)).is_some_and(|seconds| seconds >= 1)
        };
        wait_until("an expired value is served", PATIENCE, seen_overdue).await;
        let page = service.get(PRODUCTS).await.expect(200);
        assert!(overdue(cache_status(&page)).is_some(), "{backend}: {page:?}");
        let metrics = service.metrics().await;
        assert!(metrics.value("cache_stale_if_error_total", &[("type", "product")]) >= 1.0);

        let refused = async || {
            let reply = service.get(&path(&product)).await;
            if reply.status == 200 {
                let seconds = overdue(cache_status(&reply));
                assert!(seconds <= Some(GRACE_SECONDS), "{backend}: past its grace: {reply:?}");
            }
            reply.status == 503
        };
        wait_until("the grace is over", PATIENCE, refused).await;
        outsider.restore_products();
        assert_eq!(read(&service, &product).await, product, "{backend}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidated_value_is_never_served() {
    let redis = RedisServer::start();
    for backend in BACKENDS {
        redis.restart();
        let service = alone(backend, &redis, LONG_GRACE).await;
        let mut products = Vec::new();
        for name in ["Updated", "Deleted", "Updated past its life"] {
            products.push(create_named(&service, name).await);
        }
        for product in &products {
            read(&service, product).await;
        }
        service.get(PRODUCTS).await.expect(200);
        update(&service, &products[0], &json!({"stock": 1})).await;
        delete(&service, &products[1]).await;
        tokio::time::sleep(A_LIFE).await;
        update(&service, &products[2], &json!({"stock": 1})).await;

        let mut outsider = ExternalWriter::on_database(&service.database());
        outsider.hide_products();
        for path in products.iter().map(path).chain([PRODUCTS.to_owned()]) {
            let reply = service.get(&path).await;
            assert_eq!(reply.status, 503, "{backend}: {reply:?}");
        }
        outsider.restore_products();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_written_through_value_is_served_past_its_ttl_and_no_older_one() {
    let redis = RedisServer::start();
    for backend in BACKENDS {
        redis.restart();
        let settings = [LONG_GRACE, &[("CACHE_WRITE_STRATEGY", "write_through")]].concat();
        let service = alone(backend, &redis, &settings).await;
        let product = create_named(&service, "Old").await;
        read(&service, &product).await;
        let product = update(&service, &product, &json!({"name": "New"})).await;
        let mut outsider = ExternalWriter::on_database(&service.database());
        outsider.hide_products();
        let seen_overdue = async || {
            let reply = lookup(&service, &product).await;
            assert_eq!(reply.json()["product"], product, "{backend}");
            overdue(cache_status(&reply)).is_some()
        };
        wait_until("an expired value is served", PATIENCE, seen_overdue).await;
        outsider.restore_products();
    }
}

/// The database does not fail, but never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_database_delays_no_read_of_an_expired_value() {
    let redis = RedisServer::start();
    for backend in BACKENDS {
        redis.restart();
        let service = alone(backend, &redis, LONG_GRACE).await;
        let product = create_named(&service, "Old").await;
        read(&service, &product).await;
        tokio::time::sleep(A_LIFE).await;
        let mut outsider = ExternalWriter::on_database(&service.database());
        outsider.slow_reads_down(Duration::from_secs(3));
        let reply = lookup(&service, &product).await;
        assert!(overdue(cache_status(&reply)).is_some(), "{backend}: {reply:?}");
        assert_eq!(reply.json()["product"], product, "{backend}");
    }
}

/// The write could not reach Redis, and Redis returns with the old value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_invalidated_during_a_redis_outage_is_never_served() {
    let redis = RedisServer::start();
    let service = alone("redis", &redis, LONG_GRACE).await;
    let product = create_named(&service, "Old").await;
    read(&service, &product).await;
    redis.save_snapshot();
    redis.stop();
    update(&service, &product, &json!({"name": "New"})).await;
    let mut outsider = ExternalWriter::on_database(&service.database());
    outsider.hide_products();
    redis.restart_from_snapshot();
    hotshelf_testkit::catalogue::wait_for_redis(&service, "up").await;
    assert!(redis.get("product:id:1").is_some(), "Redis has the old value again");
    service.get(&path(&product)).await.expect(503);
    outsider.restore_products();
}

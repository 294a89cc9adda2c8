//! Rate limits: which requests are allowed and refused, and the fields of the answers.

mod addresses;
mod exact;
mod loss;

use std::time::Duration;

use hotshelf_testkit::{Client, PATIENCE, RedisReply, RedisServer, Reply, Service, ServiceBuilder, wait_until};
use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, delete, laptop, path};
use hotshelf_testkit::shapes::problem;

/// A service with that limit for its API.
fn limited(api: &str) -> ServiceBuilder {
    hotshelf().backend("memory").env("RATE_LIMIT", "on").env("RATE_LIMIT_API", api)
}

/// The same, counted in Redis from the first request on.
fn limited_in(redis: &RedisServer, api: &str) -> ServiceBuilder {
    limited(api).backend("tiered").redis(redis)
}

/// Two instances of one service.
async fn two_limited(service: ServiceBuilder) -> [Service; 2] {
    let shared = service.env("SHARED_DB", true);
    let first = shared.clone().start().await;
    let second = shared.database(&first.database()).start().await;
    [first, second]
}

/// A field such as `"api";r=2;t=60` of the header: the name and its two numbers.
#[track_caller]
fn standing(reply: &Reply) -> (String, u32, u32) {
    let header = reply.header("ratelimit");
    let (name, numbers) = header.split_once(";r=").unwrap_or_else(|| panic!("no standing: {header}"));
    let (remaining, reset) = numbers.split_once(";t=").unwrap_or_else(|| panic!("no standing: {header}"));
    (name.trim_matches('"').to_owned(), remaining.parse().unwrap(), reset.parse().unwrap())
}

async fn refused(client: &Client, path: &str) -> Reply {
    let reply = client.get(path).await.expect(429);
    assert!(retry_after(&reply) > 0);
    reply
}

/// The seconds after which a refused client is to come back.
#[track_caller]
fn retry_after(refusal: &Reply) -> u32 {
    let (_, remaining, reset) = standing(refusal);
    assert_eq!((remaining, refusal.header("retry-after")), (0, reset.to_string().as_str()));
    reset
}

#[tokio::test]
async fn answers_have_the_remaining_requests_and_refusals_retry_after() {
    let service = limited("4/1h").start().await;
    let product = create(&service, &laptop()).await;
    // Answers from the database, from memory, and from the router.
    for (at, left) in [(path(&product), 2), (path(&product), 1), (PRODUCTS.to_owned(), 0)] {
        let reply = service.get(&at).await.expect(200);
        assert_eq!(reply.header("ratelimit-policy"), r#""api";q=4;w=3600"#);
        let (name, remaining, reset) = standing(&reply);
        assert_eq!((name.as_str(), remaining), ("api", left));
        assert!((3_590..=3_636).contains(&reset), "{reset} s");
    }
    for at in [path(&product), PRODUCTS.to_owned(), "/nowhere".to_owned()] {
        let reply = refused(&service, &at).await;
        assert_eq!(reply.header("ratelimit-policy"), r#""api";q=4;w=3600"#);
        assert!(reply.find_header("x-request-id").is_some());
        let detail = problem(reply, 429)["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("the rate limit of 4 requests per 3600s is exceeded, try again in 3"), "{detail}");
    }
    let envelope = refused(&service, "/products/1").await.json();
    assert_eq!(envelope["status"], "error");
}

#[tokio::test]
async fn a_refused_write_changes_nothing() {
    let service = limited("2/1h").start().await;
    let commits = async || {
        let metrics = service.metrics().await;
        metrics.find("db_query_duration_seconds_count", &[("operation", "commit")])
    };
    let product = create(&service, &laptop()).await;
    let committed = commits().await;
    service.get(&path(&product)).await.expect(200);
    service.delete(&path(&product)).await.expect(429);
    service.post(PRODUCTS).json(&laptop()).await.expect(429);
    let metrics = service.metrics().await;
    assert_eq!(metrics.find("http_requests_total", &[("method", "DELETE"), ("status", "429")]), Some(1.0));
    assert_eq!(commits().await, committed);
}

#[tokio::test]
async fn a_client_is_served_again_after_retry_after() {
    let redis = RedisServer::start();
    let [one, other] = two_limited(limited_in(&redis, "3/2s")).await;
    // In turns, so that each lets through half of them. On a busy machine, the first ones may be out of the window when
    // the fourth one comes.
    let mut allowed = 0;
    let refusal = loop {
        let reply = [&one, &other][allowed % 2].get(PRODUCTS).await;
        if reply.status != 200 {
            break reply.expect(429);
        }
        allowed += 1;
    };
    let seconds = retry_after(&refusal);
    assert!(allowed >= 3 && (1..=3).contains(&seconds), "{seconds} s after {allowed}");
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    one.get(PRODUCTS).await.expect(200);
}

#[tokio::test]
async fn probes_and_metrics_are_never_limited() {
    let service = limited("1/1h").start().await;
    service.get(PRODUCTS).await.expect(200);
    for _ in 0..3 {
        for at in ["/health", "/health/live", "/health/ready", "/metrics"] {
            let reply = service.get(at).await.expect(200);
            assert_eq!(reply.find_header("ratelimit"), None);
        }
    }
    refused(&service, PRODUCTS).await;
}

#[tokio::test]
async fn without_rate_limit_answers_have_no_limit_fields() {
    let service = hotshelf().env("RATE_LIMIT_API", "1/1h").start().await;
    let product = create(&service, &laptop()).await;
    for _ in 0..3 {
        let reply = service.get(&path(&product)).await.expect(200);
        assert_eq!((reply.find_header("ratelimit"), reply.find_header("ratelimit-policy")), (None, None));
    }
    delete(&service, &product).await;
}

#[tokio::test]
async fn routes_can_have_limits_of_their_own() {
    let routes = "GET /api/v1/products/{id}=2/1h, POST /api/v1/products/bulk = 1/30m";
    let service = limited("3/1h").env("RATE_LIMIT_ROUTES", routes).start().await;
    let product = create(&service, &laptop()).await;
    for left in [1, 0] {
        let reply = service.get(&path(&product)).await.expect(200);
        assert_eq!(reply.header("ratelimit-policy"), r#""get-api-v1-products-id";q=2;w=3600"#);
        assert_eq!(standing(&reply).1, left);
    }
    refused(&service, &path(&product)).await;
    let bulk = format!("{PRODUCTS}/bulk");
    let reply = service.post(&bulk).json(&json!({"products": [laptop()]})).await.expect(201);
    assert_eq!(reply.header("ratelimit"), r#""post-api-v1-products-bulk";r=0;t=1818"#);
    service.post(&bulk).json(&json!({"products": [laptop()]})).await.expect(429);
    // All other routes share one limit, of which the creation has used a request.
    for left in [1, 0] {
        assert_eq!(standing(&service.get(PRODUCTS).await.expect(200)).1, left);
    }
    refused(&service, PRODUCTS).await;
}

#[tokio::test]
async fn limit_keys_have_the_prefix_and_a_ttl_and_are_not_deleted_as_entries() {
    let redis = RedisServer::start();
    let service = limited_in(&redis, "5/1h").env("CACHE_PREFIX", "shop:").start().await;
    service.get(PRODUCTS).await.expect(200);
    let key = "shop:ratelimit:api:127.0.0.1";
    assert_eq!(redis.keys("*ratelimit*"), [key]);
    assert!((3_590_000..=3_636_000).contains(&redis.command(&["PTTL", key]).integer()));
    let healthy = async || service.get("/health").await.json()["status"] == "healthy";
    wait_until("the cache is in Redis", PATIENCE, healthy).await;
    service.delete("/api/v1/cache").await.expect(200);
    assert_eq!(redis.keys("*ratelimit*"), [key]);
    let RedisReply::Array(counts) = redis.command(&["HVALS", key]) else { panic!("no hash") };
    assert_eq!(counts.into_iter().map(|count| count.text().unwrap().parse::<u32>().unwrap()).sum::<u32>(), 2);
}

#[tokio::test]
async fn decisions_are_counted() {
    let redis = RedisServer::start();
    let service = limited_in(&redis, "2/1h").start().await;
    for status in [200, 200, 429, 429] {
        service.get(PRODUCTS).await.expect(status);
    }
    let metrics = service.metrics().await;
    let decisions = |outcome| metrics.value("ratelimit_decisions_total", &[("scope", "api"), ("outcome", outcome)]);
    let of = ["allowed", "refused", "uncounted", "unavailable"].map(decisions);
    assert_eq!(of, [2.0, 2.0, 0.0, 0.0]);
    assert_eq!(metrics.value("ratelimit_redis_steps_total", &[]), 2.0, "certain refusals need no step");
    assert_eq!((metrics.value("ratelimit_errors_total", &[]), metrics.value("ratelimit_subjects", &[])), (0.0, 1.0));
    let health = service.get("/health").await.expect(200).json();
    assert_eq!(health["modules"]["ratelimit"], json!({"status": "healthy", "message": "counting in Redis"}));
}

#[tokio::test]
async fn the_description_has_429_where_limits_apply() {
    let service = hotshelf().start().await;
    let description = service.get("/api/v1/openapi.json").await.expect(200).json();
    for (path, operations) in description["paths"].as_object().unwrap() {
        let exempt = path.starts_with("/health") || path == "/metrics";
        for (method, operation) in operations.as_object().unwrap() {
            let refusal = &operation["responses"]["429"];
            assert_eq!(refusal.is_null(), exempt, "{method} {path}");
            if !exempt {
                let headers = ["Retry-After", "RateLimit", "RateLimit-Policy"];
                assert!(
                    headers.iter().all(|header| refusal["headers"][header].is_object()),
                    "{method} {path}: {refusal}"
                );
            }
        }
    }
}

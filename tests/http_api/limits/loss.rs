//! Limits during an outage of Redis.

use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};

use super::{limited_in, refused, two_limited};
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path};

async fn health_of_limits(client: &Client) -> String {
    let health = client.get("/health").await.expect(200).json();
    format!("{}: {}", health["modules"]["ratelimit"]["status"], health["modules"]["ratelimit"]["message"])
}

async fn wait_for(client: &Client, part: &str) {
    let what = format!("the health of limits says {part:?}");
    wait_until(&what, PATIENCE, async || health_of_limits(client).await.contains(part)).await;
}

/// A service with this setting for outages of Redis.
async fn start(on_loss: &str, redis: &RedisServer) -> Service {
    limited_in(redis, "3/1h").env("RATE_LIMIT_ON_LOSS", on_loss).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_each_instance_counts_for_itself() {
    let redis = RedisServer::start();
    let [one, other] = two_limited(limited_in(&redis, "3/1h")).await;
    one.get(PRODUCTS).await.expect(200);
    other.get(PRODUCTS).await.expect(200);
    redis.stop();
    for service in [&one, &other] {
        wait_for(service, "\"degraded\": \"Redis is down (").await;
        wait_for(service, "each instance counts for itself").await;
        for _ in 0..2 {
            service.get(PRODUCTS).await.expect(200);
        }
        refused(service, PRODUCTS).await;
    }
    redis.restart();
    for service in [&one, &other] {
        wait_for(service, "\"healthy\": \"counting in Redis\"").await;
        refused(service, PRODUCTS).await;
        let log = service.log();
        let told = |line: &str| log.matches(line).count();
        assert_eq!(told("rate limits are not counted in Redis any more"), 1, "{log}");
        assert_eq!(told("rate limits are counted in Redis again"), 1, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_limits_allow_every_request() {
    let redis = RedisServer::start();
    let service = start("open", &redis).await;
    for status in [200, 200, 200, 429] {
        service.get(PRODUCTS).await.expect(status);
    }
    redis.stop();
    wait_for(&service, "nothing is limited").await;
    for _ in 0..5 {
        let reply = service.get(PRODUCTS).await.expect(200);
        assert_eq!(reply.find_header("ratelimit"), None);
    }
    redis.restart();
    wait_for(&service, "counting in Redis").await;
    refused(&service, PRODUCTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_limits_allow_only_probes() {
    let redis = RedisServer::start();
    let service = start("closed", &redis).await;
    let product = create(&service, &laptop()).await;
    redis.stop();
    wait_for(&service, "limited requests are refused").await;
    for at in [path(&product), PRODUCTS.to_owned()] {
        let reply = service.get(&at).await.expect(503);
        assert_eq!(reply.header("retry-after"), "1");
        assert_eq!(reply.json()["detail"], "the rate limiter is unavailable, try again");
    }
    service.get("/health/ready").await.expect(200);
    redis.restart();
    wait_for(&service, "counting in Redis").await;
    service.get(&path(&product)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_redis_delays_requests_only_briefly() {
    let redis = RedisServer::start();
    let service = start("local", &redis).await;
    let product = create(&service, &laptop()).await;
    service.get(&path(&product)).await.expect(200);
    redis.pause();
    service.get(&path(&product)).await.expect(200);
    refused(&service, &path(&product)).await;
    wait_for(&service, "each instance counts for itself").await;
    redis.resume();
    wait_for(&service, "counting in Redis").await;
    refused(&service, &path(&product)).await;
}

//! Access to Redis: users, passwords, TLS, and the messages when it fails. The service continues without Redis then.

use hotshelf_testkit::{Client, PATIENCE, RedisServer, ServiceBuilder, wait_until};
use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{create, delete, laptop, lookup, read, statistics, update, wait_for_redis};

/// The sentence of the cache in `/health`.
async fn cache(client: &Client) -> String {
    let health = client.get("/health").await.expect(200).json();
    health["modules"]["cache"]["message"].as_str().unwrap().to_owned()
}

/// Starts the service, and checks that it has no access to Redis, reports this reason, and serves without Redis.
async fn assert_degraded(builder: ServiceBuilder, reason: &str) {
    let service = builder.start().await;
    let expected = format!("Redis is down ({reason}); serving without it");
    wait_until(&format!("the cache says {expected:?}"), PATIENCE, async || cache(&service).await == expected).await;
    assert_eq!(service.get("/health").await.expect(200).json()["status"], "degraded");
    let product = create(&service, &laptop()).await;
    assert_eq!(read(&service, &product).await, product);
    let log = service.log();
    assert!(log.contains(&format!("reason=\"{reason}\"")), "{log}");
}

/// Starts the service, and checks that Redis answers a lookup.
async fn assert_used(builder: ServiceBuilder) {
    let service = builder.backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    for from_cache in [false, true] {
        assert_eq!(lookup(&service, &product).await.json()["from_cache"], from_cache);
    }
}

#[tokio::test]
async fn a_password_opens_redis() {
    let redis = RedisServer::start_with(&["--requirepass", "open,sesame!"]);
    assert_used(hotshelf().redis(&redis).env("REDIS_PASSWORD", "open,sesame!")).await;
    assert_degraded(hotshelf().redis(&redis), "it asks for a password, and none is set").await;
    let wrong = "it refuses the user name or the password";
    assert_degraded(hotshelf().redis(&redis).env("REDIS_PASSWORD", "open"), wrong).await;
}

#[tokio::test]
async fn a_user_in_the_url_has_access() {
    let redis = RedisServer::start_with(&["--user", "shop@eu", "on", ">p@ss/word", "~product:*", "+@all"]);
    let url = |password| format!("redis://shop%40eu:{password}@{}", redis.address());
    let service = hotshelf().env("REDIS_URL", url("p%40ss%2Fword")).start().await;
    wait_for_redis(&service, "up").await;
    let clients = redis.command(&["CLIENT", "LIST"]).text().unwrap();
    assert!(clients.contains(" user=shop@eu "), "{clients}");
    assert_degraded(hotshelf().env("REDIS_URL", url("wrong")), "it refuses the user name or the password").await;
}

#[tokio::test]
async fn a_password_corrected_on_the_server_is_noticed() {
    let redis = RedisServer::start_with(&["--user", "shop", "on", ">old", "~*", "+@all"]);
    let service = hotshelf().env("REDIS_URL", format!("redis://shop:new@{}", redis.address())).start().await;
    wait_until("the password is refused", PATIENCE, async || cache(&service).await.contains("password")).await;
    redis.command(&["ACL", "SETUSER", "shop", ">new"]);
    wait_for_redis(&service, "up").await;
}

#[tokio::test]
async fn a_user_without_a_needed_right_is_reported() {
    let redis = RedisServer::start_with(&["--user", "shop", "on", ">open", "~*", "+@all", "-info"]);
    let builder = hotshelf().env("REDIS_URL", format!("redis://shop:open@{}", redis.address()));
    assert_degraded(builder, "NOPERM this user has no permissions to run the 'info' command").await;
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate_for_the_right_host() {
    let redis = RedisServer::start_with_tls();
    let over_tls = |url: &str| hotshelf().env("REDIS_URL", url);
    let trusting = |url: &str| over_tls(url).env("SSL_CERT_FILE", redis.authority().display());
    let url = redis.tls_url();
    assert_used(trusting(&url)).await;
    let reason = "no trusted authority has signed its certificate (SSL_CERT_FILE can name another one)";
    assert_degraded(over_tls(&url), reason).await;
    let reason = "its certificate is for another host";
    assert_degraded(trusting(&url.replace("127.0.0.1", "localhost")), reason).await;
    let reason = "no such file or directory: /nowhere.pem";
    assert_degraded(over_tls(&url).env("SSL_CERT_FILE", "/nowhere.pem"), reason).await;
}

#[tokio::test]
async fn a_missing_redis_fails_no_request() {
    assert_degraded(hotshelf().without_redis(), "connection refused").await;

    let service = hotshelf().without_redis().start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let product = update(&service, &product, &json!({"stock": 1})).await;
    service.get("/api/v1/products").await.expect(200);
    delete(&service, &product).await;
    service.delete("/api/v1/products/7").await.expect(404);
    assert_eq!(statistics(&service).await["errors"], 0);
}

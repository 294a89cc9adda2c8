//! A Redis with restricted access: the documented rights of a user are sufficient, and each of them is needed.

use std::collections::BTreeSet;

use hotshelf_redis_client::{data_rules, sentinel_rules};
use hotshelf_testkit::catalogue::{PRODUCTS, create, delete, laptop, lookup, path, read, update, wait_for_redis};
use hotshelf_testkit::{
    Client, PATIENCE, RedisCluster, RedisReply, RedisSentinels, RedisServer, ServiceBuilder, wait_until,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::hotshelf;
use crate::topology::cache_status;

/// The rules after this beginning of a line in the manual.
fn documented(beginning: &str) -> Vec<String> {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let rules =
        manual.lines().find_map(|line| line.strip_prefix(beginning)).unwrap_or_else(|| panic!("no {beginning}"));
    rules.split(' ').map(str::to_owned).collect()
}

/// The arguments of a server with the user of the manual.
fn shop() -> Vec<String> {
    let user = ["--user", "shop", "on", ">open"].map(str::to_owned);
    user.into_iter().chain(documented("user shop on >password ")).collect()
}

fn as_shop(service: ServiceBuilder) -> ServiceBuilder {
    service.env("REDIS_USERNAME", "shop").env("REDIS_PASSWORD", "open")
}

/// Requests of one limit are available again within seconds. Of the other limit so many are left that some are
/// prefetched.
fn limited(service: ServiceBuilder) -> ServiceBuilder {
    let routes = "GET /api/v1/products/{id}=1000000/1h";
    service.env("RATE_LIMIT", "on").env("RATE_LIMIT_API", "100000/2s").env("RATE_LIMIT_ROUTES", routes)
}

fn texts(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Uses each operation of the cache and of the limits once.
async fn use_everything(service: &Client) {
    let product = create(service, &laptop()).await;
    read(service, &product).await;
    read(service, &product).await;
    let product = update(service, &product, &json!({"stock": 1, "category": "Lamps"})).await;
    for list in ["", "?search=lap", "?category=Lamps&order=-price", "?ids=1,2,99"] {
        service.get(&format!("{PRODUCTS}{list}")).await.expect(200);
    }
    for path in
        ["/api/v1/organizations/1/products", "/api/v1/organizations/1/product-ids", "/api/v1/analytics/catalogue"]
    {
        service.get(path).await.expect(200);
    }
    let mut together = JoinSet::new();
    for _ in 0..32 {
        let client = service.clone();
        together.spawn(async move { client.get(&format!("{PRODUCTS}/424242")).await.expect(404) });
    }
    together.join_all().await;
    delete(service, &product).await;
    service.get(&path(&product)).await.expect(404);
    service.delete("/api/v1/cache").await.expect(200);
    service.post("/api/v1/cache/warm").await.expect(202);
}

/// Two instances that share a database use every operation, without an error. Ends when `until` holds.
async fn assert_all_works(service: ServiceBuilder, until: impl AsyncFn() -> bool) {
    let (service, _directory) = with_directory(limited(as_shop(service)));
    let instances = [service.clone().backend("tiered").start().await, service.backend("redis").start().await];
    for instance in &instances {
        let healthy = async || instance.get("/health").await.json()["status"] == "healthy";
        wait_until("everything is healthy", PATIENCE, healthy).await;
    }
    let used = async || {
        for instance in &instances {
            use_everything(instance).await;
        }
        until().await
    };
    wait_until("everything was used", PATIENCE, used).await;
    for instance in &instances {
        assert_eq!(instance.get("/health").await.expect(200).json()["status"], "healthy");
        let metrics = instance.metrics().await;
        assert_eq!(metrics.value("ratelimit_errors_total", &[]), 0.0);
        assert!(!instance.log().contains("WARN"), "{}", instance.log());
    }
}

#[track_caller]
fn assert_nothing_refused(server: &RedisServer) {
    assert_eq!(server.command(&["ACL", "LOG"]), RedisReply::Array(Vec::new()), "at {}", server.address());
}

/// Starts the service, and checks that Redis answers a lookup.
async fn assert_used(builder: ServiceBuilder) {
    let service = builder.backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    lookup(&service, &product).await;
    let reply = lookup(&service, &product).await;
    assert!(cache_status(&reply).ends_with("detail=l2"), "{}", cache_status(&reply));
    service.delete("/api/v1/cache").await.expect(200);
}

fn with_directory(builder: ServiceBuilder) -> (ServiceBuilder, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (builder.shared_db(&directory.path().join("products.db")), directory)
}

#[test]
fn the_manual_has_the_rules_that_the_code_needs() {
    assert_eq!(documented("user shop on >password ").join(" "), data_rules("product:"));
    assert_eq!(documented("user watcher on >password ").join(" "), sentinel_rules());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rules_are_sufficient_and_all_are_needed() {
    let redis = RedisServer::start_with(&texts(&shop()));
    let allowed: BTreeSet<String> =
        shop().iter().filter_map(|rule| rule.strip_prefix('+')).map(str::to_owned).collect();
    let elsewhere = ["role", "cluster|slots", "cluster|info"];
    let unused = || {
        let stats = redis.command(&["INFO", "commandstats"]).text().unwrap();
        let used: Vec<_> = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next()).collect();
        let is_used = |rule: &String| used.contains(&rule.as_str()) || elsewhere.contains(&rule.as_str());
        allowed.iter().filter(|rule| !is_used(rule)).cloned().collect::<Vec<_>>()
    };
    let all_used = async || unused().is_empty();
    let service = hotshelf().redis(&redis).env("REDIS_DB", 3);
    assert_all_works(service, async || {
        let done = all_used().await;
        if !done {
            eprintln!("not used yet: {:?}", unused());
        }
        done
    })
    .await;
    assert_nothing_refused(&redis);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rules_are_sufficient_in_a_cluster() {
    let cluster = RedisCluster::start_with(&texts(&shop()));
    assert_all_works(hotshelf().env("REDIS_URL", cluster.url()), async || true).await;
    cluster.nodes().iter().for_each(assert_nothing_refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rules_are_sufficient_behind_sentinels() {
    let watcher = format!("user watcher on >open {}\n", documented("user watcher on >password ").join(" "));
    let set = RedisSentinels::start_with(&texts(&shop()), &watcher);
    let service = hotshelf().env("REDIS_URL", set.url());
    let service = service.env("REDIS_SENTINEL_USERNAME", "watcher").env("REDIS_SENTINEL_PASSWORD", "open");
    assert_all_works(service, async || true).await;
    set.servers().iter().for_each(assert_nothing_refused);
    assert!(set.refused().iter().all(|refused| *refused == RedisReply::Array(Vec::new())), "{:?}", set.refused());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_have_a_password_of_their_own() {
    let set = RedisSentinels::start_with_password("guarded");
    let service = || hotshelf().env("REDIS_URL", set.url());
    assert_used(service().env("REDIS_SENTINEL_PASSWORD", "guarded")).await;
    let refused = service().start().await;
    let expected = "it asks for a password, and none is set); serving without it";
    let told = async || {
        let health = refused.get("/health").await.expect(200).json();
        let message = health["modules"]["cache"]["message"].as_str().unwrap().to_owned();
        message.contains("sentinel 127.0.0.1:") && message.ends_with(expected)
    };
    wait_until("the reason is in the health report", PATIENCE, told).await;
}

#[tokio::test]
async fn keys_are_in_the_set_database_and_all_pool_connections_are_used() {
    let redis = RedisServer::start();
    let (service, _directory) = with_directory(hotshelf().redis(&redis));
    let service = service.env("REDIS_DB", 3).env("REDIS_POOL_SIZE", 4).backend("tiered").start().await;
    wait_for_redis(&service, "up").await;
    for _ in 0..40 {
        let product = create(&service, &laptop()).await;
        lookup(&service, &product).await;
    }
    assert_eq!(redis.keys("*"), Vec::<String>::new(), "in database 0");
    let clients = || redis.command(&["CLIENT", "LIST"]).text().unwrap().to_owned();
    let counts = async || clients().lines().filter(|client| client.contains(" resp=3")).count() == 6;
    // The rate limiter has a connection of its own.
    wait_until("all have connected", PATIENCE, counts).await;
    let clients = clients();
    let ours: Vec<_> = clients.lines().filter(|client| client.contains(" resp=3")).collect();
    assert!(ours.iter().all(|client| client.contains(" db=3 ")), "{clients}");
    let busy = ours.iter().filter(|client| client.contains(" cmd=evalsha ") || client.contains(" cmd=set "));
    assert_eq!(
        (ours.len(), busy.count()),
        (6, 4),
        "four for commands, the invalidation stream, the rate limiter: {clients}"
    );
}

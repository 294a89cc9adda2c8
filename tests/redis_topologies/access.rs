//! Getting at Redis where access is restricted: what the documentation says that a user needs is enough, and no more is.

use hotshelf_testkit::catalogue::{create, laptop, lookup, wait_for_redis};
use hotshelf_testkit::{PATIENCE, RedisCluster, RedisSentinels, RedisServer, ServiceBuilder, wait_until};

use crate::hotshelf;
use crate::topology::cache_status;

/// As in `docs/operations.md`.
const RULES: [&str; 17] = [
    "on",
    ">open",
    "resetchannels",
    "~product:*",
    "+set",
    "+get",
    "+mget",
    "+getrange",
    "+del",
    "+pttl",
    "+evalsha",
    "+script|load",
    "+info",
    "+scan",
    "+unlink",
    "+client|tracking",
    "+cluster|slots",
];

fn shop() -> Vec<&'static str> {
    ["--user", "shop"].into_iter().chain(RULES).collect()
}

/// Starts the service, which then has a lookup answered by Redis.
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

#[tokio::test]
async fn a_user_with_the_documented_rules_gets_all_that_the_cache_needs() {
    let redis = RedisServer::start_with(&shop());
    let (service, _directory) = with_directory(hotshelf().redis(&redis));
    assert_used(service.env("REDIS_USERNAME", "shop").env("REDIS_PASSWORD", "open")).await;
    let log = redis.command(&["ACL", "LOG"]);
    assert_eq!(format!("{log:?}").matches("client|id").count(), format!("{log:?}").matches("\"object\"").count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_rules_are_enough_in_a_cluster() {
    let cluster = RedisCluster::start_with(&shop());
    let (service, _directory) = with_directory(hotshelf().env("REDIS_URL", cluster.url()));
    assert_used(service.env("REDIS_USERNAME", "shop").env("REDIS_PASSWORD", "open")).await;
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
async fn keys_are_in_the_database_that_is_set_and_each_connection_of_the_pool_is_used() {
    let redis = RedisServer::start();
    let (service, _directory) = with_directory(hotshelf().redis(&redis));
    let service = service.env("REDIS_DB", 3).env("REDIS_POOL_SIZE", 4).backend("tiered").start().await;
    wait_for_redis(&service, "up").await;
    for _ in 0..40 {
        let product = create(&service, &laptop()).await;
        lookup(&service, &product).await;
    }
    assert_eq!(redis.keys("*"), Vec::<String>::new(), "in database 0");
    let clients = redis.command(&["CLIENT", "LIST"]).text().unwrap();
    let ours: Vec<_> = clients.lines().filter(|client| client.contains(" resp=3")).collect();
    assert!(ours.iter().all(|client| client.contains(" db=3 ")), "{clients}");
    let busy = ours.iter().filter(|client| client.contains(" cmd=evalsha ") || client.contains(" cmd=set "));
    assert_eq!((ours.len(), busy.count()), (6, 4), "four for commands, one that hears, one that counts: {clients}");
}

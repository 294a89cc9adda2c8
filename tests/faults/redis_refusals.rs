//! A Redis that refuses commands, because it is too old, because the user lacks rights, or because it is full. The
//! service does not use it, and reports the reason once, with the refused command.

use hotshelf_testkit::{Client, OldRedis, PATIENCE, RedisServer, Service, ServiceBuilder, wait_until};
use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, lookup, read, statistics, update, wait_for_redis};

/// The status and the sentence of this module in `/health`.
async fn said(client: &Client, module: &str) -> String {
    let health = client.get("/health").await.expect(200).json();
    let module = &health["modules"][module];
    format!("{}: {}", module["status"].as_str().unwrap(), module["message"].as_str().unwrap())
}

async fn wait_for(client: &Client, module: &str, part: &str) {
    let what = format!("the health of {module} says {part:?}");
    wait_until(&what, PATIENCE, async || said(client, module).await.contains(part)).await;
}

fn lines(service: &Service, message: &str) -> usize {
    service.log().lines().filter(|line| line.contains(message)).count()
}

async fn assert_serves(service: &Service) {
    let product = create(service, &laptop()).await;
    assert_eq!(read(service, &product).await, product);
    let product = update(service, &product, &json!({"stock": 1})).await;
    assert_eq!(read(service, &product).await, product);
    service.get(PRODUCTS).await.expect(200);
}

/// A server with a user `shop` that has all rights on the keys of the service except this one.
fn without(rules: &[&str]) -> RedisServer {
    let all = [&["--user", "shop", "on", ">open", "~product:*", "+@all"], rules].concat();
    RedisServer::start_with(&all)
}

fn as_shop(redis: &RedisServer) -> ServiceBuilder {
    hotshelf().redis(redis).env("REDIS_USERNAME", "shop").env("REDIS_PASSWORD", "open")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_before_version_7_is_not_used_and_named() {
    let redis = RedisServer::start();
    let old = OldRedis::before(&redis).await;
    for backend in ["tiered", "redis"] {
        let service = hotshelf().backend(backend).env("REDIS_ADDR", old.address()).start().await;
        wait_for(&service, "cache", "Redis is down (Redis 6.2").await;
        let cache = said(&service, "cache").await;
        assert!(cache.starts_with("degraded: "), "{cache}");
        assert!(cache.contains(" refuses SET … NX GET (ERR syntax error)"), "{cache}");
        assert!(cache.contains("; version 7 or newer is needed)"), "{cache}");
        assert_serves(&service).await;
        let errors = statistics(&service).await["errors"].clone();
        assert_eq!(errors, 0, "no request has met it");
        assert_eq!(lines(&service, "Redis is down"), 1, "{}", service.log());
        assert_eq!(lines(&service, "Redis is up"), 0, "{}", service.log());
    }
}

/// Each command that the cache sends or its scripts call, with its name in the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_message_names_each_refused_command() {
    let refusals = [
        ("-mget", "MGET (NOPERM"),
        ("-get", "GET (NOPERM"),
        ("-set", "SET … NX GET (NOPERM"),
        ("-evalsha", "'evalsha'"),
        ("-script|load", "'script|load'"),
        ("-getrange", "the script"),
        ("-del", "the script"),
        ("-pttl", "the script wait ("),
        ("-scan", "SCAN (NOPERM"),
        ("-unlink", "UNLINK (NOPERM"),
        ("-client|tracking", "CLIENT TRACKING (NOPERM"),
    ];
    let redis = without(&[]);
    let service = as_shop(&redis).env("SHARED_DB", true).start().await;
    wait_for(&service, "cache", "healthy").await;
    for (rule, named) in refusals {
        redis.command(&["ACL", "SETUSER", "shop", "+@all", rule]);
        // An open connection would not notice, so the test closes it.
        redis.command(&["CLIENT", "KILL", "USER", "shop"]);
        let told = async || {
            let cache = said(&service, "cache").await;
            cache.starts_with("degraded: Redis is down (") && cache.contains(named)
        };
        wait_until(&format!("{rule} is named"), PATIENCE, told).await;
        read(&service, &create(&service, &laptop()).await).await;
    }
    redis.command(&["ACL", "SETUSER", "shop", "+@all"]);
    wait_for(&service, "cache", "healthy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_prefix_is_reported() {
    let redis = RedisServer::start_with(&["--user", "shop", "on", ">open", "~other:*", "+@all"]);
    let service = as_shop(&redis).start().await;
    wait_for(&service, "cache", "Redis is down (Redis 7").await;
    let cache = said(&service, "cache").await;
    assert!(cache.contains("NOPERM") && cache.contains("docs/operations.md"), "{cache}");
    wait_for(&service, "ratelimit", "degraded: Redis is down (NOPERM").await;
    assert_serves(&service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_not_used_while_a_right_is_revoked() {
    let redis = without(&[]);
    let service = as_shop(&redis).backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    lookup(&service, &product).await;

    redis.command(&["ACL", "SETUSER", "shop", "-set"]);
    wait_for_redis(&service, "down").await;
    wait_for(&service, "cache", "Redis is down (Redis 7").await;
    assert_serves(&service).await;
    assert_eq!(lines(&service, "Redis is down"), 1, "{}", service.log());

    redis.command(&["ACL", "SETUSER", "shop", "+set"]);
    wait_for_redis(&service, "up").await;
    lookup(&service, &product).await;
    assert!(lookup(&service, &product).await.header("cache-status").ends_with("detail=l2"));
}

/// The invalidation stream is refused, the connection for commands is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_without_its_invalidation_stream_reports_that() {
    let redis = without(&[]);
    let service = as_shop(&redis).env("SHARED_DB", true).start().await;
    wait_for(&service, "cache", "healthy: Redis is up").await;
    redis.command(&["ACL", "SETUSER", "shop", "-client|tracking"]);
    let clients = redis.command(&["CLIENT", "LIST"]).text().unwrap();
    let tracks = |line: &&str| line.split(' ').any(|field| field.starts_with("flags=") && field.contains('t'));
    let ear = clients.lines().find(tracks).unwrap_or_else(|| panic!("no client tracks: {clients}"));
    let id = ear.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap();
    redis.command(&["CLIENT", "KILL", "ID", id]);
    wait_for(&service, "cache", "degraded: Redis is up, but the writes of other instances are not heard (NOPERM").await;
    assert_serves(&service).await;
    assert_eq!(lines(&service, "the writes of other instances are not heard"), 1, "{}", service.log());
    redis.command(&["ACL", "SETUSER", "shop", "+client|tracking"]);
    wait_for(&service, "cache", "healthy: Redis is up").await;
    assert_eq!(lines(&service, "the writes of other instances are heard again"), 1, "{}", service.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_that_redis_refuses_to_count_are_counted_locally() {
    let redis = without(&["-hincrby"]);
    let service = as_shop(&redis).env("RATE_LIMIT", "on").env("RATE_LIMIT_API", "3/1h").start().await;
    wait_for(&service, "ratelimit", "degraded: Redis is down (").await;
    let limits = said(&service, "ratelimit").await;
    assert!(limits.contains("can't run this command") && limits.contains("docs/operations.md"), "{limits}");
    for _ in 0..3 {
        service.get(PRODUCTS).await.expect(200);
    }
    service.get(PRODUCTS).await.expect(429);
    assert_eq!(lines(&service, "rate limits are not counted in Redis any more"), 1, "{}", service.log());
    assert_eq!(lines(&service, "rate limits are counted in Redis again"), 0, "{}", service.log());
}

/// With `maxmemory` and `noeviction`, a full Redis still answers `PING`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_reported_once_per_module_and_used_again_once() {
    let redis = RedisServer::start();
    let limited = hotshelf().redis(&redis).backend("redis").env("RATE_LIMIT", "on").env("RATE_LIMIT_API", "100000/1h");
    let service = limited.start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;

    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    wait_for(&service, "cache", "OOM command not allowed").await;
    let refused = async || {
        lookup(&service, &product).await;
        said(&service, "ratelimit").await.contains("OOM")
    };
    wait_until("the limiter has met the refusal", PATIENCE, refused).await;
    // So many attempts to use it again have failed.
    let begin = redis.command(&["INFO", "errorstats"]).text().unwrap();
    let ooms = |info: &str| -> u64 {
        let count = info.split("errorstat_OOM:count=").nth(1).unwrap();
        count.split_whitespace().next().unwrap().parse().unwrap()
    };
    let tried = async || {
        assert_serves(&service).await;
        ooms(&redis.command(&["INFO", "errorstats"]).text().unwrap()) >= ooms(&begin) + 30
    };
    wait_until("Redis was tried again", PATIENCE, tried).await;
    let told = |service: &Service| {
        let down = (lines(service, "Redis is down"), lines(service, "rate limits are not counted in Redis any more"));
        (down, lines(service, "Redis is up"), lines(service, "rate limits are counted in Redis again"))
    };
    assert_eq!(told(&service), ((1, 1), 1, 0), "{}", service.log());

    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    wait_for(&service, "cache", "healthy").await;
    wait_for(&service, "ratelimit", "healthy").await;
    assert_eq!(told(&service), ((1, 1), 2, 1), "{}", service.log());
}

//! `DELETE /api/v1/cache`, for operators: by pattern or all, in memory, in Redis, and in the memory of other instances.

use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{ORGANIZATIONS, PRODUCTS, create_many, encoded, lookup, update, wait_for_redis};
use hotshelf_testkit::shapes::{fields, invalid_fields, problem};

const CACHE: &str = "/api/v1/cache";

/// Paths whose answers are cached, and the keys of their entries.
const CACHED: [(&str, &str); 8] = [
    ("/api/v1/products/1", "product:id:1"),
    ("/api/v1/products/2", "product:id:2"),
    ("/api/v1/products/12", "product:id:12"),
    ("/api/v1/products/1/details", "product:1:details"),
    ("/api/v1/products?limit=1", "product:list:0:1"),
    ("/api/v1/organizations/1/products?limit=1", "product:products:org:1:page:1:limit:1:search::order:id"),
    ("/api/v1/organizations/1/product-ids", "product:org:1:products"),
    ("/api/v1/analytics/catalogue", "product:analytics:catalogue"),
];

async fn fill(client: &Client) {
    let products: Vec<Value> = (1..=12).map(|number| json!({"name": number.to_string(), "price": 1})).collect();
    create_many(client, &products).await;
    read_all(client).await;
}

async fn read_all(client: &Client) {
    for (path, _) in CACHED {
        client.get(path).await.expect(200);
    }
}

async fn delete(client: &Client, pattern: &str) -> u64 {
    let body = client.delete(&format!("{CACHE}?pattern={}", encoded(pattern))).await.expect(200).json();
    assert_eq!(fields(&body), ["deleted"]);
    body["deleted"].as_u64().unwrap()
}

async fn delete_all(client: &Client) -> u64 {
    client.delete(CACHE).await.expect(200).json()["deleted"].as_u64().unwrap()
}

/// The keys of [`CACHED`] that are not answered from the cache. They are cached again afterwards.
async fn missed(client: &Client) -> Vec<&'static str> {
    let mut missed = Vec::new();
    for (path, key) in CACHED {
        if client.get(path).await.expect(200).json()["from_cache"] == false {
            missed.push(key);
        }
        assert_eq!(client.get(path).await.expect(200).json()["from_cache"], true, "{key} is loaded again");
    }
    missed
}

/// Patterns, and the keys of [`CACHED`] that they match.
fn patterns() -> Vec<(&'static str, Vec<&'static str>)> {
    let all: Vec<_> = CACHED.iter().map(|(_, key)| *key).collect();
    vec![
        ("product:nothing:*", vec![]),
        ("product:id:7", vec![]),
        ("product:", vec![]),
        ("product:ID:1", vec![]),
        ("product:id:[12]", vec![]),
        ("product:id:[^9]", vec![]),
        ("product:id:\\1", vec![]),
        ("product:id:\\*", vec![]),
        ("product:id:{1,2}", vec![]),
        ("product:id:1", vec!["product:id:1"]),
        ("product:id:1?", vec!["product:id:12"]),
        ("product:list:*", vec!["product:list:0:1"]),
        ("product:products:org:1:*", vec![CACHED[5].1]),
        ("product:org:*", vec!["product:org:1:products"]),
        ("product:*:details", vec!["product:1:details"]),
        ("product:analytics:*", vec!["product:analytics:catalogue"]),
        ("product:*:1", vec!["product:id:1", "product:list:0:1"]),
        ("product:*", all),
    ]
}

async fn start_with(redis: &RedisServer) -> Service {
    let service = hotshelf().redis(redis).start().await;
    wait_for_redis(&service, "up").await;
    service
}

/// The entries in Redis, without the other keys of the protocol.
fn entries(redis: &RedisServer) -> Vec<String> {
    let mut keys = redis.keys("product:*");
    keys.retain(|key| !key.starts_with("product:{gen}:") && key != "product:epoch");
    keys
}

async fn wait_for_entries(redis: &RedisServer) {
    wait_until("all entries are in Redis", PATIENCE, async || entries(redis).len() == CACHED.len()).await;
}

#[tokio::test]
async fn matching_entries_are_deleted_from_memory_and_loaded_again() {
    for service in [hotshelf().backend("memory").start().await, hotshelf().without_redis().on_sqlite().start().await] {
        fill(&service).await;
        for (pattern, keys) in patterns() {
            assert_eq!(delete(&service, pattern).await, keys.len() as u64, "{pattern}");
            assert_eq!(missed(&service).await, keys, "{pattern}");
        }
        assert_eq!(delete_all(&service).await, CACHED.len() as u64);
        assert_eq!(missed(&service).await.len(), CACHED.len());
    }
}

#[tokio::test]
async fn only_matching_entries_are_deleted_from_redis() {
    let redis = RedisServer::start();
    for backend in ["tiered", "redis"] {
        redis.command(&["FLUSHALL"]);
        let service = hotshelf().redis(&redis).backend(backend).start().await;
        wait_for_redis(&service, "up").await;
        let others = ["other:1", "product", "products:1", "PRODUCT:1"];
        for other in others {
            redis.command(&["SET", other, "somebody else's"]);
        }
        fill(&service).await;
        wait_for_entries(&redis).await;
        let filled = entries(&redis);
        for (_, key) in CACHED {
            assert!(filled.iter().any(|entry| entry == key), "no {key} in {filled:?}");
        }
        for (pattern, keys) in patterns() {
            let before = entries(&redis);
            assert_eq!(delete(&service, pattern).await, keys.len() as u64, "{backend}: {pattern}");
            let left = entries(&redis);
            let expected: Vec<_> = before.into_iter().filter(|entry| !keys.contains(&entry.as_str())).collect();
            assert_eq!(left, expected, "{backend}: {pattern}");
            assert_eq!(missed(&service).await, keys, "{backend}: {pattern}");
            wait_for_entries(&redis).await;
        }
        assert_eq!(delete_all(&service).await, CACHED.len() as u64);
        assert_eq!(entries(&redis), Vec::<String>::new());
        for other in others {
            assert_eq!(redis.get(other).as_deref(), Some("somebody else's"));
        }
        assert_eq!(missed(&service).await.len(), CACHED.len());
        redis.command(&["DEL", others[0], others[1], others[2], others[3]]);
    }
}

#[tokio::test]
async fn keys_that_the_protocol_needs_cannot_be_deleted() {
    let redis = RedisServer::start();
    let service = start_with(&redis).await;
    fill(&service).await;
    wait_for_entries(&redis).await;
    let kept = async || {
        let mut keys = redis.keys("product:*");
        keys.retain(|key| !entries(&redis).contains(key));
        keys
    };
    let before = kept().await;
    assert!(before.contains(&"product:epoch".to_owned()), "{before:?}");
    for pattern in ["product:epoch", "product:{gen}:*", "product:chg:*"] {
        assert_eq!(delete(&service, pattern).await, 0, "{pattern}");
    }
    delete_all(&service).await;
    assert_eq!(kept().await, before);
    read_all(&service).await;
    update(&service, &json!({"id": 1}), &json!({"stock": 7})).await;
    assert_eq!(lookup(&service, &json!({"id": 1})).await.json()["product"]["stock"], 7);
}

#[tokio::test]
async fn a_pattern_stays_within_the_prefix() {
    let service = hotshelf().backend("memory").env("CACHE_PREFIX", "shop:").start().await;
    service.get(&format!("{PRODUCTS}?limit=1")).await.expect(200);
    for pattern in ["*", "", "product:*", "shop", "sh*", "?hop:*", "*shop:*", " shop:*", "SHOP:*", "other:*"] {
        let reply = service.delete(&format!("{CACHE}?pattern={}", encoded(pattern))).await;
        assert_eq!(invalid_fields(reply), ["pattern"], "{pattern}");
    }
    for query in ["key=shop:*", "pattern=shop:*&force=true", "pattern=shop:*&pattern=shop:*"] {
        problem(service.delete(&format!("{CACHE}?{query}")).await, 400);
    }
    for method in ["GET", "POST", "PUT"] {
        problem(service.request(method, CACHE).await, 405);
    }
    assert_eq!(service.get(&format!("{PRODUCTS}?limit=1")).await.json()["from_cache"], true);
    assert_eq!(delete(&service, "shop:list:*").await, 1);
    assert_eq!(delete_all(&service).await, 0, "nothing is left");
}

#[tokio::test]
async fn without_a_cache_there_is_nothing_to_delete() {
    let service = hotshelf().backend("none").start().await;
    fill(&service).await;
    assert_eq!((delete_all(&service).await, delete(&service, "product:*").await), (0, 0));
}

#[tokio::test]
async fn entries_are_deleted_from_the_memory_of_another_instance() {
    let redis = RedisServer::start();
    let directory = tempfile::tempdir().unwrap();
    let builder = hotshelf().redis(&redis).shared_db(&directory.path().join("products.db"));
    let (one, other) = (builder.clone().start().await, builder.start().await);
    wait_for_redis(&one, "up").await;
    wait_for_redis(&other, "up").await;
    fill(&one).await;
    let ids = format!("{ORGANIZATIONS}/1/product-ids");
    for pattern in [None, Some("product:*")] {
        for path in [ids.as_str(), "/api/v1/products/1"] {
            let in_memory = async || {
                let reply = other.get(path).await.expect(200);
                reply.header("cache-status").ends_with("detail=l1")
            };
            wait_until("the other instance has it in memory", PATIENCE, in_memory).await;
            match pattern {
                None => delete_all(&one).await,
                Some(pattern) => delete(&one, pattern).await,
            };
            // After the push from Redis, it is loaded again.
            let loaded = async || other.get(path).await.expect(200).json()["from_cache"] == false;
            wait_until("the other instance loads it again", PATIENCE, loaded).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_a_hanging_redis_are_invalid_when_it_is_back() {
    let redis = RedisServer::start();
    let service = start_with(&redis).await;
    fill(&service).await;
    wait_for_entries(&redis).await;
    redis.pause();
    assert_eq!(delete_all(&service).await, CACHED.len() as u64, "the entries in memory");
    redis.resume();
    wait_for_redis(&service, "up").await;
    let reads: Vec<&str> = missed(&service).await;
    assert_eq!(reads.len(), CACHED.len(), "only {reads:?} were loaded again");
}

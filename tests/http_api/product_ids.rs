//! `…/product-ids` of organizations and schemas: all ids, from the cache or, if there are many, as a stream.

use std::path::Path;
use std::process::Command;

use hotshelf_testkit::{Client, RedisServer, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, SCHEMAS, create, create_many, create_organization, create_schema, delete, id, numbers,
    update, wait_for_redis,
};
use hotshelf_testkit::shapes::{cache_status, fields, invalid_fields};

/// Up to this many ids are cached; more are streamed.
const MOST_CACHED: usize = 50_000;

async fn get(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200).json()
}

/// A service with an organization and a schema of its own, a product to create there, and the paths of the ids of both.
async fn shop() -> (Service, Value, [String; 2]) {
    let service = hotshelf().backend("memory").start().await;
    let (cup, paths) = shop_in(&service).await;
    (service, cup, paths)
}

async fn shop_in(service: &Service) -> (Value, [String; 2]) {
    let shop = create_organization(service, "Shop").await;
    let kind = create_schema(service, shop, &json!([])).await;
    let paths = [format!("{ORGANIZATIONS}/{shop}/product-ids"), format!("{SCHEMAS}/{kind}/product-ids")];
    (json!({"name": "Cup", "price": 1, "organization_id": shop, "schema_id": kind}), paths)
}

#[tokio::test]
async fn all_ids_come_in_order_and_then_from_the_cache() {
    let (service, cup, paths) = shop().await;
    for path in &paths {
        assert_eq!(get(&service, path).await, json!({"ids": [], "total": 0, "from_cache": false}));
    }
    let mut expected = Vec::new();
    for _ in 0..3 {
        create(&service, &json!({"name": "Somebody else's", "price": 1})).await;
        expected.push(id(&create(&service, &cup).await));
    }
    for path in &paths {
        for from_cache in [false, true] {
            assert_eq!(get(&service, path).await, json!({"ids": expected, "total": 3, "from_cache": from_cache}));
        }
    }
    for everybodys in [format!("{ORGANIZATIONS}/1/product-ids"), format!("{SCHEMAS}/1/product-ids")] {
        assert_eq!(get(&service, &everybodys).await["ids"], json!([1, 3, 5]));
    }
}

#[tokio::test]
async fn ids_have_the_headers_for_caches() {
    let (service, cup, paths) = shop().await;
    create(&service, &cup).await;
    for (path, life) in paths.iter().zip([15 * 60, 20 * 60]) {
        let miss = service.get(path).await.expect(200);
        assert_eq!(cache_status(&miss), ["fwd=miss", "stored"]);
        let hit = service.get(path).await.expect(200);
        let status = cache_status(&hit);
        assert_eq!((status[0].as_str(), status[2].as_str()), ("hit", "detail=l1"));
        let ttl: i64 = status[1].strip_prefix("ttl=").unwrap().parse().unwrap();
        assert!((life * 85 / 100..=life * 110 / 100).contains(&ttl), "{path}: {ttl} s");
        let etag = hit.header("etag");
        assert_eq!((etag, hit.header("cache-control")), (miss.header("etag"), "no-cache"));
        assert_eq!(service.get(path).header("if-none-match", etag).await.expect(304).text(), "");
        let forced = service.get(path).header("cache-control", "no-cache").await.expect(200);
        assert_eq!(cache_status(&forced), ["fwd=request", "detail=database"]);
        assert_eq!((&forced.json()["from_cache"], forced.header("etag")), (&json!(false), etag));
    }
}

#[tokio::test]
async fn creates_and_deletes_show_at_once_and_updates_keep_the_ids() {
    let redis = RedisServer::start();
    // Redis invalidates exactly the right sets; in memory, other sets may share a counter.
    let service = hotshelf().redis(&redis).backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    let (cup, paths) = shop_in(&service).await;
    let read = async || {
        let [organization, schema] = [get(&service, &paths[0]).await, get(&service, &paths[1]).await];
        assert_eq!(organization["ids"], schema["ids"]);
        (numbers(&organization["ids"]), [organization, schema].map(|ids| ids["from_cache"] == true))
    };
    read().await;
    let first = create(&service, &cup).await;
    assert_eq!(read().await, (vec![1], [false, false]));
    create_many(&service, &[cup.clone(), cup.clone()]).await;
    assert_eq!(read().await, (vec![1, 2, 3], [false, false]));
    update(&service, &first, &json!({"name": "Mug", "price": 2, "stock": 7, "category": "Kitchen"})).await;
    assert_eq!(read().await, (vec![1, 2, 3], [true, true]));
    create(&service, &json!({"name": "Somebody else's", "price": 1})).await;
    assert_eq!(read().await, (vec![1, 2, 3], [true, true]));
    delete(&service, &first).await;
    assert_eq!(read().await, (vec![2, 3], [false, false]));
    service.post(&format!("{PRODUCTS}/bulk-delete")).json(&json!({"ids": [2]})).await.expect(200);
    assert_eq!(read().await, (vec![3], [false, false]));
}

#[tokio::test]
async fn bad_ids_and_methods_are_refused() {
    let (service, _, paths) = shop().await;
    for id in ["0", "-1", "x", "9223372036854775808"] {
        for owner in [ORGANIZATIONS, SCHEMAS] {
            assert_eq!(invalid_fields(service.get(&format!("{owner}/{id}/product-ids")).await), ["id"]);
        }
    }
    for method in ["POST", "PUT", "DELETE"] {
        service.request(method, &paths[0]).json(&json!({})).await.expect(405);
    }
}

/// `hotshelf seed` on that database.
fn seed(database: &Path, products: usize) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotshelf"));
    command.env_clear().env("DB_PATH", database).env("CACHE_BACKEND", "memory").env("RUST_LOG", "error");
    let output = command.args(["seed", "--products", &products.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn more_ids_than_are_cached_are_streamed() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("products.db");
    seed(&database, MOST_CACHED);
    let service = hotshelf().backend("memory").database(&database).start().await;
    let paths = [format!("{ORGANIZATIONS}/1/product-ids"), format!("{SCHEMAS}/1/product-ids")];
    for path in &paths {
        for from_cache in [false, true] {
            let body = get(&service, path).await;
            assert_eq!(
                (&body["total"], &body["from_cache"]),
                (&json!(MOST_CACHED), &json!(from_cache)),
                "just as many"
            );
        }
    }

    let one_more = create(&service, &json!({"name": "Cup", "price": 1})).await;
    assert_eq!(one_more["id"], MOST_CACHED + 1);
    for path in &paths {
        for _ in 0..2 {
            let reply = service.get(path).await.expect(200);
            assert_eq!((reply.header("content-type"), reply.header("cache-control")), ("application/json", "no-cache"));
            assert_eq!(reply.find_header("content-length"), None, "a stream has no length");
            assert_eq!(cache_status(&reply), ["fwd=request", "detail=database"]);
            let body = reply.json();
            assert_eq!(fields(&body), ["from_cache", "ids", "total"]);
            assert_eq!((&body["total"], &body["from_cache"]), (&json!(MOST_CACHED + 1), &json!(false)));
            assert!(numbers(&body["ids"]).into_iter().eq(1..=MOST_CACHED as i64 + 1), "each id once, in order");
        }
    }
    assert_eq!(service.request("HEAD", &paths[0]).await.expect(200).text(), "");

    delete(&service, &one_more).await;
    assert_eq!(get(&service, &paths[0]).await["total"], MOST_CACHED);
    assert_eq!(get(&service, &paths[0]).await["from_cache"], true, "it is small again");
}

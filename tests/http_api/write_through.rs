//! `CACHE_WRITE_STRATEGY=write_through`: a product is a hit right after a write, and id sets that are in use stay
//! cached.

use hotshelf_testkit::{Client, RedisServer, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, SCHEMAS, create, create_many, create_organization, create_schema, delete, id, lookup,
    numbers, path, update, wait_for_redis,
};

/// A service for each backend with a cache.
async fn services(redis: &RedisServer) -> Vec<Service> {
    let mut services = Vec::new();
    for backend in ["memory", "redis", "tiered"] {
        let prefix = format!("{backend}:");
        let builder = hotshelf().redis(redis).backend(backend).env("CACHE_PREFIX", prefix);
        let service = builder.env("CACHE_WRITE_STRATEGY", "write_through").start().await;
        if backend != "memory" {
            wait_for_redis(&service, "up").await;
        }
        services.push(service);
    }
    services
}

/// The body without its source and duration. It must come from the cache.
#[track_caller]
fn hit(body: Value) -> Value {
    let mut body = body;
    assert_eq!(body["from_cache"], true, "{body}");
    let object = body.as_object_mut().unwrap();
    object.retain(|name, _| name != "from_cache" && name != "duration_ms");
    body
}

async fn get(client: &Client, path: &str) -> Value {
    client.get(path).await.expect(200).json()
}

/// The product in the database.
async fn stored(client: &Client, path: &str) -> Value {
    client.get(path).header("cache-control", "no-cache").await.expect(200).json()
}

#[tokio::test]
async fn a_read_right_after_a_write_is_a_hit() {
    let redis = RedisServer::start();
    for service in services(&redis).await {
        let product = create(&service, &json!({"name": "Cup", "price": 1})).await;
        assert_eq!(hit(lookup(&service, &product).await.json())["product"], product);
        for stock in 1..=3 {
            let product = update(&service, &product, &json!({"stock": stock})).await;
            assert_eq!(hit(lookup(&service, &product).await.json())["product"], product);
            assert_eq!(stored(&service, &path(&product)).await["product"], product);
        }
        let details = format!("{}/details", path(&product));
        let images = json!({"images": [{"url": "https://example.com/a.jpg"}]});
        let written = service.put(&details).json(&images).await.expect(200).json();
        let read = hit(get(&service, &details).await);
        for part in ["product", "fields", "images"] {
            assert_eq!(read[part], written[part]);
        }
        assert_eq!(hit(lookup(&service, &product).await.json())["product"], written["product"]);

        update(&service, &product, &json!({"price": 2})).await;
        assert_eq!(get(&service, &details).await["product"]["price"], 2.0, "details follow");
        delete(&service, &product).await;
        for path in [path(&product), details] {
            service.get(&path).await.expect(404);
        }
    }
}

#[tokio::test]
async fn id_sets_that_were_read_stay_cached() {
    let redis = RedisServer::start();
    for service in services(&redis).await {
        let shop = create_organization(&service, "Shop").await;
        let kind = create_schema(&service, shop, &json!([])).await;
        let target = create_schema(&service, shop, &json!([])).await;
        let draft = json!({"name": "Cup", "price": 1, "organization_id": shop, "schema_id": kind});
        let sets = [
            format!("{ORGANIZATIONS}/{shop}/product-ids"),
            format!("{SCHEMAS}/{kind}/product-ids"),
            format!("{SCHEMAS}/{target}/product-ids"),
        ];
        for set in &sets {
            assert_eq!(get(&service, set).await["from_cache"], false);
        }
        // Those that the write changed are hits. The others are hits too, unless they share a write counter in memory.
        let kept = async |touched: &[usize]| {
            let mut kept = Vec::new();
            for (place, set) in sets.iter().enumerate() {
                let ids = get(&service, set).await;
                let ids = if touched.contains(&place) { hit(ids) } else { ids };
                assert_eq!(ids["total"], numbers(&ids["ids"]).len());
                assert_eq!(ids["ids"], stored(&service, set).await["ids"]);
                kept.push(numbers(&ids["ids"]));
            }
            kept
        };
        let first = create(&service, &draft).await;
        let a = id(&first);
        assert_eq!(kept(&[0, 1]).await, [vec![a], vec![a], vec![]], "create");
        let many = create_many(&service, &[draft.clone(), draft.clone()]).await;
        let (b, c) = (many[0], many[1]);
        assert_eq!(kept(&[0, 1]).await, [vec![a, b, c], vec![a, b, c], vec![]], "create many");
        update(&service, &first, &json!({"schema_id": target})).await;
        assert_eq!(kept(&[1, 2]).await, [vec![a, b, c], vec![b, c], vec![a]], "move");
        delete(&service, &json!({"id": b})).await;
        assert_eq!(kept(&[0, 1]).await, [vec![a, c], vec![c], vec![a]], "delete");
        service.post(&format!("{PRODUCTS}/bulk-delete")).json(&json!({"ids": [a, 777]})).await.expect(200);
        assert_eq!(kept(&[0, 2]).await, [vec![c], vec![c], vec![]], "delete many");
    }
}

#[tokio::test]
async fn id_sets_that_were_not_read_are_not_loaded() {
    let redis = RedisServer::start();
    for service in services(&redis).await {
        let product = create(&service, &json!({"name": "Cup", "price": 1})).await;
        create_many(&service, &[json!({"name": "Cup", "price": 1})]).await;
        delete(&service, &product).await;
        let metrics = service.metrics().await;
        for cache in ["org_ids", "schema_ids"] {
            assert_eq!(metrics.find("cache_loads_total", &[("type", cache)]).unwrap_or_default(), 0.0, "{cache}");
        }
        assert_eq!(get(&service, &format!("{ORGANIZATIONS}/1/product-ids")).await["from_cache"], false);
    }
}

#[tokio::test]
async fn lists_show_each_write() {
    let redis = RedisServer::start();
    for service in services(&redis).await {
        for number in 1..=3 {
            let product = create(&service, &json!({"name": "Cup", "price": number})).await;
            for query in ["", "?order=-price", "?search=cup"] {
                let page = get(&service, &format!("{PRODUCTS}{query}")).await;
                assert_eq!(page["total"], number, "{query}");
                assert!(page["products"].as_array().unwrap().contains(&product), "{query}");
            }
            let product = update(&service, &product, &json!({"name": "Mug", "price": 50 - number})).await;
            assert_eq!(get(&service, &format!("{PRODUCTS}?search=mug")).await["total"], number);
            let page = get(&service, &format!("{PRODUCTS}?order=price")).await;
            assert!(page["products"].as_array().unwrap().contains(&product));
            update(&service, &product, &json!({"name": "Cup Mug"})).await;
        }
    }
}

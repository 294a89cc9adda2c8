//! Many products in one request: `POST /api/v1/products/bulk`, `POST /api/v1/products/bulk-delete`, `GET …?ids=`.

use hotshelf_testkit::{Client, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    PRODUCTS, create, create_many, create_organization, create_schema, id, ids, lookup, numbers, read,
    reset_statistics, statistics, update,
};
use hotshelf_testkit::shapes::{assert_duration_ms, cache_status, fields, invalid_fields, problem};

const BULK: &str = "/api/v1/products/bulk";
const BULK_DELETE: &str = "/api/v1/products/bulk-delete";

async fn service() -> Service {
    hotshelf().backend("memory").start().await
}

fn cups(count: usize) -> Vec<Value> {
    (1..=count).map(|number| json!({"name": format!("Cup {number}"), "price": number})).collect()
}

async fn total(client: &Client) -> i64 {
    client.get(&format!("{PRODUCTS}?limit=1")).await.expect(200).json()["total"].as_i64().unwrap()
}

async fn by_ids(client: &Client, ids: &str) -> Value {
    client.get(&format!("{PRODUCTS}?ids={ids}")).await.expect(200).json()
}

async fn bulk_delete(client: &Client, ids: &Value) -> Value {
    client.post(BULK_DELETE).json(&json!({"ids": ids})).await.expect(200).json()
}

/// The number of database operations with this name so far.
async fn queries(client: &Client, operation: &str) -> f64 {
    client.metrics().await.find("db_query_duration_seconds_count", &[("operation", operation)]).unwrap_or_default()
}

/// Valid and invalid products, and the invalid fields of each by its index.
async fn mixed(client: &Client) -> (Vec<Value>, Value) {
    let other = create_organization(client, "Other").await;
    let schema = create_schema(client, other, &json!([{"name": "size", "type": "number", "required": true}])).await;
    let products = vec![
        json!({"name": "Cup", "price": 1}),
        json!({"name": "", "price": -1}),
        json!({"name": "Plate", "price": 2, "stock": 7, "category": "Kitchen"}),
        json!({"name": "Bowl", "price": 3, "colour": "red", "stock": "many"}),
        json!("Cup"),
        json!(null),
        json!({"name": "Pot", "price": 1, "organization_id": 77}),
        json!({"name": "Pan", "price": 1, "organization_id": 1, "schema_id": schema}),
        json!({"name": "Lid", "price": 1, "organization_id": other, "schema_id": schema}),
        json!({"name": "Lid", "price": 1, "organization_id": other, "schema_id": schema, "fields": {"size": 3}}),
        json!({}),
    ];
    let bad = json!([
        [1, ["name", "price"]],
        [3, ["colour", "stock"]],
        [4, ["product"]],
        [5, ["product"]],
        [6, ["organization_id"]],
        [7, ["schema_id"]],
        [8, ["fields.size"]],
        [10, ["name", "price"]],
    ]);
    (products, bad)
}

/// The field names of a list of errors, sorted.
fn named(errors: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for error in errors.as_array().unwrap() {
        assert_eq!(fields(error), ["field", "message"]);
        assert_ne!(error["message"], "");
        names.push(error["field"].as_str().unwrap().to_owned());
    }
    names.sort_unstable();
    names
}

#[tokio::test]
async fn valid_products_are_stored_and_invalid_ones_named_by_index() {
    let service = service().await;
    let (products, bad) = mixed(&service).await;
    let reply = service.post(BULK).json(&json!({"products": products})).await.expect(201);
    assert_eq!(reply.header("content-type"), "application/json");
    let body = reply.json();
    assert_eq!(fields(&body), ["created", "errors"]);
    assert_eq!(body["created"], json!([1, 2, 3]));
    let mut told = Vec::new();
    for error in body["errors"].as_array().unwrap() {
        assert_eq!(fields(error), ["errors", "index"]);
        told.push(json!([error["index"], named(&error["errors"])]));
    }
    assert_eq!(json!(told), bad);
    let page = service.get(PRODUCTS).await.expect(200).json();
    assert_eq!((ids(&page), &page["total"]), (vec![1, 2, 3], &json!(3)));
    assert_eq!((&page["products"][1]["name"], &page["products"][1]["stock"]), (&json!("Plate"), &json!(7)));
    let details = service.get(&format!("{PRODUCTS}/3/details")).await.expect(200).json();
    assert_eq!(details["fields"], json!({"size": 3}));
}

#[tokio::test]
async fn an_atomic_bulk_create_with_an_invalid_product_stores_none() {
    let service = service().await;
    let (products, bad) = mixed(&service).await;
    let atomic = async |products: &[Value]| {
        service.post(&format!("{BULK}?atomic=true")).json(&json!({"products": products})).await
    };
    let reply = atomic(&products).await;
    let named: Vec<String> = invalid_fields(reply);
    // Errors that need the database are reported when there are no others.
    for (index, fields) in [(1, ["name", "price"]), (3, ["colour", "stock"]), (10, ["name", "price"])] {
        for field in fields {
            assert!(named.contains(&format!("products[{index}].{field}")), "{named:?}");
        }
    }
    assert_eq!(total(&service).await, 0);

    let index = |entry: &Value| usize::try_from(entry[0].as_u64().unwrap()).unwrap();
    for entry in bad.as_array().unwrap() {
        let some = [products[0].clone(), products[index(entry)].clone(), products[2].clone()];
        let named = invalid_fields(atomic(&some).await);
        let expected: Vec<String> = entry[1]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| format!("products[1].{}", field.as_str().unwrap()))
            .collect();
        assert_eq!(named, expected);
        assert_eq!(total(&service).await, 0, "nothing was stored");
    }
    let good = [products[0].clone(), products[2].clone(), products[9].clone()];
    assert_eq!(atomic(&good).await.expect(201).json(), json!({"created": [1, 2, 3], "errors": []}));
    assert_eq!(total(&service).await, 3);
}

#[tokio::test]
async fn a_bulk_create_without_valid_products_stores_none() {
    let service = service().await;
    let body = service.post(BULK).json(&json!({"products": [{}, 7]})).await.expect(201).json();
    assert_eq!((&body["created"], body["errors"].as_array().unwrap().len()), (&json!([]), 2));
}

#[tokio::test]
async fn a_bulk_create_accepts_a_thousand_products_at_most() {
    let service = service().await;
    let mut products = cups(1_001);
    // The body is longer than that of a single product may be.
    for product in &mut products {
        product["description"] = json!("é".repeat(1_000));
    }
    let reply = service.post(BULK).json(&json!({"products": products})).await;
    assert_eq!(invalid_fields(reply), ["products"]);
    assert_eq!(total(&service).await, 0);
    let all: Vec<i64> = (1..=1_000).collect();
    assert_eq!(create_many(&service, &products[..1_000]).await, all);
    assert_eq!(total(&service).await, 1_000);
    assert_eq!(read(&service, &json!({"id": 1_000})).await["name"], "Cup 1000");

    let reply = service.post(BULK_DELETE).json(&json!({"ids": (1..=1_001).collect::<Vec<_>>()})).await;
    assert_eq!(invalid_fields(reply), ["ids"]);
    assert_eq!(total(&service).await, 1_000);
    assert_eq!(bulk_delete(&service, &json!(all)).await, json!({"deleted": all, "missing": []}));
    assert_eq!(total(&service).await, 0);
}

#[tokio::test]
async fn a_body_without_a_list_is_refused() {
    let service = service().await;
    create_many(&service, &cups(1)).await;
    let bodies = [
        "",
        "{",
        "[]",
        "[[1]]",
        "[[{\"name\":\"Cup\",\"price\":1}]]",
        "null",
        "7",
        "{}",
        "{\"products\":{}}",
        "{\"products\":null}",
        "{\"products\":7}",
        "{\"products\":[}",
        "{\"products\":[{\"name\":\"Cup\",\"price\":1},]}",
        "{\"products\":[{\"name\":\"Cup\",\"price\":1}],\"more\":1}",
        "{\"products\":[{\"name\":\"Cup\",\"price\":1}],\"products\":[]}",
        "{\"ids\":{}}",
        "{\"ids\":[\"1\"]}",
        "{\"ids\":[1.5]}",
        "{\"ids\":[null]}",
        "{\"ids\":[[1]]}",
        "{\"ids\":[1],\"more\":1}",
        "{\"ids\":[1e30]}",
        "{\"ids\":[9223372036854775808]}",
    ];
    for path in [BULK, BULK_DELETE] {
        for body in bodies {
            problem(service.post(path).header("content-type", "application/json").body(body).await, 400);
        }
        problem(service.post(path).body("{}").await, 415);
        for method in ["GET", "PUT", "DELETE"] {
            // The path is taken for a product whose id is not a number.
            let status = service.request(method, path).json(&json!({})).await.status;
            assert!(status == 400 || status == 405, "{method} {path}: {status}");
        }
    }
    assert_eq!(invalid_fields(service.post(BULK).json(&json!({"products": []})).await), ["products"]);
    assert_eq!(invalid_fields(service.post(BULK_DELETE).json(&json!({"ids": []})).await), ["ids"]);
    for (list, place) in [(json!([1, 0]), "ids[1]"), (json!([-1]), "ids[0]")] {
        assert_eq!(invalid_fields(service.post(BULK_DELETE).json(&json!({"ids": list})).await), [place]);
    }
    for (query, name) in [("atomic=yes", "atomic"), ("atomic=", "atomic"), ("all=true", "all")] {
        let reply = service.post(&format!("{BULK}?{query}")).json(&json!({"products": cups(1)})).await;
        assert_eq!(invalid_fields(reply), [name]);
    }
    assert_eq!(total(&service).await, 1, "nothing was changed");
}

#[tokio::test]
async fn existing_products_are_deleted_and_missing_ones_named() {
    let service = service().await;
    create_many(&service, &cups(5)).await;
    for id in 1..=5 {
        lookup(&service, &json!({"id": id})).await;
    }
    assert_eq!(total(&service).await, 5);
    let body = bulk_delete(&service, &json!([4, 77, 2, 4, 77, 2])).await;
    assert_eq!(body, json!({"deleted": [4, 2], "missing": [77]}));
    for id in [2, 4] {
        problem(service.get(&format!("{PRODUCTS}/{id}")).await, 404);
        problem(service.get(&format!("{PRODUCTS}/{id}/details")).await, 404);
    }
    assert_eq!(ids(&service.get(PRODUCTS).await.json()), [1, 3, 5]);
    assert_eq!(bulk_delete(&service, &json!([2, 4, 9_223_372_036_854_775_807_i64])).await["deleted"], json!([]));
    assert_eq!(bulk_delete(&service, &json!([5])).await["deleted"], json!([5]));
    assert_eq!(create_many(&service, &cups(1)).await, [6], "no id is used again");
}

#[tokio::test]
async fn products_come_in_the_order_of_their_ids_in_the_request() {
    let service = service().await;
    create_many(&service, &cups(4)).await;
    let mut body = by_ids(&service, "3,77,1,%202,1,99,3").await;
    assert_eq!(fields(&body), ["duration_ms", "from_cache", "missing", "products"]);
    assert_duration_ms(&body["duration_ms"]);
    assert_eq!((ids(&body), numbers(&body["missing"])), (vec![3, 1, 2], vec![77, 99]));
    for product in body["products"].as_array_mut().unwrap() {
        assert_eq!(*product, read(&service, product).await);
    }
    let none = by_ids(&service, "77").await;
    assert_eq!((ids(&none), numbers(&none["missing"])), (vec![], vec![77]));
}

#[tokio::test]
async fn products_by_id_are_one_batch_in_the_database_and_then_hits() {
    // The audit of cached entries reads the database, too.
    let service = hotshelf().backend("memory").env("AUDIT_RATE", 0).start().await;
    create_many(&service, &cups(300)).await;
    let all = (1..=300).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    lookup(&service, &json!({"id": 7})).await;
    let (before, singles) = (queries(&service, "find_many").await, queries(&service, "find").await);
    assert_eq!(by_ids(&service, &all).await["from_cache"], false);
    assert_eq!(queries(&service, "find_many").await, before + 1.0);
    reset_statistics(&service).await;
    let hit = service.get(&format!("{PRODUCTS}?ids={all}")).await.expect(200);
    assert_eq!((&hit.json()["from_cache"], &cache_status(&hit)[0]), (&json!(true), &"hit".to_owned()));
    assert_eq!((queries(&service, "find_many").await, queries(&service, "find").await), (before + 1.0, singles));
    let stats = statistics(&service).await;
    assert_eq!((&stats["hits"], &stats["misses"]), (&json!(300), &json!(0)));

    // The entries are those of the single products, and only invalid ones are loaded again.
    assert_eq!(lookup(&service, &json!({"id": 299})).await.json()["from_cache"], true);
    update(&service, &json!({"id": 8}), &json!({"stock": 5})).await;
    let changed = service.get(&format!("{PRODUCTS}?ids=7,8")).header("if-none-match", hit.header("etag")).await;
    assert_eq!(changed.expect(200).json()["products"][1]["stock"], 5);
    let etag = hit.header("etag");
    let new = service.get(&format!("{PRODUCTS}?ids={all}")).header("if-none-match", etag).await.expect(200);
    let etag = new.header("etag");
    service.get(&format!("{PRODUCTS}?ids={all}")).header("if-none-match", etag).await.expect(304);
    let forced = service.get(&format!("{PRODUCTS}?ids=1,777")).header("cache-control", "no-cache").await.expect(200);
    assert_eq!(cache_status(&forced), ["fwd=request", "detail=database"]);
    assert_eq!((ids(&forced.json()), numbers(&forced.json()["missing"])), (vec![1], vec![777]));
}

#[tokio::test]
async fn a_negative_entry_is_invalidated_by_a_create() {
    let service = service().await;
    for _ in 0..2 {
        assert_eq!(numbers(&by_ids(&service, "1,2").await["missing"]), [1, 2]);
    }
    let one = create(&service, &json!({"name": "Cup", "price": 1})).await;
    assert_eq!(ids(&by_ids(&service, "1,2").await), [id(&one)]);
    create_many(&service, &cups(1)).await;
    assert_eq!(ids(&by_ids(&service, "2,1").await), [2, 1]);
}

#[tokio::test]
async fn bad_lists_of_ids_are_refused() {
    let service = service().await;
    let join = |count: i64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    for bad in ["", ",", "1,", "1,,2", "0", "-1", "1.5", "x", "1;2", "[1]", "9223372036854775808", "*", &join(1_001)] {
        assert_eq!(invalid_fields(service.get(&format!("{PRODUCTS}?ids={bad}")).await), ["ids"], "{bad}");
    }
    for other in ["limit=5", "offset=0", "search=cup", "order=price", "cursor=x", "in_stock=true"] {
        let name = other.split('=').next().unwrap();
        assert_eq!(invalid_fields(service.get(&format!("{PRODUCTS}?ids=1&{other}")).await), [name]);
    }
    assert_eq!(invalid_fields(service.get(&format!("{PRODUCTS}?ids=1&ids=2")).await), ["ids"]);
    assert_eq!(numbers(&by_ids(&service, &join(1_000)).await["missing"]).len(), 1_000);
}

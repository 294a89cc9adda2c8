//! `/api/v1/products` and `/api/v1/products/{id}`: create, read, change, delete.

use serde_json::json;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, create_named, delete, laptop, lookup, path, read, update};
use hotshelf_testkit::shapes::{assert_duration_ms, assert_utc, fields, problem, time};

#[tokio::test]
async fn create_answers_with_the_whole_product_and_its_location() {
    let service = hotshelf().start().await;
    let reply = service.post(PRODUCTS).json(&laptop()).await.expect(201);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("location"), "/api/v1/products/1");
    let mut body = reply.json();
    assert_utc(&body["product"]["created_at"]);
    assert_eq!(body["product"]["updated_at"], body["product"]["created_at"]);
    body["product"]["created_at"] = json!("now");
    body["product"]["updated_at"] = json!("now");
    let expected = json!({
        "message": "Product created successfully",
        "product": {
            "id": 1, "name": "Laptop", "description": "High-performance laptop", "price": 999.99, "stock": 50,
            "category": "Electronics", "organization_id": 1, "schema_id": 1, "version": 1,
            "created_at": "now", "updated_at": "now",
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn omitted_fields_get_their_defaults() {
    let service = hotshelf().start().await;
    let product = create(&service, &json!({"name": "Pencil", "price": 0.5})).await;
    assert_eq!(product["description"], "");
    assert_eq!(product["stock"], 0);
    assert_eq!(product["category"], "");
    assert_eq!(product["organization_id"], 1);
    assert_eq!(product["schema_id"], 1);
}

#[tokio::test]
async fn a_read_returns_the_created_product_then_from_the_cache() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    for from_cache in [false, true] {
        let reply = lookup(&service, &product).await;
        assert_eq!(reply.header("content-type"), "application/json");
        let body = reply.json();
        assert_eq!(fields(&body), ["duration_ms", "from_cache", "product"]);
        assert_eq!(body["product"], product);
        assert_eq!(body["from_cache"], from_cache);
        assert_duration_ms(&body["duration_ms"]);
    }
}

#[tokio::test]
async fn a_name_is_trimmed() {
    let service = hotshelf().start().await;
    assert_eq!(create_named(&service, "  Desk lamp\t").await["name"], "Desk lamp");
}

#[tokio::test]
async fn text_is_returned_unchanged() {
    let service = hotshelf().start().await;
    let awkward = "Käse \"Emmentaler\" \\ 東京 🧀 <b>'; DROP TABLE products;--\n\u{1}";
    let sent = json!({"name": "Cheese", "description": awkward, "category": awkward, "price": 3});
    let product = create(&service, &sent).await;
    for body in [lookup(&service, &product).await.json(), lookup(&service, &product).await.json()] {
        assert_eq!(body["product"]["description"], awkward);
        assert_eq!(body["product"]["category"], awkward);
    }
}

#[tokio::test]
async fn a_price_is_exact_to_the_cent() {
    let service = hotshelf().start().await;
    for price in ["0.01", "0.29", "4.35", "1.15", "123456789.01", "999999999.99", "1000000000"] {
        let body = format!(r#"{{"name": "Thing", "price": {price}}}"#);
        let created = service.post(PRODUCTS).header("content-type", "application/json").body(body).await.expect(201);
        let expected: serde_json::Value = serde_json::from_str(price).unwrap();
        let product = created.json()["product"].take();
        assert_eq!(product["price"].as_f64(), expected.as_f64());
        assert_eq!(read(&service, &product).await["price"].as_f64(), expected.as_f64());
    }
}

#[tokio::test]
async fn an_update_changes_only_the_given_fields() {
    let service = hotshelf().start().await;
    let before = create(&service, &laptop()).await;
    for (method, stock, version) in [("PUT", 49, 2), ("PATCH", 48, 3)] {
        let reply = service.request(method, &path(&before)).json(&json!({"stock": stock})).await.expect(200);
        let mut body = reply.json();
        assert_eq!(fields(&body), ["message", "product"]);
        assert!(body["message"].is_string());
        assert!(time(&body["product"]["updated_at"]) >= time(&before["updated_at"]));
        assert_eq!(read(&service, &before).await, body["product"]);
        body["product"]["updated_at"] = before["updated_at"].clone();
        let mut expected = before.clone();
        expected["stock"] = json!(stock);
        expected["version"] = json!(version);
        assert_eq!(body["product"], expected);
    }
}

#[tokio::test]
async fn an_update_of_every_field_is_stored() {
    let service = hotshelf().start().await;
    let before = create(&service, &laptop()).await;
    let change = json!({"name": "Desk", "description": "", "price": 0.01, "stock": 0, "category": "Furniture"});
    update(&service, &before, &change).await;
    let after = read(&service, &before).await;
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(&after[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_deleted_product_is_not_found_by_any_method() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let body = service.delete(&path(&product)).await.expect(200).json();
    assert_eq!(fields(&body), ["message"]);
    let gone = [
        service.get(&path(&product)).await,
        service.put(&path(&product)).json(&json!({"stock": 1})).await,
        service.patch(&path(&product)).json(&json!({"stock": 1})).await,
        service.delete(&path(&product)).await,
    ];
    for reply in gone {
        assert_eq!(problem(reply, 404)["detail"], "Product 1 does not exist");
    }
}

#[tokio::test]
async fn an_id_is_never_used_again() {
    let mut service = hotshelf().start().await;
    let first = create_named(&service, "First").await;
    delete(&service, &first).await;
    let second = create_named(&service, "Second").await;
    assert_eq!(second["id"], 2);
    delete(&service, &second).await;
    service.restart().await;
    assert_eq!(create_named(&service, "Third").await["id"], 3);
}

#[tokio::test]
async fn an_unknown_product_that_is_created_later_is_found() {
    let service = hotshelf().start().await;
    for _ in 0..2 {
        problem(service.get("/api/v1/products/1").await, 404);
    }
    let product = create(&service, &laptop()).await;
    assert_eq!(product["id"], 1);
    assert_eq!(read(&service, &product).await, product);
}

#[tokio::test]
async fn products_survive_a_restart() {
    let mut service = hotshelf().start().await;
    let kept = create(&service, &laptop()).await;
    let changed = create_named(&service, "Desk").await;
    let changed = update(&service, &changed, &json!({"price": 2.5})).await;
    let deleted = create_named(&service, "Chair").await;
    delete(&service, &deleted).await;
    service.restart().await;
    assert_eq!(read(&service, &kept).await, kept);
    assert_eq!(read(&service, &changed).await, changed);
    problem(service.get(&path(&deleted)).await, 404);
}

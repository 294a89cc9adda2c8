//! The envelope API for simple clients: the same products and the same cache in another format.

use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{create, laptop, lookup, read, update};
use hotshelf_testkit::shapes::{assert_utc, fields};

#[track_caller]
fn assert_enveloped(body: &Value) {
    assert_eq!(fields(body), ["data", "message", "source", "status"]);
    assert_eq!(body["status"], "success");
    assert!(body["message"].is_string());
    assert!(["cache", "database"].contains(&body["source"].as_str().unwrap_or_default()), "{body}");
    assert_eq!(fields(&body["data"]), ["id", "last_updated", "name", "price"]);
    assert_utc(&body["data"]["last_updated"]);
}

#[tokio::test]
async fn a_product_is_created_read_and_changed() {
    let service = hotshelf().backend("memory").start().await;
    let reply = service.post("/products").json(&json!({"name": "Laptop", "price": 999.99})).await.expect(201);
    assert_eq!(reply.header("content-type"), "application/json");
    let created = reply.json();
    assert_enveloped(&created);
    assert_eq!(created["data"]["id"], "1");
    assert_eq!((&created["data"]["name"], &created["data"]["price"]), (&json!("Laptop"), &json!(999.99)));

    for source in ["database", "cache"] {
        let body = service.get("/products/1").await.expect(200).json();
        assert_enveloped(&body);
        assert_eq!((&body["data"], &body["source"]), (&created["data"], &json!(source)));
    }

    let changed = service.put("/products/1").json(&json!({"price": 899})).await.expect(200).json();
    assert_enveloped(&changed);
    let body = service.get("/products/1").await.expect(200).json();
    assert_eq!((&body["data"], body["data"]["price"].as_f64()), (&changed["data"], Some(899.0)));
    assert_eq!((&body["data"]["name"], &body["source"]), (&json!("Laptop"), &json!("database")));
}

#[tokio::test]
async fn both_apis_show_the_same_product_from_the_same_cache() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let enveloped = service.get("/products/1").await.expect(200).json();
    assert_eq!(enveloped["source"], "cache");
    assert_eq!(enveloped["data"]["last_updated"], product["updated_at"]);

    update(&service, &product, &json!({"name": "Desk"})).await;
    assert_eq!(service.get("/products/1").await.expect(200).json()["data"]["name"], "Desk");

    service.put("/products/1").json(&json!({"price": 5})).await.expect(200);
    let body = lookup(&service, &product).await.json();
    assert_eq!((body["product"]["price"].as_f64(), &body["product"]["version"]), (Some(5.0), &json!(3)));
}

#[tokio::test]
async fn errors_are_wrapped_too_with_the_same_status() {
    let service = hotshelf().start().await;
    let replies = [
        (service.get("/products/7").await, 404),
        (service.put("/products/7").json(&json!({"price": 5})).await, 404),
        (service.get("/products/abc").await, 400),
        (service.post("/products").json(&json!({"name": "Laptop"})).await, 400),
        (service.post("/products").json(&json!({"name": "Laptop", "price": 1, "colour": "red"})).await, 400),
        (service.post("/products").header("content-type", "application/json").body("{").await, 400),
        (service.post("/products").body("{}").await, 415),
    ];
    for (reply, status) in replies {
        let reply = reply.expect(status);
        assert_eq!(reply.header("content-type"), "application/json", "{reply:?}");
        let body = reply.json();
        assert_eq!(body["status"], "error", "{reply:?}");
        assert_ne!(body["message"].as_str().unwrap(), "", "{reply:?}");
    }
}

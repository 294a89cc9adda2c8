//! 400 for invalid requests: every invalid field is named, and nothing is changed.

use hotshelf_testkit::{Client, Reply};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path, read};
use hotshelf_testkit::shapes::{invalid_fields, problem};

async fn post_text(client: &Client, body: &str) -> Reply {
    client.post(PRODUCTS).header("content-type", "application/json").body(body).await
}

fn with(field: &str, value: Value) -> Value {
    let mut product = laptop();
    product[field] = value;
    product
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let service = hotshelf().start().await;
    for body in ["", "{", "{\"name\": \"Laptop\", \"price\": 1", "[]", "null", "7", "\"text\"", "{} {}", "\u{feff}x"] {
        problem(post_text(&service, body).await, 400);
    }
    assert_eq!(service.get(PRODUCTS).await.expect(200).json()["total"], 0);
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let service = hotshelf().start().await;
    let body = json!({
        "name": " ", "description": "x".repeat(1_001), "price": -1, "stock": -1, "category": "x".repeat(101),
    });
    let reply = service.post(PRODUCTS).json(&body).await;
    assert_eq!(invalid_fields(reply), ["category", "description", "name", "price", "stock"]);
}

#[tokio::test]
async fn wrong_types_and_unknown_fields_are_named_beside_broken_rules() {
    let service = hotshelf().start().await;
    let body = json!({"name": 7, "price": 0, "stock": "many", "colour": "red"});
    assert_eq!(invalid_fields(service.post(PRODUCTS).json(&body).await), ["colour", "name", "price", "stock"]);
}

#[tokio::test]
async fn name_and_price_are_required() {
    let service = hotshelf().start().await;
    assert_eq!(invalid_fields(service.post(PRODUCTS).json(&json!({})).await), ["name", "price"]);
    assert_eq!(invalid_fields(service.post(PRODUCTS).json(&json!({"name": "Laptop"})).await), ["price"]);
}

#[tokio::test]
async fn a_problem_says_what_is_expected() {
    let service = hotshelf().start().await;
    let body = problem(service.post(PRODUCTS).json(&with("price", json!(0))).await, 400);
    assert_eq!(body["errors"], json!([{"field": "price", "message": "must be greater than 0"}]));
}

#[tokio::test]
async fn values_past_the_bounds_are_refused() {
    let service = hotshelf().start().await;
    let bad = [
        ("name", json!("")),
        ("name", json!("\t\n ")),
        ("name", json!("x".repeat(256))),
        ("name", json!(null)),
        ("description", json!("é".repeat(1_001))),
        ("price", json!(0)),
        ("price", json!(-0.01)),
        ("price", json!(0.001)),
        ("price", json!(9.999)),
        ("price", json!(1_000_000_000.01)),
        ("price", json!(1e300)),
        ("price", json!("9.99")),
        ("price", json!(true)),
        ("stock", json!(-1)),
        ("stock", json!(1.5)),
        ("stock", json!(1e30)),
        ("stock", json!("7")),
        ("category", json!("é".repeat(101))),
        ("category", json!(["a"])),
        ("id", json!(7)),
        ("version", json!(7)),
        ("created_at", json!("2026-01-15T10:30:00Z")),
    ];
    for (field, value) in bad {
        let reply = service.post(PRODUCTS).json(&with(field, value.clone())).await;
        assert_eq!(invalid_fields(reply), [field], "{value}");
    }
    assert_eq!(service.get(PRODUCTS).await.expect(200).json()["total"], 0);
}

#[tokio::test]
async fn values_at_the_bounds_are_accepted() {
    let service = hotshelf().start().await;
    let good = [
        ("name", json!("é".repeat(255))),
        ("name", json!(format!("  {}  ", "x".repeat(255)))),
        ("description", json!("é".repeat(1_000))),
        ("category", json!("é".repeat(100))),
        ("price", json!(0.01)),
        ("price", json!(1_000_000_000)),
        ("stock", json!(0)),
    ];
    for (field, value) in good {
        create(&service, &with(field, value)).await;
    }
}

#[tokio::test]
async fn an_update_has_the_same_rules_and_changes_nothing_if_refused() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    let change = json!({"name": "", "price": 1.001, "stock": 7, "colour": "red"});
    for method in ["PUT", "PATCH"] {
        let reply = service.request(method, &path(&product)).json(&change).await;
        assert_eq!(invalid_fields(reply), ["colour", "name", "price"]);
    }
    assert_eq!(read(&service, &product).await, product);
}

#[tokio::test]
async fn an_id_is_a_positive_integer_of_64_bits() {
    let service = hotshelf().start().await;
    for id in ["0", "-1", "1.5", "abc", "9223372036854775808", "1%20", "%FF"] {
        for method in ["GET", "PUT", "DELETE"] {
            let request = service.request(method, &format!("{PRODUCTS}/{id}")).json(&json!({"stock": 1}));
            problem(request.await, 400);
        }
    }
    problem(service.get(&format!("{PRODUCTS}/9223372036854775807")).await, 404);
}

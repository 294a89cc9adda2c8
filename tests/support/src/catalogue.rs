//! What the stories do with the catalogue, in its own words.

use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::wait::{PATIENCE, wait_until};

/// The path of all products.
pub const PRODUCTS: &str = "/api/v1/products";

/// A product with every field of its own choice.
pub fn laptop() -> Value {
    json!({
        "name": "Laptop",
        "description": "High-performance laptop",
        "price": 999.99,
        "stock": 50,
        "category": "Electronics",
    })
}

/// The product after its creation.
pub async fn create(client: &Client, product: &Value) -> Value {
    client.post(PRODUCTS).json(product).await.expect(201).json()["product"].take()
}

/// The product with that name, at a price of 1, after its creation.
pub async fn create_named(client: &Client, name: &str) -> Value {
    create(client, &json!({"name": name, "price": 1})).await
}

/// The product after the change.
pub async fn update(client: &Client, product: &Value, change: &Value) -> Value {
    client.put(&path(product)).json(change).await.expect(200).json()["product"].take()
}

/// The product as it reads now.
pub async fn read(client: &Client, product: &Value) -> Value {
    lookup(client, product).await.json()["product"].take()
}

/// The answer to reading the product.
pub async fn lookup(client: &Client, product: &Value) -> Reply {
    client.get(&path(product)).await.expect(200)
}

/// Takes the product out of the catalogue.
pub async fn delete(client: &Client, product: &Value) {
    client.delete(&path(product)).await.expect(200);
}

/// `/api/v1/products/7` for the product 7.
pub fn path(product: &Value) -> String {
    format!("{PRODUCTS}/{}", product["id"])
}

/// The statistics of the cache, without the time around them.
pub async fn statistics(client: &Client) -> Value {
    client.get("/api/v1/cache/stats").await.expect(200).json()["cache_stats"].take()
}

/// Puts the counters of the cache back to 0.
pub async fn reset_statistics(client: &Client) {
    client.post("/api/v1/cache/stats/reset").await.expect(200);
}

/// Returns when the service sees Redis as `up` or `down`.
pub async fn wait_for_redis(client: &Client, state: &str) {
    let seen = async || statistics(client).await["l2"]["state"] == state;
    wait_until(&format!("the state of l2 is {state:?}"), PATIENCE, seen).await;
}

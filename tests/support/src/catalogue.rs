//! Operations on the catalogue, for tests.

use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::wait::{PATIENCE, wait_until};

/// The path of all products.
pub const PRODUCTS: &str = "/api/v1/products";

/// The path of all organizations.
pub const ORGANIZATIONS: &str = "/api/v1/organizations";

/// The path of all schemas.
pub const SCHEMAS: &str = "/api/v1/schemas";

/// A product with a value for every field.
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

/// Deletes the product.
pub async fn delete(client: &Client, product: &Value) {
    client.delete(&path(product)).await.expect(200);
}

/// The id of an organization of that name, after its creation.
pub async fn create_organization(client: &Client, name: &str) -> i64 {
    id(&client.post(ORGANIZATIONS).json(&json!({"name": name})).await.expect(201).json()["organization"])
}

/// The id of a schema with these fields, after its creation for the organization.
pub async fn create_schema(client: &Client, organization: i64, fields: &Value) -> i64 {
    let schema = json!({"organization_id": organization, "name": "Kind", "fields": fields});
    id(&client.post(SCHEMAS).json(&schema).await.expect(201).json()["schema"])
}

/// The ids of the products, in their order, after the creation of all.
pub async fn create_many(client: &Client, products: &[Value]) -> Vec<i64> {
    let created =
        client.post(&format!("{PRODUCTS}/bulk")).json(&json!({"products": products})).await.expect(201).json();
    assert_eq!(created["errors"], json!([]));
    numbers(&created["created"])
}

/// The ids of the products on a page, in their order.
pub fn ids(page: &Value) -> Vec<i64> {
    page["products"].as_array().unwrap_or_else(|| panic!("no page: {page}")).iter().map(id).collect()
}

/// The id of an object.
pub fn id(object: &Value) -> i64 {
    object["id"].as_i64().unwrap_or_else(|| panic!("no id: {object}"))
}

/// A list of numbers.
pub fn numbers(list: &Value) -> Vec<i64> {
    let number = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("no list of numbers: {list}"));
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(number).collect()
}

/// The text for a path or a query: every character except letters and digits as `%` and two digits.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        plain if plain.is_ascii_alphanumeric() => char::from(plain).to_string(),
        special => format!("%{special:02X}"),
    };
    text.bytes().map(byte).collect()
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

//! Isolation of organizations: objects of another organization are not found.

use hotshelf_testkit::catalogue::{PRODUCTS, create, create_named, path};
use hotshelf_testkit::{Client, Reply};
use serde_json::{Value, json};

use crate::fixture::Fixture;

fn ids(page: &Reply) -> Vec<Value> {
    let page = page.json();
    page["products"].as_array().unwrap().iter().map(|product| product["id"].clone()).collect()
}

async fn page(client: &Client, query: &str) -> Vec<Value> {
    ids(&client.get(&format!("{PRODUCTS}{query}")).await.expect(200))
}

#[tokio::test]
async fn lists_searches_and_batches_stay_within_the_organization() {
    let fixture = Fixture::open().await;
    let mut own = Vec::new();
    for name in ["Red cup", "Blue cup", "Green cup"] {
        own.push(create_named(&fixture.admin, name).await["id"].clone());
    }
    let foreign = create_named(&fixture.other, "Red cup of theirs").await;
    assert_eq!(foreign["organization_id"], fixture.other_organization);
    let foreign = [foreign["id"].clone()];

    assert_eq!(page(&fixture.viewer, "").await, own);
    assert_eq!(page(&fixture.other, "").await, foreign);
    assert_eq!(page(&fixture.viewer, "?search=red").await, [own[0].clone()]);
    assert_eq!(page(&fixture.other, "?search=cup").await, foreign);
    assert_eq!(page(&fixture.viewer, "?organization_id=1&order=name").await.len(), 3);
    fixture.viewer.get(&format!("{PRODUCTS}?organization_id={}", fixture.other_organization)).await.expect(403);
    assert_eq!(page(&fixture.viewer, "?schema_id=1").await, own);
    let theirs =
        fixture.other.post("/api/v1/schemas").json(&json!({"name": "Cups", "fields": []})).await.expect(201).json();
    for unseen in [theirs["schema"]["id"].clone(), json!(999_999)] {
        fixture.viewer.get(&format!("{PRODUCTS}?schema_id={unseen}")).await.expect(404);
    }
    let list = fixture.viewer.get(PRODUCTS).await.expect(200);
    assert_eq!(list.header("cache-control"), "private, no-cache");

    let all = format!("{PRODUCTS}?ids={},{},{}", own[1], foreign[0], own[0]);
    for _ in 0..2 {
        let batch = fixture.viewer.get(&all).await.expect(200);
        assert_eq!(ids(&batch), [own[1].clone(), own[0].clone()]);
        assert_eq!(batch.json()["missing"], json!(foreign));
        let batch = fixture.viewer.get(&all).header("cache-control", "no-cache").await.expect(200);
        assert_eq!(batch.json()["missing"], json!(foreign));
    }
    let members = fixture.viewer.get("/api/v1/schemas/1/products?order=name").await.expect(200);
    assert_eq!(ids(&members), [own[1].clone(), own[2].clone(), own[0].clone()]);
    let numbers = fixture.other.get("/api/v1/schemas/1/product-ids").await.expect(200).json();
    assert_eq!((&numbers["ids"], &numbers["total"]), (&json!(foreign), &json!(1)));
    let late = create_named(&fixture.other, "Late").await;
    let numbers = fixture.other.get("/api/v1/schemas/1/product-ids").await.expect(200).json();
    assert_eq!(numbers["ids"], json!([foreign[0], late["id"]]));
}

#[tokio::test]
async fn a_cursor_leads_through_the_products_of_the_own_organization() {
    let fixture = Fixture::open().await;
    for index in 0..6 {
        let client = if index % 2 == 0 { &fixture.admin } else { &fixture.other };
        create_named(client, &format!("Cup {index}")).await;
    }
    for query in ["limit=1", "limit=1&order=-name", "limit=1&organization_id=1"] {
        let (mut seen, mut cursor) = (0, String::new());
        loop {
            let page = fixture.viewer.get(&format!("{PRODUCTS}?{query}{cursor}")).await.expect(200);
            assert_eq!(page.json()["total"], 3);
            seen += ids(&page).len();
            match page.json()["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, 3, "{query}");
    }
}

#[tokio::test]
async fn a_cached_product_is_not_shown_to_another_organization() {
    let fixture = Fixture::open().await;
    let cup = create_named(&fixture.admin, "Cup").await;
    for _ in 0..3 {
        fixture.viewer.get(&path(&cup)).await.expect(200);
        let hidden = fixture.other.get(&path(&cup)).await.expect(404);
        assert_eq!(hidden.json()["detail"], format!("Product {} does not exist", cup["id"]));
        fixture.other.get(&path(&cup)).header("if-none-match", "*").await.expect(404);
        fixture.other.get(&format!("{}/details", path(&cup))).await.expect(404);
        fixture.service.get(&path(&cup)).await.expect(401);
    }
    fixture.other.put(&path(&cup)).json(&json!({"price": 2})).await.expect(404);
    fixture.other.delete(&path(&cup)).await.expect(404);
    let gone = fixture.other.post("/api/v1/products/bulk-delete").json(&json!({"ids": [cup["id"]]})).await.expect(200);
    assert_eq!(gone.json(), json!({"deleted": [], "missing": [cup["id"]]}));
    assert_eq!(fixture.viewer.get(&path(&cup)).await.expect(200).json()["product"], cup);
}

#[tokio::test]
async fn new_objects_belong_to_the_callers_organization() {
    let fixture = Fixture::open().await;
    let home = fixture.other_organization;
    let made = create(&fixture.other, &json!({"name": "Cup", "price": 1, "organization_id": home})).await;
    assert_eq!(made["organization_id"], home);
    let foreign = json!({"name": "Cup", "price": 1, "organization_id": 1});
    let refused = fixture.other.post(PRODUCTS).json(&foreign).await.expect(403).json();
    assert_eq!(refused["detail"], format!("you may only use your own organization, {home}"));

    let bulk = json!({"products": [{"name": "A", "price": 1}, foreign]});
    let bulk = fixture.other.post("/api/v1/products/bulk").json(&bulk).await.expect(201).json();
    assert_eq!(bulk["created"].as_array().unwrap().len(), 1);
    assert_eq!(bulk["errors"][0]["errors"][0], json!({"field": "organization_id", "message": "must be your own"}));

    let schema = json!({"name": "Cups", "fields": []});
    let schema = fixture.other.post("/api/v1/schemas").json(&schema).await.expect(201).json();
    assert_eq!(schema["schema"]["organization_id"], home);
    let theirs = json!({"name": "Cup", "price": 1, "schema_id": schema["schema"]["id"]});
    fixture.admin.post(PRODUCTS).json(&theirs).await.expect(400);
    fixture.other.post(PRODUCTS).json(&theirs).await.expect(201);
}

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

/// No other number in an answer has these digits.
const UNKNOWN: i64 = 7_777_777_001;

/// An answer without what differs from request to request, as if [`UNKNOWN`] were the other id.
fn seen(reply: &Reply, id: &Value) -> (u16, Vec<(String, String)>, String) {
    // The entity tag of a list is the hash of its body, which names the id.
    let varies = |name: &str| ["x-request-id", "date", "content-length", "etag"].contains(&name);
    let text = |text: &str| text.replace(&UNKNOWN.to_string(), &id.to_string());
    let headers = reply.headers.iter().filter(|(name, _)| !varies(name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), text(value.to_str().unwrap()))).collect();
    let body: Value = serde_json::from_str(reply.text()).unwrap_or_default();
    let mut body = body.as_object().cloned().unwrap_or_default();
    body.remove("duration_ms");
    body.remove("request_id");
    (reply.status, headers, text(&Value::from(body).to_string()))
}

/// The body of a request about that id.
type Body = Box<dyn Fn(&Value) -> Value>;

/// Whether it was read a moment ago, by its owner or by whoever guesses, or never.
#[tokio::test]
async fn nothing_tells_an_object_of_others_from_one_that_does_not_exist() {
    // The audit of cached entries reads the database, too.
    let fixture = Fixture::open_with(&[("AUDIT_RATE", "0")]).await;
    let cup = create_named(&fixture.admin, "Cup").await;
    let mine = create_named(&fixture.other, "Mine").await["id"].clone();
    let schema = json!({"name": "Cups", "fields": []});
    let schema = fixture.admin.post("/api/v1/schemas").json(&schema).await.expect(201).json()["schema"]["id"].clone();
    let user = crate::fixture::me(&fixture.viewer).await["id"].clone();
    let key = json!({"name": "Import"});
    let key = fixture.admin.post("/api/v1/auth/api-keys").json(&key).await.expect(201).json()["api_key"]["id"].clone();
    let patch = json!({"price": 2});
    let new = |id: &Value| json!({"name": "Cup", "price": 1, "schema_id": id});
    let first = json!(1);
    let cases: Vec<(&str, &Value, Option<Body>)> = vec![
        ("GET /api/v1/products/{id}", &cup["id"], None),
        ("HEAD /api/v1/products/{id}", &cup["id"], None),
        ("GET /api/v1/products/{id}/details", &cup["id"], None),
        ("GET /products/{id}", &cup["id"], None),
        ("GET /api/v1/products?ids={id}", &cup["id"], None),
        ("GET /api/v1/products?ids={id},{mine}", &cup["id"], None),
        ("PUT /api/v1/products/{id}", &cup["id"], Some(Box::new(move |_| patch.clone()))),
        ("PUT /api/v1/products/{id}/details", &cup["id"], Some(Box::new(|_| json!({"images": 1})))),
        ("DELETE /api/v1/products/{id}", &cup["id"], None),
        ("POST /api/v1/products/bulk-delete", &cup["id"], Some(Box::new(|id| json!({"ids": [id]})))),
        ("POST /api/v1/products", &schema, Some(Box::new(new))),
        ("POST /api/v1/products/bulk", &schema, Some(Box::new(move |id| json!({"products": [new(id)]})))),
        ("PUT /api/v1/products/{mine}", &schema, Some(Box::new(|id| json!({"schema_id": id})))),
        ("GET /api/v1/products?schema_id={id}", &schema, None),
        ("GET /api/v1/schemas/{id}", &schema, None),
        ("PUT /api/v1/schemas/{id}", &schema, Some(Box::new(|_| json!({"name": "Mine"})))),
        ("GET /api/v1/schemas/{id}/products", &schema, None),
        ("GET /api/v1/schemas/{id}/product-ids", &schema, None),
        ("GET /api/v1/organizations/{id}", &first, None),
        ("PATCH /api/v1/organizations/{id}", &first, Some(Box::new(|_| json!({"suspended": true})))),
        ("DELETE /api/v1/organizations/{id}", &first, None),
        ("GET /api/v1/organizations/{id}/products", &first, None),
        ("GET /api/v1/organizations/{id}/product-ids", &first, None),
        ("GET /api/v1/products?organization_id={id}", &first, None),
        ("GET /api/v1/audit?organization_id={id}", &first, None),
        ("GET /api/v1/users?organization_id={id}", &first, None),
        ("GET /api/v1/users/{id}", &user, None),
        ("PATCH /api/v1/users/{id}", &user, Some(Box::new(|_| json!({"role": "viewer"})))),
        ("DELETE /api/v1/users/{id}", &user, None),
        ("DELETE /api/v1/users/{id}/sessions", &user, None),
        ("DELETE /api/v1/api-keys/{id}", &key, None),
        ("DELETE /api/v1/auth/api-keys/{id}", &key, None),
    ];
    for (operation, foreign, body) in cases {
        let (method, route) = operation.split_once(' ').unwrap();
        let unknown = json!(UNKNOWN);
        for round in 0..3 {
            let mut answers = Vec::new();
            for id in [foreign, &unknown] {
                // Its owner has just read it.
                for owned in
                    [path(&cup), format!("{}/details", path(&cup)), format!("/api/v1/schemas/{schema}/products")]
                {
                    fixture.viewer.get(&owned).await.expect(200);
                }
                let path = route.replace("{id}", &id.to_string()).replace("{mine}", &mine.to_string());
                let request = fixture.other.request(method, &path);
                let reads = reads(&fixture).await;
                let reply = match &body {
                    Some(body) => request.json(&body(id)).await,
                    None => request.await,
                };
                answers.push((seen(&reply, foreign), self::reads(&fixture).await - reads));
            }
            let ((foreign, reads), (unknown, reads_of_unknown)) = (&answers[0], &answers[1]);
            assert_eq!(foreign, unknown, "{operation}, round {round}");
            assert_eq!(reads, reads_of_unknown, "{operation}, round {round}");
        }
    }
}

/// Reads of the database for requests: a hit and a miss take differently long.
async fn reads(fixture: &Fixture) -> f64 {
    let metrics = fixture.admin.metrics().await;
    let of = |operation| metrics.find("db_query_duration_seconds_count", &[("operation", operation)]).unwrap_or(0.0);
    ["find", "find_many", "details", "schemas", "organizations", "page_ids", "ids"].into_iter().map(of).sum()
}

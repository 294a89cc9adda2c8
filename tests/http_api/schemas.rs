//! `/api/v1/schemas`: the details that products may have, and the pages of a schema's products.

use hotshelf_testkit::{Client, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    PRODUCTS, SCHEMAS, create, create_organization, create_schema, delete, id, ids, path, update,
};
use hotshelf_testkit::shapes::{fields, invalid_fields, problem};

fn shirt() -> Value {
    json!([
        {"name": "material", "type": "text", "required": true},
        {"name": "weight", "type": "number"},
        {"name": "washable", "type": "boolean", "required": false},
        {"name": "since", "type": "date", "options": []},
        {"name": "size", "type": "select", "options": ["S", "M", "L"]},
    ])
}

async fn service() -> Service {
    hotshelf().backend("memory").start().await
}

async fn schema(client: &Client, id: i64) -> Value {
    client.get(&format!("{SCHEMAS}/{id}")).await.expect(200).json()["schema"].take()
}

async fn change(client: &Client, id: i64, change: &Value) -> hotshelf_testkit::Reply {
    client.put(&format!("{SCHEMAS}/{id}")).json(change).await
}

/// A product of the schema with these details.
async fn product(client: &Client, schema: i64, details: &Value) -> Value {
    create(client, &json!({"name": "Shirt", "price": 9, "schema_id": schema, "fields": details})).await
}

#[tokio::test]
async fn create_answers_with_the_whole_schema_and_its_location() {
    let service = service().await;
    let sent = json!({"name": " Shirts ", "fields": shirt()});
    let reply = service.post(SCHEMAS).json(&sent).await.expect(201);
    assert_eq!(reply.header("location"), "/api/v1/schemas/2");
    let expected = json!({"schema": {
        "id": 2, "organization_id": 1, "name": "Shirts", "version": 1,
        "fields": [
            {"name": "material", "type": "text", "required": true, "options": []},
            {"name": "weight", "type": "number", "required": false, "options": []},
            {"name": "washable", "type": "boolean", "required": false, "options": []},
            {"name": "since", "type": "date", "required": false, "options": []},
            {"name": "size", "type": "select", "required": false, "options": ["S", "M", "L"]},
        ],
    }});
    assert_eq!(reply.json(), expected);
    let read = service.get("/api/v1/schemas/2").await.expect(200);
    assert_eq!((read.json(), read.header("etag")), (expected, reply.header("etag")));

    let bare = service.post(SCHEMAS).json(&json!({"name": "Bare"})).await.expect(201).json();
    assert_eq!(bare["schema"]["fields"], json!([]));
}

#[tokio::test]
async fn the_first_schema_is_built_in_and_cannot_change() {
    let service = service().await;
    let built_in = schema(&service, 1).await;
    assert_eq!(fields(&built_in), ["fields", "id", "name", "organization_id", "version"]);
    assert_eq!((&built_in["fields"], &built_in["organization_id"]), (&json!([]), &json!(1)));
    problem(change(&service, 1, &json!({"name": "Mine"})).await, 409);
    assert_eq!(schema(&service, 1).await, built_in);
    let other = create_organization(&service, "Other").await;
    create(&service, &json!({"name": "Cup", "price": 1, "organization_id": other, "schema_id": 1})).await;
}

#[tokio::test]
async fn every_invalid_part_is_named() {
    let service = service().await;
    let field = |field: Value| json!({"name": "Kind", "fields": [{"name": "good", "type": "text"}, field]});
    let select = |options: Value| field(json!({"name": "size", "type": "select", "options": options}));
    let many: Vec<Value> = (0..101).map(|number| json!({"name": number.to_string(), "type": "text"})).collect();
    let bad = [
        (json!({}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(256)}), "name"),
        (json!({"name": "Kind", "colour": 1}), "colour"),
        (json!({"name": "Kind", "version": 1}), "version"),
        (json!({"name": "Kind", "organization_id": 7}), "organization_id"),
        (json!({"name": "Kind", "organization_id": -1}), "organization_id"),
        (json!({"name": "Kind", "organization_id": "1"}), "organization_id"),
        (json!({"name": "Kind", "fields": {}}), "fields"),
        (json!({"name": "Kind", "fields": many}), "fields"),
        (json!({"name": "Kind", "fields": ["text"]}), "fields[0]"),
        (field(json!({"type": "text"})), "fields[1].name"),
        (field(json!({"name": "", "type": "text"})), "fields[1].name"),
        (field(json!({"name": " x", "type": "text"})), "fields[1].name"),
        (field(json!({"name": "x".repeat(101), "type": "text"})), "fields[1].name"),
        (field(json!({"name": "good", "type": "number"})), "fields[1].name"),
        (field(json!({"name": "x"})), "fields[1].type"),
        (field(json!({"name": "x", "type": "colour"})), "fields[1].type"),
        (field(json!({"name": "x", "type": "Text"})), "fields[1].type"),
        (field(json!({"name": "x", "type": "text", "required": 1})), "fields[1].required"),
        (field(json!({"name": "x", "type": "text", "options": ["a"]})), "fields[1].options"),
        (field(json!({"name": "x", "type": "select"})), "fields[1].options"),
        (field(json!({"name": "x", "type": "text", "default": 1})), "fields[1].default"),
        (select(json!([])), "fields[1].options"),
        (select(json!(["a", "a"])), "fields[1].options"),
        (select(json!(["a", ""])), "fields[1].options"),
        (select(json!(["a", 1])), "fields[1].options"),
        (select(json!(vec!["x".repeat(101)])), "fields[1].options"),
    ];
    for (body, name) in bad {
        assert_eq!(invalid_fields(service.post(SCHEMAS).json(&body).await), [name], "{body}");
    }
    problem(service.get("/api/v1/schemas/2").await, 404);
}

#[tokio::test]
async fn an_unknown_schema_is_not_found() {
    let service = service().await;
    let lists = [
        format!("{SCHEMAS}/7"),
        format!("{SCHEMAS}/7/products"),
        format!("{SCHEMAS}/7/product-ids"),
        format!("{PRODUCTS}?schema_id=7"),
    ];
    for path in &lists {
        for _ in 0..2 {
            assert_eq!(problem(service.get(path).await, 404)["detail"], "schema 7 does not exist", "{path}");
        }
    }
    problem(change(&service, 7, &json!({"name": "Mine"})).await, 404);
    for id in ["0", "-1", "x", "9223372036854775808"] {
        for tail in ["", "/products", "/product-ids"] {
            assert_eq!(invalid_fields(service.get(&format!("{SCHEMAS}/{id}{tail}")).await), ["id"], "{id}");
        }
    }
    for method in ["PATCH", "DELETE", "POST"] {
        problem(service.request(method, "/api/v1/schemas/1").json(&json!({"name": "Kind"})).await, 405);
    }
}

#[tokio::test]
async fn a_change_replaces_the_given_parts_and_increments_the_version() {
    let service = service().await;
    let kind = create_schema(&service, 1, &shirt()).await;
    let renamed = change(&service, kind, &json!({"name": "Tops"})).await.expect(200).json()["schema"].take();
    assert_eq!((&renamed["name"], &renamed["version"]), (&json!("Tops"), &json!(2)));
    assert_eq!(renamed["fields"].as_array().unwrap().len(), 5);
    let new = json!({"fields": [{"name": "colour", "type": "text"}]});
    let replaced = change(&service, kind, &new).await.expect(200).json()["schema"].take();
    assert_eq!((&replaced["name"], &replaced["version"]), (&json!("Tops"), &json!(3)));
    assert_eq!(replaced["fields"], json!([{"name": "colour", "type": "text", "required": false, "options": []}]));
    assert_eq!(change(&service, kind, &json!({})).await.expect(200).json()["schema"], replaced);
    assert_eq!(schema(&service, kind).await, replaced);
    let refused = change(&service, kind, &json!({"organization_id": 1, "name": "", "id": 7})).await;
    assert_eq!(invalid_fields(refused), ["id", "name", "organization_id"]);
    assert_eq!(schema(&service, kind).await, replaced);
}

#[tokio::test]
async fn a_lost_race_answers_412_and_changes_nothing() {
    let service = service().await;
    let kind = create_schema(&service, 1, &shirt()).await;
    let path = format!("{SCHEMAS}/{kind}");
    let first = service.get(&path).await.expect(200).header("etag").to_owned();
    let rename = |name: &str| service.put(&path).header("if-match", &first).json(&json!({"name": name}));
    let second = rename("One").await.expect(200);
    assert_ne!(second.header("etag"), first);
    problem(rename("Two").await, 412);
    assert_eq!(schema(&service, kind).await["name"], "One");
}

#[tokio::test]
async fn a_change_that_does_not_fit_products_names_their_number() {
    let service = service().await;
    let kind = create_schema(&service, 1, &shirt()).await;
    let mut products = Vec::new();
    for size in ["S", "M", "M", "L"] {
        products.push(product(&service, kind, &json!({"material": "wool", "size": size, "weight": 1})).await);
    }
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind});
    let keep = |last: Value| {
        let mut fields = shirt();
        fields[4] = last;
        json!({"fields": fields})
    };
    let select = |options: &[&str]| json!({"name": "size", "type": "select", "options": options});
    let mut more = shirt();
    more.as_array_mut().unwrap().push(json!({"name": "origin", "type": "text", "required": true}));
    let refused = [
        (keep(select(&["S", "L"])), 2),
        (keep(select(&["M", "L"])), 1),
        (keep(field("size", "number")), 4),
        (keep(field("length", "text")), 4),
        (json!({"fields": more}), 4),
        (json!({"fields": []}), 4),
    ];
    let before = schema(&service, kind).await;
    for (body, misfits) in &refused {
        let detail = problem(change(&service, kind, body).await, 409)["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("{misfits} products ")), "{body}: {detail}");
        assert_eq!(schema(&service, kind).await, before);
    }
    // Wider, or narrower where no product has a value.
    let washable = json!({"name": "washable", "type": "select", "options": ["yes"]});
    for fitting in [keep(select(&["XS", "S", "M", "L"])), keep(field("size", "text"))] {
        let mut fitting = fitting;
        fitting["fields"][2] = washable.clone();
        change(&service, kind, &fitting).await.expect(200);
    }
    // Deleted products do not count.
    for product in &products {
        delete(&service, product).await;
    }
    change(&service, kind, &refused[4].0).await.expect(200);
}

#[tokio::test]
async fn a_schema_is_only_for_products_of_its_organization() {
    let service = service().await;
    let (one, other) = (create_organization(&service, "One").await, create_organization(&service, "Other").await);
    let kind = create_schema(&service, one, &json!([])).await;
    assert_eq!(schema(&service, kind).await["organization_id"], one);
    let draft =
        |organization: i64| json!({"name": "Cup", "price": 1, "organization_id": organization, "schema_id": kind});
    create(&service, &draft(one)).await;
    // The answer does not show which schemas other organizations have: it is the same for an unknown schema.
    let unknown = json!({"name": "Cup", "price": 1, "organization_id": other, "schema_id": 77});
    let mut told = Vec::new();
    for draft in [draft(other), draft(1), unknown] {
        let reply = service.post(PRODUCTS).json(&draft).await;
        told.push(problem(reply.clone(), 400)["errors"][0]["message"].as_str().unwrap().replace("77", "2"));
        assert_eq!(invalid_fields(reply), ["schema_id"]);
    }
    assert!(told.iter().all(|message| *message == told[0]), "{told:?}");
    let foreign = create(&service, &json!({"name": "Cup", "price": 1, "organization_id": other})).await;
    let reply = service.put(&path(&foreign)).json(&json!({"schema_id": kind})).await;
    assert_eq!(invalid_fields(reply), ["schema_id"]);
}

#[tokio::test]
async fn a_product_moves_to_a_schema_that_its_details_fit() {
    let service = service().await;
    let kind = create_schema(&service, 1, &shirt()).await;
    let loose = create_schema(&service, 1, &json!([{"name": "material", "type": "text"}])).await;
    let shirt = product(&service, kind, &json!({"material": "wool"})).await;
    let sized = product(&service, kind, &json!({"material": "wool", "size": "M"})).await;
    let moved = update(&service, &shirt, &json!({"schema_id": loose})).await;
    assert_eq!((&moved["schema_id"], &moved["version"]), (&json!(loose), &json!(2)));
    let reply = service.put(&path(&sized)).json(&json!({"schema_id": loose, "stock": 3})).await;
    assert_eq!(invalid_fields(reply), ["fields.size"]);
    for unknown in [json!(77), json!(0), json!("2"), json!(null)] {
        let reply = service.put(&path(&sized)).json(&json!({"schema_id": unknown})).await;
        assert_eq!(invalid_fields(reply), ["schema_id"], "{unknown}");
    }
    let page = service.get(&format!("{SCHEMAS}/{loose}/products")).await.expect(200).json();
    assert_eq!(ids(&page), [id(&shirt)]);
    let page = service.get(&format!("{SCHEMAS}/{kind}/products")).await.expect(200).json();
    assert_eq!((ids(&page), &page["products"][0]), (vec![id(&sized)], &sized));
}

#[tokio::test]
async fn a_page_holds_the_schemas_products_and_no_others() {
    let service = service().await;
    let kind = create_schema(&service, 1, &json!([])).await;
    let mut products = Vec::new();
    for name in ["Red cup", "Blue cup", "Red plate"] {
        create(&service, &json!({"name": name, "price": 1})).await;
        products.push(id(&create(&service, &json!({"name": name, "price": 2, "schema_id": kind})).await));
    }
    let page = async |query: &str| service.get(&format!("{SCHEMAS}/{kind}/products{query}")).await.expect(200).json();
    let first = page("").await;
    assert_eq!(fields(&first), ["duration_ms", "from_cache", "limit", "page", "pages", "products", "total"]);
    assert_eq!((ids(&first), &first["total"]), (products.clone(), &json!(3)));
    assert_eq!(page("").await["from_cache"], true);
    assert_eq!(ids(&page("?order=name&limit=1&page=2").await), products[..1]);
    assert_eq!(ids(&page("?search=red+cup").await), products[..1]);
    for (query, name) in [("?page=0", "page"), ("?order=size", "order"), ("?offset=1", "offset")] {
        let reply = service.get(&format!("{SCHEMAS}/{kind}/products{query}")).await;
        assert_eq!(invalid_fields(reply), [name]);
    }
}

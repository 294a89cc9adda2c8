//! `/api/v1/products/{id}/details`: the fields of a product's schema, and its images.

mod images;

use hotshelf_testkit::{Client, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, create_named, create_schema, delete, lookup, path, read, update};
use hotshelf_testkit::shapes::{assert_duration_ms, cache_status, fields, invalid_fields, problem, time};

/// A service with a schema that has a field of each type, and a product with only the required fields.
async fn shirt() -> (Service, Value) {
    let service = hotshelf().backend("memory").start().await;
    let schema = json!([
        {"name": "material", "type": "text", "required": true},
        {"name": "weight", "type": "number"},
        {"name": "washable", "type": "boolean"},
        {"name": "since", "type": "date"},
        {"name": "size", "type": "select", "options": ["S", "M", "L"]},
    ]);
    let schema = create_schema(&service, 1, &schema).await;
    let draft = json!({"name": "Shirt", "price": 9, "schema_id": schema, "fields": {"material": "wool"}});
    let product = create(&service, &draft).await;
    (service, product)
}

fn details_path(product: &Value) -> String {
    format!("{}/details", path(product))
}

async fn details(client: &Client, product: &Value) -> Value {
    client.get(&details_path(product)).await.expect(200).json()
}

async fn put(client: &Client, product: &Value, details: &Value) -> Value {
    client.put(&details_path(product)).json(details).await.expect(200).json()
}

fn image(name: &str) -> Value {
    json!({"url": format!("https://example.com/{name}.jpg")})
}

#[tokio::test]
async fn a_product_without_details_has_empty_ones() {
    let service = hotshelf().backend("memory").start().await;
    let product = create_named(&service, "Cup").await;
    for from_cache in [false, true] {
        let mut body = details(&service, &product).await;
        assert_duration_ms(&body["duration_ms"]);
        body["duration_ms"] = json!(0);
        let expected =
            json!({"product": product, "fields": {}, "images": [], "from_cache": from_cache, "duration_ms": 0});
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn a_product_can_be_created_with_its_details() {
    let (service, shirt) = shirt().await;
    let all = json!({"material": "wool", "weight": 0.25, "washable": true, "since": "2024-02-29", "size": "M"});
    let draft = json!({
        "name": "Shirt", "price": 9, "schema_id": shirt["schema_id"], "fields": all,
        "images": [{"url": "https://example.com/a.jpg", "alt": "From before"}, {"url": "HTTP://b", "position": 0}],
    });
    let product = create(&service, &draft).await;
    assert_eq!(product["version"], 1);
    let body = details(&service, &product).await;
    assert_eq!(fields(&body), ["duration_ms", "fields", "from_cache", "images", "product"]);
    assert_eq!((&body["product"], &body["fields"]), (&product, &all));
    let expected = json!([
        {"id": 1, "url": "https://example.com/a.jpg", "alt": "From before", "position": 0},
        {"id": 2, "url": "HTTP://b", "alt": "", "position": 0},
    ]);
    assert_eq!(body["images"], expected);
}

#[tokio::test]
async fn a_change_replaces_the_given_parts_and_increments_the_version() {
    let (service, shirt) = shirt().await;
    let body =
        put(&service, &shirt, &json!({"fields": {"material": "silk", "size": "S"}, "images": [image("a")]})).await;
    assert_eq!(fields(&body), ["fields", "images", "message", "product"]);
    assert_eq!(body["product"]["version"], 2);
    assert!(time(&body["product"]["updated_at"]) >= time(&shirt["updated_at"]));
    assert_eq!(read(&service, &shirt).await, body["product"]);
    for part in ["product", "fields", "images"] {
        assert_eq!(details(&service, &shirt).await[part], body[part], "{part}");
    }

    let only_fields = put(&service, &shirt, &json!({"fields": {"material": "wool", "weight": 2}})).await;
    assert_eq!(only_fields["fields"], json!({"material": "wool", "weight": 2}));
    assert_eq!(only_fields["images"], body["images"]);
    let only_images = put(&service, &shirt, &json!({"images": []})).await;
    assert_eq!((&only_images["fields"], &only_images["images"]), (&only_fields["fields"], &json!([])));
    assert_eq!(only_images["product"]["version"], 4);

    let nothing = put(&service, &shirt, &json!({})).await;
    assert_eq!(nothing["product"], only_images["product"], "nothing was given");
    assert_eq!(details(&service, &shirt).await["fields"], only_fields["fields"]);
}

#[tokio::test]
async fn a_change_of_the_product_shows_in_its_details() {
    let (service, shirt) = shirt().await;
    details(&service, &shirt).await;
    let changed = update(&service, &shirt, &json!({"price": 7.5})).await;
    let body = details(&service, &shirt).await;
    assert_eq!((&body["product"], &body["fields"]), (&changed, &json!({"material": "wool"})));
}

#[tokio::test]
async fn each_type_accepts_valid_values() {
    let (service, shirt) = shirt().await;
    let good = [
        ("material", json!("")),
        ("material", json!("é'\";--\n🧀".repeat(100))),
        ("material", json!("é".repeat(10_000))),
        ("weight", json!(0)),
        ("weight", json!(-1.5e-7)),
        ("weight", json!(9_007_199_254_740_993_u64)),
        ("washable", json!(false)),
        ("since", json!("0001-01-01")),
        ("since", json!("2000-02-29")),
        ("since", json!("9999-12-31")),
        ("size", json!("L")),
    ];
    for (name, value) in good {
        let mut fields = json!({"material": "wool"});
        fields[name] = value;
        put(&service, &shirt, &json!({"fields": fields})).await;
        let forced = service.get(&details_path(&shirt)).header("cache-control", "no-cache").await.expect(200).json();
        for body in [forced, details(&service, &shirt).await, details(&service, &shirt).await] {
            assert_eq!(body["fields"], fields);
        }
    }
}

#[tokio::test]
async fn each_type_refuses_other_values() {
    let (service, shirt) = shirt().await;
    let dates = ["", "2023-02-29", "2023-13-01", "2023-1-1", "01.02.2023", "2023-01-01T00:00:00Z", " 2023-01-01"];
    let mut bad: Vec<(&str, Value)> = dates.iter().map(|date| ("since", json!(date))).collect();
    for (name, other) in [("material", json!(7)), ("weight", json!("7")), ("washable", json!(1)), ("size", json!("XL"))]
    {
        bad.push((name, other));
    }
    for name in ["material", "weight", "washable", "since", "size"] {
        bad.extend([json!(null), json!([]), json!({}), json!({"$ne": 1})].map(|value| (name, value)));
    }
    bad.extend([
        ("material", json!("x".repeat(10_001))),
        ("material", json!("a\0b")),
        ("material", json!(true)),
        ("weight", json!(true)),
        ("washable", json!("true")),
        ("since", json!(20_230_101)),
        ("size", json!("s")),
        ("size", json!("")),
    ]);
    let before = details(&service, &shirt).await;
    for (name, value) in bad {
        let mut fields = json!({"material": "wool"});
        fields[name] = value.clone();
        let reply = service.put(&details_path(&shirt)).json(&json!({"fields": fields})).await;
        assert_eq!(invalid_fields(reply), [format!("fields.{name}")], "{value}");
    }
    assert_eq!(details(&service, &shirt).await["product"], before["product"], "nothing was changed");
}

#[tokio::test]
async fn numbers_past_the_range_of_floating_point_are_refused() {
    let (service, shirt) = shirt().await;
    for number in ["1e400", "-1e400", "NaN", "Infinity"] {
        let body = format!(r#"{{"fields": {{"material": "wool", "weight": {number}}}}}"#);
        let request = service.put(&details_path(&shirt)).header("content-type", "application/json");
        problem(request.body(body).await, 400);
    }
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let (service, shirt) = shirt().await;
    let many: serde_json::Map<_, _> = (0..101).map(|number| (number.to_string(), json!(1))).collect();
    let bad = [
        (json!({"fields": {}}), vec!["fields.material"]),
        (json!({"fields": {"colour": "red", "size": "XL"}}), vec!["fields.colour", "fields.material", "fields.size"]),
        (json!({"fields": []}), vec!["fields"]),
        (json!({"fields": null}), vec!["fields"]),
        (json!({"fields": many}), vec!["fields"]),
        (json!({"images": {}, "name": "Shirt"}), vec!["images", "name"]),
        (json!({"product": {}}), vec!["product"]),
    ];
    for (body, names) in bad {
        assert_eq!(invalid_fields(service.put(&details_path(&shirt)).json(&body).await), names, "{body}");
        if body.get("fields").is_some_and(Value::is_object) {
            let mut draft = json!({"name": "Shirt", "price": 1, "schema_id": shirt["schema_id"]});
            draft["fields"] = body["fields"].clone();
            assert_eq!(invalid_fields(service.post(PRODUCTS).json(&draft).await), names, "{draft}");
        }
    }
    let reply = service.put(&path(&shirt)).json(&json!({"fields": {"material": "silk"}, "images": []})).await;
    assert_eq!(invalid_fields(reply), ["fields", "images"], "fields and images are changed with the details");
}

#[tokio::test]
async fn details_of_a_product_that_does_not_exist_are_not_found() {
    let (service, shirt) = shirt().await;
    details(&service, &shirt).await;
    delete(&service, &shirt).await;
    for product in [shirt, json!({"id": 77})] {
        for _ in 0..2 {
            let body = problem(service.get(&details_path(&product)).await, 404);
            assert_eq!(body["detail"], format!("Product {} does not exist", product["id"]));
        }
        problem(service.get(&details_path(&product)).header("cache-control", "no-cache").await, 404);
        problem(service.put(&details_path(&product)).json(&json!({})).await, 404);
    }
    for id in ["0", "-1", "x", "9223372036854775808"] {
        assert_eq!(invalid_fields(service.get(&format!("{PRODUCTS}/{id}/details")).await), ["id"]);
    }
    for method in ["POST", "PATCH", "DELETE"] {
        problem(service.request(method, &format!("{PRODUCTS}/1/details")).json(&json!({})).await, 405);
    }
}

#[tokio::test]
async fn details_have_the_headers_for_caches() {
    let (service, shirt) = shirt().await;
    let path = details_path(&shirt);
    let miss = service.get(&path).await.expect(200);
    assert_eq!(cache_status(&miss), ["fwd=miss", "stored"]);
    let hit = service.get(&path).await.expect(200);
    let [kind, ttl, detail] = &cache_status(&hit)[..] else { panic!("{hit:?}") };
    assert_eq!((kind.as_str(), detail.as_str()), ("hit", "detail=l1"));
    let ttl: u32 = ttl.strip_prefix("ttl=").unwrap().parse().unwrap();
    assert!((530..=660).contains(&ttl), "ten minutes, more or less: {ttl} s");
    assert_eq!(hit.header("cache-control"), "no-cache");

    let etag = hit.header("etag");
    assert!(etag.len() > 4 && etag.starts_with("W/\""), "no weak tag: {etag}");
    assert_eq!(service.get(&path).header("if-none-match", etag).await.expect(304).text(), "");
    let forced = service.get(&path).header("cache-control", "no-cache").await.expect(200);
    assert_eq!(cache_status(&forced), ["fwd=request", "detail=database"]);
    assert_eq!((forced.json()["from_cache"].clone(), forced.header("etag")), (json!(false), etag));

    let written = service.put(&path).json(&json!({"images": [image("a")]})).await.expect(200);
    let changed = service.get(&path).header("if-none-match", etag).await.expect(200);
    assert_ne!(changed.header("etag"), etag);
    assert_eq!(changed.header("etag"), written.header("etag"));
}

#[tokio::test]
async fn a_value_older_than_x_min_version_is_ignored() {
    let (service, shirt) = shirt().await;
    put(&service, &shirt, &json!({"images": [image("a")]})).await;
    details(&service, &shirt).await;
    let path = details_path(&shirt);
    for (version, from_cache) in [("1", true), ("2", true), ("7", false)] {
        let reply = service.get(&path).header("x-min-version", version).await.expect(200);
        assert_eq!(reply.json()["from_cache"], from_cache, "{version}: {reply:?}");
    }
    for bad in ["", "-1", "x", "1.5"] {
        assert_eq!(invalid_fields(service.get(&path).header("x-min-version", bad).await), ["X-Min-Version"], "{bad}");
    }
}

#[tokio::test]
async fn a_lost_race_answers_412_and_changes_nothing() {
    let (service, shirt) = shirt().await;
    let (path, stale) = (details_path(&shirt), lookup(&service, &shirt).await.header("etag").to_owned());
    let silk = json!({"fields": {"material": "silk"}});
    service.put(&path).header("if-match", &stale).json(&silk).await.expect(200);
    let before = details(&service, &shirt).await;
    // The product and its details have the same version.
    for tag in [stale, "\"other\"".to_owned()] {
        problem(service.put(&path).header("if-match", &tag).json(&json!({"images": []})).await, 412);
        assert_eq!(details(&service, &shirt).await["product"], before["product"]);
    }
    let now = service.get(&path).await.expect(200).header("etag").to_owned();
    service.put(&path).header("if-match", &now).json(&silk).await.expect(200);
    problem(
        service
            .put(&hotshelf_testkit::catalogue::path(&shirt))
            .header("if-match", &now)
            .json(&json!({"stock": 1}))
            .await,
        412,
    );
}

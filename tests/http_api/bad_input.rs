//! Malformed and hostile input. Each request is refused with a problem that says why, or is answered if it is harmless.
//! No input makes the service fail, and none shows data of another organization.

mod bodies;
mod random;

use hotshelf_testkit::{Reply, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, SCHEMAS, create, create_organization, create_schema, encoded, ids, read, statistics,
};
use hotshelf_testkit::shapes::{invalid_fields, problem};

/// Texts with a special meaning in SQL, the full-text index, Redis' patterns, URLs or terminals.
const TEXTS: [&str; 30] = [
    "'; DROP TABLE products; --",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "1; SELECT * FROM organizations",
    "') UNION SELECT id, name FROM products --",
    "%",
    "_%_",
    "\\",
    "\\'",
    "\"unbalanced",
    "*",
    "cup*",
    "AND",
    "OR NOT",
    "NEAR(cup plate, 3)",
    "name:cup",
    "{name} : cup",
    "-cup",
    "^cup + \"",
    "(((",
    "product:*",
    "[a-z]?",
    "a:order=-price",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "${jndi:ldap://example.com}",
    "\u{202e}\u{200b}\u{feff}",
    "\u{301}\u{301}",
    "𞤀𞤁 ꟷ ½²",
    "\r\nset-cookie: a=b",
];

/// A service with a product, and a schema that the product does not have.
async fn service() -> Service {
    let service = hotshelf().backend("memory").start().await;
    create(&service, &json!({"name": "Cup", "price": 1})).await;
    create_schema(&service, 1, &json!([{"name": "size", "type": "number"}])).await;
    service
}

/// Accepts an answer, or a problem caused by the client.
#[track_caller]
fn sane(reply: Reply) {
    match reply.status {
        200 | 201 => {}
        status if (400..500).contains(&status) => drop(problem(reply, status)),
        _ => panic!("{reply:?}"),
    }
}

#[tokio::test]
async fn special_texts_are_plain_text() {
    let service = service().await;
    let before = service.get(ORGANIZATIONS).await.expect(200).json();
    for text in TEXTS {
        let draft = json!({"name": format!("x{text}"), "description": text, "category": text, "price": 1});
        let product = create(&service, &draft).await;
        assert_eq!(read(&service, &product).await["description"], text);
        let by_category = format!("{PRODUCTS}?category={}", encoded(text));
        for path in [by_category.clone(), format!("{by_category}&order=-name&min_price=1")] {
            let page = service.get(&path).await.expect(200).json();
            assert_eq!((ids(&page), &page["total"]), (vec![product["id"].as_i64().unwrap()], &json!(1)), "{text}");
        }
        let searches = [
            format!("{PRODUCTS}?search={}", encoded(text)),
            format!("{PRODUCTS}?search={0}&category={0}&order=relevance", encoded(text)),
            format!("{ORGANIZATIONS}/1/products?search={}&order=name", encoded(text)),
        ];
        for path in &searches {
            let first = service.get(path).await.expect(200).json();
            assert_eq!(service.get(path).await.expect(200).json()["products"], first["products"], "{text}");
        }
    }
    let schema = json!({"name": TEXTS[0], "fields": TEXTS.iter().filter(|text| text.trim() == **text)
        .map(|text| json!({"name": text, "type": "select", "options": [text]})).collect::<Vec<_>>()});
    let schema = service.post(SCHEMAS).json(&schema).await.expect(201).json();
    let mut draft = json!({"name": "Cup", "price": 1, "schema_id": schema["schema"]["id"]});
    draft["fields"] = json!({TEXTS[0]: TEXTS[0], TEXTS[4]: TEXTS[4]});
    let details = format!("{}/details", hotshelf_testkit::catalogue::path(&create(&service, &draft).await));
    assert_eq!(service.get(&details).await.expect(200).json()["fields"], draft["fields"]);
    assert_eq!(service.get(ORGANIZATIONS).await.expect(200).json(), before);
}

#[tokio::test]
async fn special_texts_in_other_places_are_refused() {
    let service = service().await;
    for text in TEXTS {
        let text = encoded(text);
        for place in
            ["limit", "offset", "cursor", "order", "organization_id", "schema_id", "min_price", "in_stock", "ids"]
        {
            assert_eq!(invalid_fields(service.get(&format!("{PRODUCTS}?{place}={text}")).await), [place], "{text}");
        }
        problem(service.get(&format!("{PRODUCTS}?{text}=1")).await, 400);
        for owner in [PRODUCTS, ORGANIZATIONS, SCHEMAS] {
            for tail in ["", "/product-ids", "/products", "/details"] {
                let status = service.get(&format!("{owner}/{text}{tail}")).await.status;
                assert!(status == 400 || status == 404, "{owner}/{text}{tail}: {status}");
            }
        }
        let pattern = service.delete(&format!("/api/v1/cache?pattern=product%3A{text}")).await.expect(200).json();
        assert!(pattern["deleted"].is_u64());
        sane(service.delete(&format!("/api/v1/cache?pattern={text}")).await);
    }
}

#[tokio::test]
async fn numbers_out_of_range_are_refused_or_find_nothing() {
    let service = service().await;
    let numbers = [
        "-1",
        "-0",
        "0",
        "00",
        "1e3",
        "+1",
        "0x1",
        "1_000",
        "٣",
        "NaN",
        "inf",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999999999",
    ];
    for number in numbers.map(encoded) {
        let queries = ["offset", "limit", "min_price", "max_price", "organization_id", "schema_id", "ids"];
        for name in queries {
            sane(service.get(&format!("{PRODUCTS}?{name}={number}")).await);
        }
        for owner in [ORGANIZATIONS, SCHEMAS] {
            for name in ["page", "limit"] {
                sane(service.get(&format!("{owner}/1/products?{name}={number}&order=name")).await);
            }
            sane(service.get(&format!("{owner}/{number}/products?page=92233720368547758&limit=100")).await);
        }
        for path in ["products", "products/bulk-delete", "products/bulk", "organizations", "schemas"] {
            sane(service.get(&format!("/api/v1/{path}/{number}")).await);
        }
        sane(service.delete(&format!("{PRODUCTS}/{number}0000")).await);
        sane(service.get(&format!("{PRODUCTS}/1")).header("x-min-version", "18446744073709551615").await);
    }
    for query in
        ["offset=9223372036854775807", "offset=9223372036854775807&limit=100&order=-price", "offset=1000000000000"]
    {
        let page = service.get(&format!("{PRODUCTS}?{query}")).await.expect(200).json();
        assert_eq!((ids(&page), &page["total"], &page["next_cursor"]), (vec![], &json!(1), &Value::Null));
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_refused_or_find_nothing() {
    let service = service().await;
    for bytes in ["%FF%FE", "%C3%28", "%ED%A0%80", "%F8%88%80%80%80", "%00", "%", "%zz", "%u1234"] {
        for name in ["search", "category"] {
            let reply = service.get(&format!("{PRODUCTS}?{name}={bytes}")).await;
            if reply.status == 200 {
                assert_eq!(reply.json()["total"], 0, "{name}={bytes}");
            } else {
                problem(reply, 400);
            }
        }
        sane(service.get(&format!("{PRODUCTS}?{bytes}={bytes}")).await);
        for path in [format!("{PRODUCTS}/{bytes}"), format!("{ORGANIZATIONS}/{bytes}/products"), format!("/{bytes}")] {
            sane(service.get(&path).await);
        }
        sane(service.delete(&format!("/api/v1/cache?pattern=product:{bytes}")).await);
    }
}

#[tokio::test]
async fn forged_cursors_are_refused() {
    let service = service().await;
    create(&service, &json!({"name": "Plate", "price": 2})).await;
    let cursor = async |query: &str| {
        let page = service.get(&format!("{PRODUCTS}?limit=1&{query}")).await.expect(200).json();
        page["next_cursor"].as_str().unwrap().to_owned()
    };
    let good = cursor("order=price").await;
    for place in 0..good.len() {
        for other in ["A", "_", "9", ""] {
            let mut forged = good.clone();
            forged.replace_range(place..=place, other);
            // A change that results in another place of this list is accepted.
            sane(service.get(&format!("{PRODUCTS}?order=price&cursor={forged}")).await);
        }
    }
    let long = good.repeat(50);
    for forged in ["", "A", &good[..8], &format!("{good}AAAA"), &long, "%00", "*", &encoded("' OR 1=1")] {
        let reply = service.get(&format!("{PRODUCTS}?order=price&cursor={forged}")).await;
        assert_eq!(invalid_fields(reply), ["cursor"], "{forged}");
    }
}

#[tokio::test]
async fn objects_of_another_organization_are_not_found() {
    let service = service().await;
    let (one, other) = (create_organization(&service, "One").await, create_organization(&service, "Other").await);
    let theirs = create_schema(&service, other, &json!([{"name": "secret", "type": "text"}])).await;
    let secret = json!({"name": "Secret cup", "price": 1, "organization_id": other, "schema_id": theirs,
        "fields": {"secret": "yes"}, "images": [{"url": "https://example.com/secret.jpg"}]});
    let secret = create(&service, &secret).await;
    let images = service.get(&format!("{PRODUCTS}/{}/details", secret["id"])).await.expect(200).json();
    let own = create(&service, &json!({"name": "Cup", "price": 1, "organization_id": one})).await;

    let with = |field: &str, value: Value| {
        let mut draft = json!({"name": "Cup", "price": 1, "organization_id": one});
        draft[field] = value;
        draft
    };
    let image = json!([{"id": images["images"][0]["id"], "url": "https://example.com/mine.jpg"}]);
    for (draft, names) in [
        (with("schema_id", json!(theirs)), ["schema_id"]),
        (with("images", image.clone()), ["images[0].id"]),
        (with("fields", json!({"secret": "no"})), ["fields.secret"]),
    ] {
        assert_eq!(invalid_fields(service.post(PRODUCTS).json(&draft).await), names);
    }
    let path = hotshelf_testkit::catalogue::path(&own);
    assert_eq!(invalid_fields(service.put(&path).json(&json!({"schema_id": theirs})).await), ["schema_id"]);
    assert_eq!(invalid_fields(service.put(&path).json(&json!({"organization_id": other})).await), ["organization_id"]);
    let details = format!("{path}/details");
    assert_eq!(invalid_fields(service.put(&details).json(&json!({"images": image})).await), ["images[0].id"]);

    for query in ["search=secret", "search=cup", "order=-price", "search=cup&order=relevance"] {
        for list in
            [format!("{ORGANIZATIONS}/{one}/products?{query}"), format!("{PRODUCTS}?organization_id={one}&{query}")]
        {
            let page = service.get(&list).await.expect(200);
            assert!(!page.text().contains("Secret"), "{page:?}");
        }
    }
    let both = service.get(&format!("{PRODUCTS}?organization_id={one}&schema_id={theirs}")).await.expect(200);
    assert!(ids(&both.json()).is_empty(), "{both:?}");
    let cursor = create(&service, &json!({"name": "Secret plate", "price": 1, "organization_id": other})).await;
    assert_eq!(cursor["organization_id"], other);
    let page = service.get(&format!("{PRODUCTS}?organization_id={other}&limit=1")).await.expect(200).json();
    let cursor = page["next_cursor"].as_str().unwrap();
    let reply = service.get(&format!("{PRODUCTS}?organization_id={one}&cursor={cursor}")).await;
    assert_eq!(invalid_fields(reply), ["cursor"]);
}

#[tokio::test]
async fn no_text_of_a_client_changes_the_shape_of_a_key() {
    let redis = hotshelf_testkit::RedisServer::start();
    let service = hotshelf().redis(&redis).start().await;
    hotshelf_testkit::catalogue::wait_for_redis(&service, "up").await;
    for text in
        TEXTS.map(|text| text.repeat(2)).iter().map(String::as_str).chain(["é", "plain words", &"x".repeat(100)])
    {
        let text = encoded(text);
        sane(service.get(&format!("{PRODUCTS}?search={text}&category={text}")).await);
        sane(service.get(&format!("{ORGANIZATIONS}/1/products?search={text}")).await);
    }
    for key in redis.keys("*") {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":=+#-_.{}".contains(&byte);
        assert!(key.starts_with("product:") && key.len() < 250 && key.bytes().all(plain), "{key:?}");
    }
    assert!(statistics(&service).await["caches"]["page"]["misses"].as_u64() > Some(10));
}

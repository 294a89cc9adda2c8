use hotshelf_testkit::RedisServer;
use serde_json::{Value, json};

use crate::Shop;

const PLAIN: &str = "name,description,price,stock,category\n\
    Cup,\"White, 0.3 l\",4.50,12,Kitchen\n\
    Plate,,free,1,Kitchen\n\
    Bowl,,7,3,Kitchen\n";

async fn listed(shop: &Shop) -> Vec<Value> {
    let service = shop.service().start().await;
    service.get("/api/v1/products?limit=100").await.expect(200).json()["products"].as_array().unwrap().clone()
}

fn names(products: &[Value]) -> Vec<&str> {
    products.iter().map(|product| product["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn valid_rows_are_imported_and_a_bad_row_is_reported_by_line() {
    let shop = Shop::new();
    let outcome = shop.file("p.csv", PLAIN).run(&["import", "p.csv"]).expect(0);
    assert_eq!(outcome.err, "hotshelf: p.csv: line 3: price must be a number\n");
    assert!(outcome.out.starts_with("2 products imported from p.csv as csv, 1 bad rows"), "{}", outcome.out);

    let products = listed(&shop).await;
    assert_eq!(names(&products), ["Cup", "Bowl"]);
    assert_eq!((&products[0]["price"], &products[0]["description"]), (&4.5.into(), &"White, 0.3 l".into()));
}

#[tokio::test]
async fn strict_imports_everything_or_nothing() {
    let shop = Shop::new();
    let outcome = shop.file("p.csv", PLAIN).run(&["import", "--strict", "p.csv"]).expect(1);
    assert!(outcome.err.contains("line 3") && outcome.err.contains("nothing was imported: 1 bad rows"), "{outcome:?}");
    assert!(listed(&shop).await.is_empty());

    shop.file("good.csv", &PLAIN.replace("free", "2")).run(&["import", "--strict", "good.csv"]).expect(0);
    assert_eq!(names(&listed(&shop).await), ["Cup", "Plate", "Bowl"]);
}

#[tokio::test]
async fn shop_exports_are_recognized_by_their_header() {
    let shop = Shop::new();
    let shopify = "Handle,Title,Body (HTML),Type,Tags,Variant Inventory Qty,Variant Price,Image Src\n\
        mug,Mug,<p>Holds <b>tea</b> &amp; coffee</p>,Kitchen,,3,12.00,a.jpg\n\
        mug,,,,,4,9.50,\nmug,,,,,,,b.jpg\n";
    let woo = "ID,Type,SKU,Name,Published,Short description,Description,Stock,Regular price,Sale price,Categories,Images\n\
        7,simple,H-1,Hoodie,1,Warm,,5,45,,Clothing,\n";
    let outcome = shop.file("shopify.csv", shopify).run(&["import", "shopify.csv"]).expect(0);
    assert!(outcome.out.starts_with("1 products imported from shopify.csv as shopify, 0 bad rows"), "{}", outcome.out);
    let outcome = shop.file("woo.csv", woo).run(&["import", "woo.csv"]).expect(0);
    assert!(outcome.out.contains("as woocommerce"), "{}", outcome.out);

    let products = listed(&shop).await;
    assert_eq!(names(&products), ["Mug", "Hoodie"]);
    assert_eq!(products[0]["description"], "Holds tea & coffee");
    assert_eq!((&products[0]["price"], &products[0]["stock"]), (&9.5.into(), &7.into()));
    assert_eq!((&products[1]["description"], &products[1]["category"]), (&"Warm".into(), &"Clothing".into()));
}

#[test]
fn an_impossible_import_is_refused_and_creates_no_database() {
    let shop = Shop::new();
    shop.file("page.html", "<!doctype html><title>x</title>").file("empty.csv", "").file("other.csv", "a,b\n1,2\n");
    for (arguments, expected) in [
        (vec!["import", "missing.csv"], "missing.csv: No such file"),
        (vec!["import", "page.html"], "HTML"),
        (vec!["import", "empty.csv"], "empty"),
        (vec!["import", "other.csv"], "expected"),
        (vec!["import", "other.csv", "--format", "shopify"], "Handle"),
    ] {
        let outcome = shop.run(&arguments).expect(1);
        assert!(outcome.err.contains(expected) && outcome.err.lines().count() == 1, "{arguments:?}: {outcome:#?}");
    }
    assert!(!shop.path("products.db").exists());
}

#[tokio::test]
async fn an_import_beside_a_running_service_is_refused_with_a_remedy() {
    let shop = Shop::new();
    let _service = shop.service().start().await;
    let outcome = shop.file("p.csv", PLAIN).run(&["import", "p.csv"]).expect(1);
    assert!(outcome.err.contains("is in use by another process"), "{outcome:#?}");
    assert!(outcome.err.contains("SHARED_DB=true"), "{outcome:#?}");
}

/// The promise holds for imports, too: the values that Redis held before are invalid after them.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_redis_invalidates_pages_in_redis() {
    let (shop, redis) = (Shop::new(), RedisServer::start());
    let page = "/api/v1/products";
    // A long timeout, so that a busy machine causes no outage.
    let patient = || shop.service().backend("redis").redis(&redis).env("REDIS_COMMAND_TIMEOUT", "1s");
    let service = patient().start().await;
    hotshelf_testkit::wait_until("Redis is used", hotshelf_testkit::PATIENCE, async || {
        service.metrics().await.value("cache_l2_up", &[]) == 1.0
    })
    .await;
    assert_eq!(service.get(page).await.json()["total"], 0);
    assert_eq!(service.get(page).await.json()["from_cache"], true);
    drop(service);

    shop.file("p.csv", PLAIN).run(&["import", "p.csv"]).expect(0);
    let service = patient().start().await;
    assert_eq!(service.get(page).await.json()["total"], 2);
}

/// Two organizations, 2 and 3, with a schema each, 2 and 3; each schema requires a colour.
async fn with_two_organizations(shop: &Shop) {
    let service = shop.service().start().await;
    for organization in [2, 3] {
        let name = json!({"name": format!("Organization {organization}")});
        let made = service.post("/api/v1/organizations").json(&name).await.expect(201).json();
        assert_eq!(made["organization"]["id"], organization);
        let fields = json!([{"name": "colour", "type": "text", "required": true}]);
        let schema = json!({"organization_id": organization, "name": "Coloured", "fields": fields});
        let made = service.post("/api/v1/schemas").json(&schema).await.expect(201).json();
        assert_eq!(made["schema"]["id"], organization);
    }
}

#[tokio::test]
async fn the_options_set_organization_and_schema_of_imported_products() {
    let shop = Shop::new();
    with_two_organizations(&shop).await;
    let rows = "{\"name\":\"Red\",\"price\":1,\"fields\":{\"colour\":\"red\"}}\n\
        {\"name\":\"Blank\",\"price\":1}\n\
        {\"name\":\"Other\",\"price\":1,\"organization_id\":3,\"schema_id\":3,\"fields\":{\"colour\":\"blue\"}}\n\
        {\"name\":\"Plain\",\"price\":1,\"schema_id\":1}\n";
    shop.file("p.jsonl", rows).file("p.csv", "name,price\nCup,4.50\n");
    let outcome = shop.run(&["import", "p.jsonl", "--organization", "2", "--schema", "2"]).expect(0);
    assert_eq!(outcome.err, "hotshelf: p.jsonl: line 2: fields.colour is required\n");
    assert!(outcome.out.starts_with("3 products imported from p.jsonl as jsonl, 1 bad rows"), "{}", outcome.out);
    shop.run(&["import", "p.csv", "--organization", "3"]).expect(0);

    let products = listed(&shop).await;
    let home = |product: &Value| (product["organization_id"].clone(), product["schema_id"].clone());
    assert_eq!(names(&products), ["Red", "Other", "Plain", "Cup"]);
    let homes: Vec<_> = products.iter().map(home).collect();
    assert_eq!(homes, [(2, 2), (3, 3), (2, 1), (3, 1)].map(|(one, other)| (json!(one), json!(other))));
}

#[tokio::test]
async fn strict_names_the_line_of_a_product_that_does_not_fit() {
    let shop = Shop::new();
    with_two_organizations(&shop).await;
    shop.file("p.csv", "name,price\nCup,4.50\n");
    let outcome = shop.run(&["import", "--strict", "p.csv", "--organization", "2", "--schema", "2"]).expect(1);
    assert!(outcome.err.contains("p.csv: line 2: fields.colour is required\n"), "{outcome:#?}");
    assert!(listed(&shop).await.is_empty());
}

#[tokio::test]
async fn an_unknown_organization_or_schema_is_refused_in_one_line() {
    let shop = Shop::new();
    with_two_organizations(&shop).await;
    // Even a row that does not need the options.
    shop.file("p.jsonl", "{\"name\":\"Cup\",\"price\":1,\"organization_id\":1,\"schema_id\":1}\n");
    for (organization, schema, expected) in [
        ("7", "1", "cannot import p.jsonl: organization 7 does not exist"),
        ("2", "7", "cannot import p.jsonl: schema 7 does not exist"),
        ("2", "3", "cannot import p.jsonl: schema 3 belongs to organization 3, not to 2"),
        ("1", "2", "cannot import p.jsonl: schema 2 belongs to organization 2, not to 1"),
    ] {
        let options = ["import", "p.jsonl", "--organization", organization, "--schema", schema];
        assert_eq!(shop.run(&options).expect(1).err, format!("hotshelf: {expected}\n"));
    }
    let outcome = shop.run(&["import", "p.jsonl", "--organization", "0"]).expect(2);
    assert!(outcome.err.contains("must be a positive integer"), "{outcome:#?}");
    assert!(listed(&shop).await.is_empty());
}

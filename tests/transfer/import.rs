use hotshelf_testkit::RedisServer;
use serde_json::Value;

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
async fn good_rows_are_imported_and_a_bad_one_is_reported_with_its_line() {
    let shop = Shop::new();
    let outcome = shop.file("p.csv", PLAIN).run(&["import", "p.csv"]).expect(0);
    assert_eq!(outcome.err, "hotshelf: p.csv: line 3: price must be a number\n");
    assert!(outcome.out.starts_with("2 products imported from p.csv as csv, 1 bad rows"), "{}", outcome.out);

    let products = listed(&shop).await;
    assert_eq!(names(&products), ["Cup", "Bowl"]);
    assert_eq!((&products[0]["price"], &products[0]["description"]), (&4.5.into(), &"White, 0.3 l".into()));
}

#[tokio::test]
async fn strict_imports_nothing_when_a_row_is_bad_and_everything_when_none_is() {
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
fn what_cannot_be_imported_is_refused_in_one_line_and_no_database_is_made() {
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
async fn an_import_beside_a_running_service_is_refused_with_the_way_out() {
    let shop = Shop::new();
    let _service = shop.service().start().await;
    let outcome = shop.file("p.csv", PLAIN).run(&["import", "p.csv"]).expect(1);
    assert!(outcome.err.contains("is in use by another process"), "{outcome:#?}");
    assert!(outcome.err.contains("SHARED_DB=true"), "{outcome:#?}");
}

/// The promise holds for imports, too: what Redis kept from before them is void after them.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_redis_leaves_no_old_page_in_it() {
    let (shop, redis) = (Shop::new(), RedisServer::start());
    let page = "/api/v1/products";
    let service = shop.service().backend("redis").redis(&redis).start().await;
    hotshelf_testkit::wait_until("Redis takes part", hotshelf_testkit::PATIENCE, async || {
        service.metrics().await.value("cache_l2_up", &[]) == 1.0
    })
    .await;
    assert_eq!(service.get(page).await.json()["total"], 0);
    assert_eq!(service.get(page).await.json()["from_cache"], true);
    drop(service);

    shop.file("p.csv", PLAIN).run(&["import", "p.csv"]).expect(0);
    let service = shop.service().backend("redis").redis(&redis).start().await;
    assert_eq!(service.get(page).await.json()["total"], 2);
}

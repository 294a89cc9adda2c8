//! `/api/v1/organizations` and the pages of an organization's products.

use hotshelf_testkit::{Client, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, create, create_named, create_organization, id, ids, laptop, path, update,
};
use hotshelf_testkit::shapes::{assert_duration_ms, assert_utc, cache_status, fields, invalid_fields, problem};

async fn organization(client: &Client, id: i64) -> Value {
    client.get(&format!("{ORGANIZATIONS}/{id}")).await.expect(200).json()
}

/// The answer to a request for the organization's page.
async fn page(client: &Client, organization: i64, query: &str) -> Value {
    client.get(&format!("{ORGANIZATIONS}/{organization}/products{query}")).await.expect(200).json()
}

/// A service with an organization beside the built-in one, which has the products with these ids.
async fn shop_of(count: usize) -> (Service, i64, Vec<i64>) {
    let service = hotshelf().backend("memory").start().await;
    let shop = create_organization(&service, "Shop").await;
    let mut products = Vec::new();
    for number in 1..=count {
        create_named(&service, "Somebody else's").await;
        let product = json!({"name": format!("Cup {number}"), "price": number, "organization_id": shop});
        products.push(id(&create(&service, &product).await));
    }
    (service, shop, products)
}

#[tokio::test]
async fn create_answers_with_the_organization_and_its_location() {
    let service = hotshelf().start().await;
    let reply = service.post(ORGANIZATIONS).json(&json!({"name": "  Acme \"Ltd\"\t"})).await.expect(201);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("location"), "/api/v1/organizations/2");
    let mut body = reply.json();
    let read = organization(&service, 2).await;
    assert_eq!(read["organization"], body["organization"]);
    let none = json!({"used": 0, "limit": null});
    assert_eq!(read["usage"], json!({"products": none, "users": none, "schemas": none}));
    assert_utc(&body["organization"]["created_at"]);
    body["organization"]["created_at"] = json!("now");
    assert_eq!(body, json!({"organization": {"id": 2, "name": "Acme \"Ltd\"", "created_at": "now"}}));
}

#[tokio::test]
async fn all_are_listed_and_the_first_is_built_in() {
    let mut service = hotshelf().start().await;
    let all = async |client: &Client| client.get(ORGANIZATIONS).await.expect(200).json();
    let fresh = all(&service).await;
    assert_eq!(fields(&fresh), ["organizations"]);
    assert_eq!(fresh["organizations"].as_array().unwrap().len(), 1);
    assert_eq!(fields(&fresh["organizations"][0]), ["created_at", "id", "name"]);
    assert_eq!(fresh["organizations"][0], organization(&service, 1).await["organization"]);

    for name in ["Zebra", "Acme", "Acme"] {
        create_organization(&service, name).await;
    }
    let listed = all(&service).await;
    let names: Vec<_> = listed["organizations"].as_array().unwrap()[1..].iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["Zebra", "Acme", "Acme"]);
    service.restart().await;
    assert_eq!(all(&service).await, listed);
}

#[tokio::test]
async fn a_name_that_breaks_a_rule_is_refused() {
    let service = hotshelf().start().await;
    for name in [json!(""), json!(" \n"), json!("é".repeat(256)), json!("a\0b"), json!(7), json!(null)] {
        assert_eq!(invalid_fields(service.post(ORGANIZATIONS).json(&json!({"name": name})).await), ["name"], "{name}");
    }
    assert_eq!(invalid_fields(service.post(ORGANIZATIONS).json(&json!({})).await), ["name"]);
    let reply = service.post(ORGANIZATIONS).json(&json!({"id": 7, "name": "Acme"})).await;
    assert_eq!(invalid_fields(reply), ["id"]);
    for body in ["", "[]", "null", "{\"name\":"] {
        let request = service.post(ORGANIZATIONS).header("content-type", "application/json");
        problem(request.body(body).await, 400);
    }
    problem(service.post(ORGANIZATIONS).body("{}").await, 415);
    service.post(ORGANIZATIONS).json(&json!({"name": "é".repeat(255)})).await.expect(201);
}

#[tokio::test]
async fn an_unknown_organization_is_not_found() {
    let service = hotshelf().start().await;
    let lists = [
        format!("{ORGANIZATIONS}/7"),
        format!("{ORGANIZATIONS}/7/products"),
        format!("{ORGANIZATIONS}/7/products?search=cup&order=-price"),
        format!("{ORGANIZATIONS}/7/product-ids"),
        format!("{PRODUCTS}?organization_id=7"),
        format!("{PRODUCTS}?organization_id=7&search=cup&min_price=1"),
    ];
    for path in &lists {
        // The second request gets the same answer, because it is not cached.
        for _ in 0..2 {
            let body = problem(service.get(path).await, 404);
            assert_eq!(body["detail"], "organization 7 does not exist", "{path}");
        }
        problem(service.get(path).header("cache-control", "no-cache").await, 404);
    }
    for name in 2..=7 {
        create_organization(&service, &name.to_string()).await;
    }
    for path in &lists {
        service.get(path).await.expect(200);
    }
}

#[tokio::test]
async fn an_id_is_a_positive_integer_and_without_users_organizations_neither_change_nor_end() {
    let service = hotshelf().start().await;
    for id in ["0", "-1", "1.5", "abc", "+1", "9223372036854775808", "%FF", "1%20"] {
        for tail in ["", "/products", "/product-ids"] {
            assert_eq!(invalid_fields(service.get(&format!("{ORGANIZATIONS}/{id}{tail}")).await), ["id"], "{id}");
        }
    }
    for (method, status) in [("PUT", 405), ("POST", 405), ("PATCH", 404), ("DELETE", 404)] {
        problem(service.request(method, "/api/v1/organizations/1").json(&json!({"name": "Acme"})).await, status);
    }
}

#[tokio::test]
async fn the_organization_of_a_product_cannot_change() {
    let (service, shop, _) = shop_of(0).await;
    let product = create(&service, &json!({"name": "Cup", "price": 1, "organization_id": shop})).await;
    assert_eq!(product["organization_id"], shop);
    for unknown in [json!(7), json!(0), json!(-1), json!("2"), json!(null)] {
        let mut draft = laptop();
        draft["organization_id"] = unknown.clone();
        assert_eq!(invalid_fields(service.post(PRODUCTS).json(&draft).await), ["organization_id"], "{unknown}");
    }
    for other in [1, 7] {
        let reply = service.put(&path(&product)).json(&json!({"organization_id": other, "stock": 5})).await;
        assert_eq!(invalid_fields(reply), ["organization_id"]);
    }
    let same = update(&service, &product, &json!({"organization_id": shop, "stock": 5})).await;
    assert_eq!((&same["stock"], &same["version"]), (&json!(5), &json!(2)));
}

#[tokio::test]
async fn an_empty_page_is_a_page() {
    let (service, shop, _) = shop_of(0).await;
    let mut page = page(&service, shop, "").await;
    assert_duration_ms(&page["duration_ms"]);
    page["duration_ms"] = json!(0);
    let expected = json!({
        "products": [], "total": 0, "page": 1, "limit": 20, "pages": 0, "from_cache": false, "duration_ms": 0,
    });
    assert_eq!(page, expected);
}

#[tokio::test]
async fn a_page_shows_only_products_of_the_organization() {
    let (service, shop, products) = shop_of(3).await;
    let shown = page(&service, shop, "").await;
    assert_eq!(fields(&shown), ["duration_ms", "from_cache", "limit", "page", "pages", "products", "total"]);
    assert_eq!((ids(&shown), &shown["total"], &shown["pages"]), (products, &json!(3), &json!(1)));
    for product in shown["products"].as_array().unwrap() {
        assert_eq!(service.get(&path(product)).await.expect(200).json()["product"], *product);
    }
    assert_eq!(page(&service, 1, "").await["total"], 3);
}

#[tokio::test]
async fn pages_are_numbered_from_one() {
    let (service, shop, products) = shop_of(5).await;
    for (number, expected) in [(1, &products[..2]), (2, &products[2..4]), (3, &products[4..]), (4, &[])] {
        let shown = page(&service, shop, &format!("?limit=2&page={number}")).await;
        assert_eq!(ids(&shown), expected);
        assert_eq!([&shown["page"], &shown["limit"], &shown["pages"], &shown["total"]], [number, 2, 3, 5]);
    }
    let far = page(&service, shop, "?page=1000000000000&limit=100").await;
    assert_eq!((ids(&far), &far["total"]), (vec![], &json!(5)));
}

#[tokio::test]
async fn pages_are_searched_and_ordered() {
    let (service, shop, mut products) = shop_of(3).await;
    let found = page(&service, shop, "?search=cup+2").await;
    assert_eq!((ids(&found), &found["total"], &found["pages"]), (vec![products[1]], &json!(1), &json!(1)));
    products.reverse();
    assert_eq!(ids(&page(&service, shop, "?order=-price").await), products);
    assert_eq!(ids(&page(&service, shop, "?order=-price&search=cup&limit=2").await), products[..2]);
    assert_eq!(ids(&page(&service, shop, "?order=relevance&search=cup").await).len(), 3);
    assert_eq!(page(&service, shop, "?search=somebody").await["total"], 0, "a word of another organization");
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let (service, shop, _) = shop_of(1).await;
    let bad = [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1000000000001", "page"),
        ("page=x", "page"),
        ("page=", "page"),
        ("page=9223372036854775807", "page"),
        ("page=99999999999999999999", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("order=colour", "order"),
        ("order=relevance", "order"),
        ("search=a&search=b", "search"),
        ("offset=1", "offset"),
        ("cursor=x", "cursor"),
        ("category=x", "category"),
        ("organization_id=1", "organization_id"),
    ];
    for (query, parameter) in bad {
        let reply = service.get(&format!("{ORGANIZATIONS}/{shop}/products?{query}")).await;
        assert_eq!(invalid_fields(reply), [parameter], "{query}");
    }
}

#[tokio::test]
async fn a_page_is_cached_and_can_be_revalidated() {
    let (service, shop, products) = shop_of(2).await;
    let path = format!("{ORGANIZATIONS}/{shop}/products?order=-name&search=cup");
    let miss = service.get(&path).await.expect(200);
    assert_eq!(cache_status(&miss), ["fwd=miss", "stored"]);
    assert_eq!(miss.json()["from_cache"], false);
    let hit = service.get(&path).await.expect(200);
    assert_eq!((&cache_status(&hit)[0], &hit.json()["from_cache"]), (&"hit".to_owned(), &json!(true)));
    let etag = hit.header("etag");
    assert_eq!((etag, hit.header("cache-control")), (miss.header("etag"), "no-cache"));
    assert_eq!(service.get(&path).header("if-none-match", etag).await.expect(304).text(), "");
    let forced = service.get(&path).header("cache-control", "no-cache").await.expect(200);
    assert_eq!(cache_status(&forced), ["fwd=request", "detail=database"]);
    assert_eq!((forced.json()["products"].clone(), forced.header("etag")), (hit.json()["products"].clone(), etag));

    update(&service, &json!({"id": products[0]}), &json!({"stock": 9})).await;
    let changed = service.get(&path).header("if-none-match", etag).await.expect(200);
    assert_eq!(changed.json()["products"][1]["stock"], 9);
}

//! `GET /api/v1/products`: pages by offset and by cursor.

use hotshelf_testkit::{Client, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create_named, delete, ids, update};
use hotshelf_testkit::shapes::{assert_duration_ms, fields, problem};

/// A service that holds the products 1 to `count`.
async fn shelf_of(count: usize) -> Service {
    let service = hotshelf().backend("memory").start().await;
    for number in 1..=count {
        create_named(&service, &format!("Product {number}")).await;
    }
    service
}

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("{PRODUCTS}{query}")).await.expect(200).json()
}

#[tokio::test]
async fn an_empty_catalogue_is_an_empty_page() {
    let service = shelf_of(0).await;
    let mut page = list(&service, "").await;
    assert_duration_ms(&page["duration_ms"]);
    page["duration_ms"] = json!(0);
    let expected = json!({
        "products": [], "total": 0, "offset": 0, "limit": 20, "next_cursor": null, "from_cache": false,
        "duration_ms": 0,
    });
    assert_eq!(page, expected);
}

#[tokio::test]
async fn a_page_holds_whole_products_in_the_order_of_their_ids() {
    let service = shelf_of(3).await;
    let page = list(&service, "").await;
    let expected = ["duration_ms", "from_cache", "limit", "next_cursor", "offset", "products", "total"];
    assert_eq!(fields(&page), expected);
    assert_eq!(ids(&page), [1, 2, 3]);
    assert_eq!(page["total"], 3);
    assert_eq!(page["next_cursor"], Value::Null);
    for product in page["products"].as_array().unwrap() {
        let single = service.get(&format!("{PRODUCTS}/{}", product["id"])).await.expect(200).json();
        assert_eq!(single["product"], *product);
    }
}

#[tokio::test]
async fn offset_and_limit_select_the_page() {
    let service = shelf_of(5).await;
    let page = list(&service, "?offset=1&limit=2").await;
    assert_eq!(ids(&page), [2, 3]);
    assert_eq!((&page["total"], &page["offset"], &page["limit"]), (&json!(5), &json!(1), &json!(2)));
    assert!(page["next_cursor"].is_string(), "two more follow: {page}");
    assert_eq!(ids(&list(&service, "?offset=4").await), [5]);
    let beyond = list(&service, "?offset=5&limit=100").await;
    assert_eq!((ids(&beyond), &beyond["total"]), (vec![], &json!(5)));
}

#[tokio::test]
async fn the_default_page_holds_twenty() {
    let service = shelf_of(21).await;
    assert_eq!(ids(&list(&service, "").await), (1..=20).collect::<Vec<_>>());
    assert_eq!(ids(&list(&service, "?limit=100").await).len(), 21);
}

#[tokio::test]
async fn a_cursor_leads_through_all_products_once() {
    let service = shelf_of(7).await;
    let mut page = list(&service, "?limit=3").await;
    let mut seen = ids(&page);
    while let Some(cursor) = page["next_cursor"].as_str() {
        page = list(&service, &format!("?limit=3&cursor={cursor}")).await;
        assert!(!ids(&page).is_empty(), "the page of a cursor is not empty");
        assert_eq!(page["total"], 7);
        seen.extend(ids(&page));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_cursor_keeps_its_place_when_products_before_it_are_deleted() {
    let service = shelf_of(5).await;
    let page = list(&service, "?limit=2").await;
    delete(&service, &page["products"][0]).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(ids(&list(&service, &format!("?limit=2&cursor={cursor}")).await), [3, 4]);
}

#[tokio::test]
async fn a_list_that_was_read_before_comes_from_the_cache() {
    let service = shelf_of(3).await;
    let first = list(&service, "?limit=2").await;
    assert_eq!(first["from_cache"], false);
    let second = list(&service, "?limit=2").await;
    assert_eq!(second["from_cache"], true);
    assert_eq!((&second["products"], &second["next_cursor"]), (&first["products"], &first["next_cursor"]));
}

#[tokio::test]
async fn a_list_shows_each_change_at_once() {
    let service = shelf_of(2).await;
    list(&service, "").await;
    let third = create_named(&service, "Product 3").await;
    let page = list(&service, "").await;
    assert_eq!((ids(&page), &page["total"]), (vec![1, 2, 3], &json!(3)));

    let changed = update(&service, &third, &json!({"price": 7.25})).await;
    assert_eq!(list(&service, "").await["products"][2], changed);

    delete(&service, &page["products"][0]).await;
    let page = list(&service, "").await;
    assert_eq!((ids(&page), &page["total"]), (vec![2, 3], &json!(2)));
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let service = shelf_of(3).await;
    let cursor = list(&service, "?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let bad = [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=ten", "limit"),
        ("?limit=", "limit"),
        ("?limit=99999999999999999999", "limit"),
        ("?offset=-1", "offset"),
        ("?offset=1.5", "offset"),
        ("?offset=99999999999999999999", "offset"),
        ("?cursor=nonsense", "cursor"),
        ("?cursor=%FF%00", "cursor"),
        (&format!("?offset=1&cursor={cursor}"), "offset"),
    ];
    for (query, parameter) in bad {
        let body = problem(service.get(&format!("{PRODUCTS}{query}")).await, 400);
        let told = format!("{} {}", body["detail"], body["errors"]);
        assert!(told.contains(parameter), "{query}: {told} does not name {parameter}");
    }
}

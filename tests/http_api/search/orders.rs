//! Orders, and paging through a whole list by cursor.

use serde_json::{Value, json};

use super::{list, shelf};
use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create_many, delete, ids, update};
use hotshelf_testkit::shapes::{invalid_fields, time};

/// The orders, and the products of [`shelf`] in them: ties by id.
const ORDERS: [(&str, [i64; 9]); 10] = [
    ("id", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("-id", [9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ("name", [4, 2, 8, 3, 5, 7, 6, 1, 9]),
    ("-name", [9, 1, 6, 7, 3, 5, 8, 2, 4]),
    ("price", [6, 9, 2, 3, 4, 1, 8, 5, 7]),
    ("-price", [7, 5, 1, 8, 4, 2, 3, 6, 9]),
    ("stock", [2, 5, 7, 1, 4, 3, 8, 6, 9]),
    ("-stock", [9, 6, 3, 8, 1, 4, 7, 2, 5]),
    ("created_at", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("updated_at", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
];

#[tokio::test]
async fn each_order_sorts_and_ties_are_sorted_by_id() {
    let service = shelf().await;
    for (order, expected) in ORDERS {
        let page = list(&service, &format!("order={order}")).await;
        assert_eq!((ids(&page), &page["total"]), (expected.to_vec(), &json!(9)), "{order}");
    }
    for field in ["created_at", "updated_at"] {
        let page = list(&service, &format!("order=-{field}")).await;
        let key = |product: &Value| (time(&product[field]), product["id"].as_i64().unwrap());
        let keys: Vec<_> = page["products"].as_array().unwrap().iter().map(key).collect();
        assert!(keys.is_sorted_by(|a, b| a.0 > b.0 || a.0 == b.0 && a.1 < b.1), "{keys:?}");
    }
    let lamp = json!({"id": 1});
    update(&service, &lamp, &json!({"name": "Arch"})).await;
    assert_eq!(ids(&list(&service, "order=-updated_at").await)[0], 1);
    assert_eq!(ids(&list(&service, "order=name").await)[..3], [4, 1, 2]);
}

#[tokio::test]
async fn a_cursor_leads_through_every_order_once() {
    let service = shelf().await;
    let ordered = ORDERS.map(|(order, expected)| (format!("order={order}"), expected.to_vec()));
    let narrower = [
        ("order=-price&category=Kitchen", vec![8, 4, 2, 3]),
        ("order=name&organization_id=2", vec![4, 8, 5, 7]),
        ("order=stock&schema_id=2", vec![5, 7, 8]),
        ("order=price&in_stock=true", vec![6, 9, 3, 4, 1, 8, 7]),
        ("order=-stock&min_price=4.5&max_price=20", vec![3, 8, 1, 4, 2]),
        ("search=lamp&order=-id", vec![6, 1]),
        ("search=kitchen&order=-price", vec![8, 4, 2, 3]),
        ("search=kitchen&organization_id=2", vec![4, 8]),
    ]
    .map(|(query, expected)| (query.to_owned(), expected));
    for (query, expected) in ordered.into_iter().chain(narrower) {
        for limit in [1, 2, 4] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = list(&service, &format!("{query}&limit={limit}{cursor}")).await;
                assert_eq!((&page["total"], &page["offset"]), (&json!(expected.len()), &json!(seen.len())), "{query}");
                seen.extend(ids(&page));
                let Some(next) = page["next_cursor"].as_str() else { break };
                assert_eq!(ids(&page).len(), limit, "{query}");
                cursor = format!("&cursor={next}");
            }
            assert_eq!(seen, expected, "{query} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_cursor_leads_through_an_order_by_relevance() {
    let service = hotshelf().backend("memory").start().await;
    let drafts: Vec<Value> = (0..25)
        .map(|number| json!({"name": "Cup", "description": "words around it ".repeat(number / 3), "price": 1}))
        .collect();
    create_many(&service, &drafts).await;
    for order in ["relevance", "-relevance"] {
        let whole = ids(&list(&service, &format!("search=cup&order={order}&limit=100")).await);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(&service, &format!("search=cup&order={order}&limit=4{cursor}")).await;
            seen.extend(ids(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((seen.len(), &seen), (25, &whole), "{order}");
    }
}

#[tokio::test]
async fn a_cursor_keeps_its_place_when_products_move() {
    let service = shelf().await;
    let first = list(&service, "order=price&limit=4").await;
    assert_eq!(ids(&first), [6, 9, 2, 3]);
    // The last product of the page moves to the front, another one to the back, and a later one is deleted.
    update(&service, &json!({"id": 3}), &json!({"price": 0.02})).await;
    update(&service, &json!({"id": 6}), &json!({"price": 50})).await;
    delete(&service, &json!({"id": 4})).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(ids(&list(&service, &format!("order=price&cursor={cursor}")).await), [1, 8, 6, 5, 7]);
}

#[tokio::test]
async fn a_cursor_is_valid_only_for_its_list() {
    let service = shelf().await;
    let cursor = async |query: &str| list(&service, query).await["next_cursor"].as_str().unwrap().to_owned();
    let (by_id, by_price) = (cursor("limit=1").await, cursor("limit=1&order=price").await);
    let of_shop = cursor("limit=1&organization_id=2").await;
    let bad = [
        ("order=price", &by_id),
        ("order=-id", &by_id),
        ("organization_id=2", &by_id),
        ("search=lamp", &by_id),
        ("", &by_price),
        ("order=-price", &by_price),
        ("order=price&in_stock=true", &by_price),
        ("", &of_shop),
        ("organization_id=1", &of_shop),
        ("organization_id=2&order=name", &of_shop),
    ];
    for (query, cursor) in bad {
        let reply = service.get(&format!("{PRODUCTS}?{query}&cursor={cursor}")).await;
        assert_eq!(invalid_fields(reply), ["cursor"], "{query}");
    }
    // The limit does not change the list, nor does an equivalent query.
    assert_eq!(ids(&list(&service, &format!("limit=2&order=id&search=&cursor={by_id}")).await), [2, 3]);
}

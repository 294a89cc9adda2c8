//! Searches and filters of the list of products. The module `orders` tests its orders.

mod orders;

use hotshelf_testkit::{Client, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    PRODUCTS, create, create_many, create_organization, create_schema, delete, encoded, ids, update,
};
use hotshelf_testkit::shapes::invalid_fields;

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("{PRODUCTS}?{query}")).await.expect(200).json()
}

async fn found(client: &Client, text: &str) -> Vec<i64> {
    ids(&list(client, &format!("search={}", encoded(text))).await)
}

/// Products of two organizations, with ties in every field of an order.
async fn shelf() -> Service {
    let service = hotshelf().backend("memory").start().await;
    let shop = create_organization(&service, "Shop").await;
    let schema = create_schema(&service, shop, &json!([])).await;
    let product = |name: &str, price: f64, stock: i64, category: &str| json!({"name": name, "price": price, "stock": stock, "category": category});
    let of_shop = |mut product: Value, schema: i64| {
        (product["organization_id"], product["schema_id"]) = (json!(shop), json!(schema));
        product
    };
    let products = [
        product("Lamp", 20.0, 3, "Light"),                          // 1
        product("bowl", 4.5, 0, "Kitchen"),                         // 2
        product("Cup", 4.5, 7, "Kitchen"),                          // 3
        of_shop(product("Apron", 12.25, 3, "Kitchen"), 1),          // 4
        of_shop(product("Cup", 100.0, 0, ""), schema),              // 5
        product("Émile's lamp", 0.01, 12, "Light"),                 // 6
        of_shop(product("Desk", 1_000_000.0, 1, "Office"), schema), // 7
        of_shop(product("Bowl", 20.0, 7, "Kitchen"), schema),       // 8
        product("Zip tie", 0.01, 10_000, "Office"),                 // 9
    ];
    for product in &products {
        create(&service, product).await;
    }
    service
}

#[tokio::test]
async fn all_words_must_begin_a_word_of_name_description_or_category() {
    let service = hotshelf().backend("memory").start().await;
    let product = |name: &str, description: &str, category: &str| json!({"name": name, "description": description, "category": category, "price": 1});
    let products = [
        product("Red cup", "For coffee", "Kitchen"),
        product("Blue cup", "Goes with the red one", "Kitchen"),
        product("Käse-Brett", "ÉCLAIR not included", "Küche"),
        product("東京 タワー", "USB-C & 12V", "Ωmega"),
        product("cupboard", "", ""),
    ];
    create_many(&service, &products).await;
    let searches: [(&str, &[i64]); 22] = [
        ("cup", &[1, 2, 5]),
        ("CUP", &[1, 2, 5]),
        ("red cup", &[1, 2]),
        ("cup red", &[1, 2]),
        ("  red,  cup ", &[1, 2]),
        ("red coffee kitchen", &[1]),
        ("kit red", &[1, 2]),
        ("up", &[]),
        ("cups", &[]),
        ("red green", &[]),
        ("kase", &[3]),
        ("käse", &[3]),
        ("ka\u{308}se", &[3]),
        ("eclair", &[3]),
        ("brett kuche", &[3]),
        ("東京", &[4]),
        ("usb-c", &[4]),
        ("12v", &[4]),
        ("ωmega", &[4]),
        ("ΩMEGA", &[4]),
        ("cupb", &[5]),
        ("coffee for", &[1]),
    ];
    for (text, expected) in searches {
        let page = list(&service, &format!("search={}", encoded(text))).await;
        assert_eq!((ids(&page), &page["total"]), (expected.to_vec(), &json!(expected.len())), "{text}");
    }
}

#[tokio::test]
async fn operators_and_quotes_are_plain_text() {
    let service = hotshelf().backend("memory").start().await;
    let names = ["plain", "NEAR the window", "AND OR NOT", "name: x", "percent 100%"];
    let drafts: Vec<Value> = names.iter().map(|name| json!({"name": name, "price": 1})).collect();
    create_many(&service, &drafts).await;
    let searches: [(&str, &[i64]); 16] = [
        ("\"plain\"", &[1]),
        ("plain*", &[1]),
        ("^plain", &[1]),
        ("(plain)", &[1]),
        ("plain OR window", &[]),
        ("plain AND plain", &[]),
        ("NOT plain", &[]),
        ("NEAR(the window, 2)", &[]),
        ("near window", &[2]),
        ("and or not", &[3]),
        ("name:x", &[4]),
        ("name : plain", &[]),
        ("{name description} : plain", &[]),
        ("100%", &[5]),
        ("plain'; DROP TABLE products; --", &[]),
        ("%", &[]),
    ];
    for (text, expected) in searches {
        assert_eq!(found(&service, text).await, expected, "{text}");
    }
    for nothing in ["\"", "*", "()", "--", "';", "\u{0}", "🧀", "_", "\\"] {
        let page = list(&service, &format!("search={}", encoded(nothing))).await;
        assert_eq!((ids(&page), &page["total"]), (vec![], &json!(0)), "{nothing:?}: no word in it");
    }
    for blank in ["", "%20", "%09%0A", "+"] {
        assert_eq!(list(&service, &format!("search={blank}")).await["total"], 5, "{blank:?} is no search");
    }
}

#[tokio::test]
async fn a_search_shows_each_change_at_once() {
    let service = hotshelf().backend("memory").start().await;
    assert_eq!(found(&service, "cup").await, Vec::<i64>::new());
    let cup = create(&service, &json!({"name": "Cup", "price": 1})).await;
    assert_eq!(found(&service, "cup").await, [1]);
    update(&service, &cup, &json!({"name": "Mug", "description": "white"})).await;
    assert_eq!((found(&service, "cup").await, found(&service, "white mug").await), (vec![], vec![1]));
    update(&service, &cup, &json!({"category": "Kitchen"})).await;
    assert_eq!(found(&service, "kitchen").await, [1]);
    update(&service, &cup, &json!({"price": 2})).await;
    assert_eq!(list(&service, "search=mug").await["products"][0]["price"], 2.0);
    delete(&service, &cup).await;
    assert_eq!(found(&service, "mug").await, Vec::<i64>::new());
}

#[tokio::test]
async fn products_are_ranked_by_relevance() {
    let service = hotshelf().backend("memory").start().await;
    let filler = "Something that stands on a table in a room of a house, in a street of a town. ".repeat(5);
    let products = [
        json!({"name": "House", "description": format!("{filler} And a teapot."), "price": 1}),
        json!({"name": "Teapot", "description": "A teapot", "price": 1}),
        json!({"name": "Chair", "description": "Nothing of it", "price": 1}),
        json!({"name": "Teapot lid", "description": "Fits what it covers, in green", "price": 1}),
    ];
    create_many(&service, &products).await;
    assert_eq!(ids(&list(&service, "search=teapot&order=relevance").await), [2, 4, 1]);
    assert_eq!(ids(&list(&service, "search=teapot&order=-relevance").await), [1, 4, 2]);
    assert_eq!(ids(&list(&service, "search=teapot").await), [1, 2, 4], "by id by default");
    for query in ["order=relevance", "order=-relevance", "order=relevance&search=%20", "order=relevance&category=x"] {
        assert_eq!(invalid_fields(service.get(&format!("{PRODUCTS}?{query}")).await), ["order"], "{query}");
    }
}

#[tokio::test]
async fn filters_narrow_the_list_and_its_total() {
    let service = shelf().await;
    let filtered: [(&str, &[i64]); 22] = [
        ("category=Kitchen", &[2, 3, 4, 8]),
        ("category=kitchen", &[]),
        ("category=Kit", &[]),
        ("category=", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("organization_id=1", &[1, 2, 3, 6, 9]),
        ("organization_id=2", &[4, 5, 7, 8]),
        ("schema_id=1", &[1, 2, 3, 4, 6, 9]),
        ("schema_id=2", &[5, 7, 8]),
        ("organization_id=1&schema_id=2", &[]),
        ("organization_id=2&schema_id=1", &[4]),
        ("in_stock=true", &[1, 3, 4, 6, 7, 8, 9]),
        ("in_stock=false", &[2, 5]),
        ("min_price=20", &[1, 5, 7, 8]),
        ("max_price=4.5", &[2, 3, 6, 9]),
        ("min_price=4.5&max_price=4.50", &[2, 3]),
        ("min_price=0&max_price=0.01", &[6, 9]),
        ("min_price=4.51&max_price=12.24", &[]),
        ("category=Kitchen&in_stock=true&max_price=20", &[3, 4, 8]),
        ("category=Kitchen&organization_id=2&schema_id=2", &[8]),
        ("search=cup&organization_id=2", &[5]),
        ("search=bowl&in_stock=true&min_price=5&category=Kitchen", &[8]),
        ("search=lamp&schema_id=2", &[]),
    ];
    for (query, expected) in filtered {
        for order in ["", "&order=-id", "&order=price", "&order=name"] {
            let page = list(&service, &format!("{query}{order}")).await;
            let mut found = ids(&page);
            found.sort_unstable();
            assert_eq!((found, &page["total"]), (expected.to_vec(), &json!(expected.len())), "{query}{order}");
        }
        assert_eq!(list(&service, &format!("{query}&limit=1")).await["total"], expected.len(), "{query}");
    }
}

#[tokio::test]
async fn filters_show_each_change_at_once() {
    let service = shelf().await;
    let queries = ["category=Kitchen", "in_stock=true", "max_price=4.5", "min_price=10&order=-price", "search=cup"];
    let shown = async || {
        let mut pages = Vec::new();
        for query in queries {
            let page = list(&service, query).await;
            assert_eq!(page["total"], ids(&page).len(), "{query}");
            pages.push(ids(&page));
        }
        pages
    };
    assert_eq!(
        shown().await,
        [vec![2, 3, 4, 8], vec![1, 3, 4, 6, 7, 8, 9], vec![2, 3, 6, 9], vec![7, 5, 1, 8, 4], vec![3, 5]]
    );
    update(&service, &json!({"id": 3}), &json!({"category": "Office", "stock": 0, "price": 11})).await;
    update(&service, &json!({"id": 2}), &json!({"stock": 1, "name": "Cup"})).await;
    delete(&service, &json!({"id": 8})).await;
    assert_eq!(shown().await, [vec![2, 4], vec![1, 2, 4, 6, 7, 9], vec![2, 6, 9], vec![7, 5, 1, 4, 3], vec![2, 3, 5]]);
}

#[tokio::test]
async fn a_list_that_was_read_before_comes_from_the_cache() {
    let service = shelf().await;
    for query in
        ["search=cup", "order=-price", "category=Kitchen&min_price=1", "search=lamp&order=relevance", "in_stock=true"]
    {
        let first = service.get(&format!("{PRODUCTS}?{query}")).await.expect(200);
        let second = service.get(&format!("{PRODUCTS}?{query}")).await.expect(200);
        assert_eq!(
            (&first.json()["from_cache"], &second.json()["from_cache"]),
            (&json!(false), &json!(true)),
            "{query}"
        );
        assert_eq!(first.header("etag"), second.header("etag"));
        let forced = service.get(&format!("{PRODUCTS}?{query}")).header("cache-control", "no-cache").await.expect(200);
        assert_eq!((&forced.json()["from_cache"], forced.header("etag")), (&json!(false), first.header("etag")));
    }
    // Equivalent queries use the same entry.
    for (query, same) in
        [("search=cup", "search=+CUP%20*"), ("order=-price", "order=-price&search=&category=&min_price=0")]
    {
        list(&service, query).await;
        assert_eq!(list(&service, same).await["from_cache"], true, "{same}");
    }
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let service = shelf().await;
    let long = format!("category={}", "x".repeat(101));
    let (too_long, too_many) = (format!("search={}", "x".repeat(201)), "search=a+b+c+d+e+f+g+h+i+j+k+l+m".to_owned());
    let bad = [
        ("order=colour", vec!["order"]),
        ("order=--price", vec!["order"]),
        ("order=Price", vec!["order"]),
        ("order=price,name", vec!["order"]),
        ("order=%2Bprice", vec!["order"]),
        ("organization_id=0", vec!["organization_id"]),
        ("organization_id=", vec!["organization_id"]),
        ("schema_id=-1", vec!["schema_id"]),
        ("schema_id=1.0", vec!["schema_id"]),
        ("min_price=-1", vec!["min_price"]),
        ("min_price=cheap", vec!["min_price"]),
        ("max_price=0", vec!["max_price"]),
        ("max_price=1.999", vec!["max_price"]),
        ("max_price=1e30", vec!["max_price"]),
        ("max_price=NaN", vec!["max_price"]),
        ("min_price=2&max_price=1", vec!["min_price"]),
        ("in_stock=yes", vec!["in_stock"]),
        ("in_stock=1", vec!["in_stock"]),
        ("in_stock=", vec!["in_stock"]),
        ("page=1", vec!["page"]),
        ("sort=price", vec!["sort"]),
        ("order=id&order=price", vec!["order"]),
        ("limit=x&order=x&in_stock=x&foo=1", vec!["foo", "in_stock", "limit", "order"]),
        (&long, vec!["category"]),
        (&too_long, vec!["search"]),
        (&too_many, vec!["search"]),
    ];
    for (query, names) in bad {
        assert_eq!(invalid_fields(service.get(&format!("{PRODUCTS}?{query}")).await), names, "{query}");
    }
}

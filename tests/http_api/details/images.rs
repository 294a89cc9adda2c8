//! The images of a product.

use serde_json::{Value, json};

use super::{details, details_path, image, put, shirt};
use hotshelf_testkit::catalogue::{PRODUCTS, create};
use hotshelf_testkit::shapes::{fields, invalid_fields};

/// The names that [`image`] gave to the images.
fn names(details: &Value) -> Vec<String> {
    let name = |image: &Value| image["url"].as_str().unwrap().replace("https://example.com/", "").replace(".jpg", "");
    details["images"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn images_come_by_position_and_then_by_id() {
    let (service, shirt) = shirt().await;
    let at = |name: &str, position: i64| {
        let mut image = image(name);
        image["position"] = json!(position);
        image
    };
    let given = json!({"images": [at("a", 5), at("b", 1), image("c"), at("d", 1), at("e", 0)]});
    let body = put(&service, &shirt, &given).await;
    assert_eq!(names(&body), ["e", "b", "d", "c", "a"]);
    assert_eq!(body["images"][3]["position"], 2, "the position in the list");
    for image in body["images"].as_array().unwrap() {
        assert_eq!(fields(image), ["alt", "id", "position", "url"]);
    }
    assert_eq!(details(&service, &shirt).await["images"], body["images"]);
}

#[tokio::test]
async fn an_image_sent_with_its_id_keeps_it_and_no_id_is_used_twice() {
    let (service, shirt) = shirt().await;
    let first = put(&service, &shirt, &json!({"images": [image("a"), image("b")]})).await;
    let (a, b) = (first["images"][0]["id"].as_i64().unwrap(), first["images"][1]["id"].as_i64().unwrap());
    let mut kept = image("b2");
    kept["id"] = json!(b);
    let second = put(&service, &shirt, &json!({"images": [image("c"), kept]})).await;
    assert_eq!((names(&second), &second["images"][1]["id"]), (vec!["c".to_owned(), "b2".to_owned()], &json!(b)));
    let c = second["images"][0]["id"].as_i64().unwrap();
    assert!(c > b && b > a, "{a} {b} {c}");
    put(&service, &shirt, &json!({"images": []})).await;
    let third = put(&service, &shirt, &json!({"images": [image("d")]})).await;
    assert!(third["images"][0]["id"].as_i64() > Some(c), "{third}");
}

#[tokio::test]
async fn images_that_break_a_rule_are_refused() {
    let (service, shirt) = shirt().await;
    let other = create(&service, &json!({"name": "Cup", "price": 1, "images": [image("other")]})).await;
    let foreign = details(&service, &other).await["images"][0]["id"].clone();
    let own = put(&service, &shirt, &json!({"images": [image("own")]})).await["images"][0]["id"].clone();
    let url = |url: &str| json!({"url": url});
    let with = |name: &str, value: Value| {
        let mut image = image("x");
        image[name] = value;
        image
    };
    let bad = [
        (json!({}), "images[1].url"),
        (json!({"alt": "no address"}), "images[1].url"),
        (url(""), "images[1].url"),
        (url("/relative.jpg"), "images[1].url"),
        (url("javascript:alert(1)"), "images[1].url"),
        (url("ftp://example.com/a.jpg"), "images[1].url"),
        (url("https://"), "images[1].url"),
        (url("https:///a.jpg"), "images[1].url"),
        (url("https://example.com/a b.jpg"), "images[1].url"),
        (url("https://example.com/\n"), "images[1].url"),
        (url(&format!("https://example.com/{}", "x".repeat(2_048))), "images[1].url"),
        (with("url", json!(7)), "images[1].url"),
        (with("alt", json!("x".repeat(501))), "images[1].alt"),
        (with("alt", json!("a\0b")), "images[1].alt"),
        (with("alt", json!(null)), "images[1].alt"),
        (with("position", json!(-1)), "images[1].position"),
        (with("position", json!(1.5)), "images[1].position"),
        (with("position", json!(1e30)), "images[1].position"),
        (with("id", foreign.clone()), "images[1].id"),
        (with("id", json!(7_777)), "images[1].id"),
        (with("id", json!(-1)), "images[1].id"),
        (with("id", json!("1")), "images[1].id"),
        (with("id", own.clone()), "images[1].id"),
        (with("size", json!(7)), "images[1].size"),
        (json!("https://example.com/a.jpg"), "images[1]"),
    ];
    let mut first = image("a");
    first["id"] = own;
    for (image, name) in bad {
        let reply = service.put(&details_path(&shirt)).json(&json!({"images": [first, image]})).await;
        assert_eq!(invalid_fields(reply), [name], "{image}");
    }
    let many = vec![image("x"); 101];
    assert_eq!(invalid_fields(service.put(&details_path(&shirt)).json(&json!({"images": many})).await), ["images"]);
    let mut draft = json!({"name": "Cup", "price": 1});
    draft["images"] = json!([with("id", foreign)]);
    assert_eq!(invalid_fields(service.post(PRODUCTS).json(&draft).await), ["images[0].id"]);
    assert_eq!(names(&details(&service, &shirt).await), ["own"]);
    put(&service, &shirt, &json!({"images": many[..100]})).await;
}

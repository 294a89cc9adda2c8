use hotshelf_cache::Fencing;
use hotshelf_domain::{Actor, Expect, Image, ProductId, StoreError, Version};

use crate::adapter::Adapter;
use crate::world::{World, complaints};

const FIELDS: &str = r#"{"name":"All","fields":[{"name":"zeta","type":"text"},{"name":"alpha","type":"number"},
    {"name":"made","type":"date"},{"name":"new","type":"boolean"}]}"#;

fn ids(images: &[Image]) -> Vec<i64> {
    images.iter().map(|image| image.id.get()).collect()
}

async fn cup(world: &World) -> ProductId {
    world.schema(FIELDS).await;
    let json = r#"{"name":"Cup","price":1,"schema_id":2,"fields":{"zeta":"ü","alpha":0.1},
        "images":[{"url":"https://a.example/1.png","position":5},{"url":"https://a.example/2.png","alt":"Side"}]}"#;
    world.create(json).await.unwrap().id
}

pub(crate) async fn a_product_is_created_with_its_details(adapter: Adapter) {
    let world = World::new(adapter).await;
    let id = cup(&world).await;
    let details = world.details(id).await;
    assert_eq!(details.product, world.products.find(id).await.unwrap().unwrap());
    assert_eq!(details.product.version, Version::FIRST);
    let json = serde_json::to_string(&details).unwrap();
    let expected = r#""fields":{"alpha":0.1,"zeta":"ü"},"images":[{"id":2,"url":"https://a.example/2.png","alt":"Side","position":1},{"id":1,"url":"https://a.example/1.png","alt":"","position":5}]}"#;
    assert!(json.ends_with(expected), "{json}");
}

pub(crate) async fn a_product_without_details_has_empty_ones_and_one_that_is_gone_has_none(adapter: Adapter) {
    let world = World::new(adapter).await;
    let id = world.create(r#"{"name":"Cup","price":1}"#).await.unwrap().id;
    let details = world.details(id).await;
    assert!(details.fields.is_empty() && details.images.is_empty());
    world.products.delete(id, Expect::Anything, None, Actor::default(), Fencing::Fenced).await.unwrap();
    assert_eq!(world.products.details(id).await.unwrap(), None);
    assert!(matches!(world.put(id, r#"{"images":[]}"#).await, Err(StoreError::NotFound(_))));
}

pub(crate) async fn what_is_given_replaces_and_the_rest_stays(adapter: Adapter) {
    let world = World::new(adapter).await;
    let id = cup(&world).await;
    let before = world.details(id).await;

    let put = world.put(id, r#"{"fields":{"made":"2026-01-31","new":true}}"#).await.unwrap();
    assert_eq!(put, world.details(id).await);
    assert_eq!((put.fields.len(), put.fields["new"].as_bool()), (2, Some(true)));
    assert_eq!((&put.images, put.product.version), (&before.images, Version::new(2)));
    assert!(put.product.updated_at >= before.product.updated_at);

    let put = world.put(id, r#"{"images":[]}"#).await.unwrap();
    assert_eq!((put.fields.len(), put.images.len(), put.product.version), (2, 0, Version::new(3)));
    let put = world.put(id, r#"{"fields":{}}"#).await.unwrap();
    assert_eq!((put.fields.len(), put.product.version), (0, Version::new(4)));
    assert_eq!(world.put(id, "{}").await.unwrap(), put, "nothing given, nothing changed");
    assert_eq!(world.details(id).await, put);
}

pub(crate) async fn an_image_keeps_its_id_when_it_is_named_and_no_id_is_given_twice(adapter: Adapter) {
    let world = World::new(adapter).await;
    let id = cup(&world).await;
    let json =
        r#"{"images":[{"url":"https://a.example/3.png"},{"id":1,"url":"https://a.example/1b.png","alt":"Front"}]}"#;
    let put = world.put(id, json).await.unwrap();
    assert_eq!(ids(&put.images), [3, 1]);
    assert_eq!((put.images[1].url.as_str(), put.images[1].alt.as_str()), ("https://a.example/1b.png", "Front"));

    world.put(id, r#"{"images":[]}"#).await.unwrap();
    let put = world.put(id, r#"{"images":[{"url":"http://a/1"},{"url":"http://a/2","position":0}]}"#).await.unwrap();
    assert_eq!(ids(&put.images), [4, 5], "ordered by position, then id");
}

pub(crate) async fn images_of_others_cannot_be_named(adapter: Adapter) {
    let world = World::new(adapter).await;
    let id = cup(&world).await;
    let plate = world.create(r#"{"name":"Plate","price":1,"images":[{"url":"http://a/plate"}]}"#).await.unwrap().id;
    let stolen = world.put(id, r#"{"fields":{"x":1},"images":[{"id":3,"url":"http://a/1"}]}"#).await.unwrap_err();
    let expected = ["fields.x is not a field of schema 2", "images[0].id 3 is not an image of this product"];
    assert_eq!(complaints(stolen), expected);
    assert_eq!(ids(&world.details(id).await.images), [2, 1]);
    assert_eq!(ids(&world.details(plate).await.images), [3]);

    let new = world.create(r#"{"name":"Pot","price":1,"images":[{"id":3,"url":"http://a/1"}]}"#).await.unwrap_err();
    assert_eq!(complaints(new), ["images[0].id 3 is not an image of this product"]);
}

pub(crate) async fn any_text_is_kept_as_it_is(adapter: Adapter) {
    let world = World::new(adapter).await;
    let id = cup(&world).await;
    let text = "'; DROP TABLE products;-- \" \\ \u{1F600} \u{7f} *?[a-z]% _";
    let json = serde_json::json!({"fields": {"zeta": text}, "images": [{"url": "http://a/%27'", "alt": text}]});
    let put = world.put(id, &json.to_string()).await.unwrap();
    assert_eq!((put.fields["zeta"].as_str(), put.images[0].alt.as_str()), (Some(text), text));
    assert_eq!(world.details(id).await, put);
}

pub(crate) async fn any_number_is_kept_as_it_is(adapter: Adapter) {
    let world = World::new(adapter).await;
    let id = cup(&world).await;
    for number in [
        "0.30000000000000004",
        "-1.7969314742435888e-9",
        "9007199254740993",
        "1.7976931348623157e+308",
        "-2.2250738585072014e-308",
        "0.1",
    ] {
        let put = world.put(id, &format!(r#"{{"fields":{{"alpha":{number}}}}}"#)).await.unwrap();
        assert_eq!(put.fields["alpha"].to_string(), number);
        assert_eq!(world.details(id).await, put);
    }
}

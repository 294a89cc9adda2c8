use hotshelf_cache::Fencing;
use hotshelf_domain::{Actor, Expect, FieldKind, SchemaId, StoreError, Version, VersionInHistory};
use serde_json::Value;

use crate::adapter::Adapter;
use crate::world::{World, complaints, schema, schema_patch};

const SHIRTS: &str = r#"{"organization_id":2,"name":"Shirts","fields":[
    {"name":"size","type":"select","required":true,"options":["S","M"]},{"name":"since","type":"date"}]}"#;

/// Organization 2 with schema 2.
async fn shirts(adapter: Adapter) -> World {
    let world = World::new(adapter).await;
    world.organization("Acme").await;
    assert_eq!(world.schema(SHIRTS).await.id, SHIRT);
    world
}

const SHIRT: SchemaId = match SchemaId::new(2) {
    Some(id) => id,
    None => panic!("positive"),
};

fn size(size: &str) -> String {
    format!(r#"{{"name":"Shirt","price":1,"organization_id":2,"schema_id":2,"fields":{{"size":"{size}"}}}}"#)
}

pub(crate) async fn schemas_are_found_again(adapter: Adapter) {
    let world = shirts(adapter).await;
    let found = world.products.schema(SHIRT).await.unwrap().expect("created");
    assert_eq!((found.name.as_str(), found.organization_id.get(), found.version), ("Shirts", 2, Version::FIRST));
    assert_eq!((found.fields[0].kind, found.fields[0].options.len()), (FieldKind::Select, 2));
    assert_eq!(world.products.schema(SchemaId::new(3).unwrap()).await.unwrap(), None);

    let orphan = world.products.create_schema(schema(r#"{"organization_id":9,"name":"A"}"#)).await.unwrap_err();
    assert_eq!(complaints(orphan), ["organization_id 9 does not exist"]);
}

pub(crate) async fn a_new_product_fits_its_schema(adapter: Adapter) {
    let world = shirts(adapter).await;
    let shirt = world.create(&size("M")).await.unwrap();
    assert_eq!(world.details(shirt.id).await.fields["size"], Value::from("M"));

    assert_eq!(complaints(world.create(&size("XL")).await.unwrap_err()), ["fields.size must be one of S, M"]);
    let bare = world.create(r#"{"name":"Shirt","price":1,"organization_id":2,"schema_id":2}"#).await.unwrap_err();
    assert_eq!(complaints(bare), ["fields.size is required"]);
    let plain = world.create(r#"{"name":"Shirt","price":1,"fields":{"size":"M"}}"#).await.unwrap_err();
    assert_eq!(complaints(plain), ["fields.size is not a field of schema 1"]);
}

pub(crate) async fn only_products_of_its_organization_use_a_schema_and_nobody_else_learns_of_it(adapter: Adapter) {
    let world = shirts(adapter).await;
    let foreign = world.create(r#"{"name":"Shirt","price":1,"schema_id":2,"fields":{"size":"M"}}"#).await.unwrap_err();
    assert_eq!(complaints(foreign), ["schema_id 2 does not exist"]);
    let missing = world.create(r#"{"name":"Shirt","price":1,"organization_id":7,"schema_id":8}"#).await.unwrap_err();
    assert_eq!(complaints(missing), ["organization_id 7 does not exist", "schema_id 8 does not exist"]);

    let cup = world.create(r#"{"name":"Cup","price":1}"#).await.unwrap();
    assert_eq!(
        complaints(world.update(cup.id, r#"{"schema_id":2}"#).await.unwrap_err()),
        ["schema_id 2 does not exist"]
    );
    world.create(r#"{"name":"Cup","price":1,"organization_id":2,"schema_id":1}"#).await.expect("anybody uses schema 1");
}

pub(crate) async fn a_product_changes_its_schema_when_its_details_fit_the_new_one(adapter: Adapter) {
    let world = shirts(adapter).await;
    world.schema(r#"{"organization_id":2,"name":"Dresses","fields":[{"name":"size","type":"text"}]}"#).await;
    let shirt = world.create(&size("M")).await.unwrap();
    let dress = world.update(shirt.id, r#"{"schema_id":3}"#).await.unwrap();
    assert_eq!((dress.schema_id.get(), dress.version), (3, Version::new(2)));

    world.put(shirt.id, r#"{"fields":{"size":"huge"}}"#).await.unwrap();
    let back = world.update(shirt.id, r#"{"schema_id":2,"organization_id":1}"#).await.unwrap_err();
    assert_eq!(complaints(back), ["organization_id cannot be changed", "fields.size must be one of S, M"]);
    let plain = world.update(shirt.id, r#"{"schema_id":1}"#).await.unwrap_err();
    assert_eq!(complaints(plain), ["fields.size is not a field of schema 1"]);
}

pub(crate) async fn a_change_that_products_would_not_fit_is_refused_and_says_how_many(adapter: Adapter) {
    let world = shirts(adapter).await;
    for fits in ["S", "M", "M"] {
        world.create(&size(fits)).await.unwrap();
    }
    let gone = world.create(&size("M")).await.unwrap();
    let history = world.products.history();
    world.products.delete_many(vec![gone.id], history, Actor::default(), Fencing::Fenced).await.unwrap();

    let only_small = r#"{"fields":[{"name":"size","type":"select","options":["S"]}]}"#;
    let error = world.change_schema(SHIRT, only_small).await.unwrap_err();
    assert!(error.changed_nothing());
    assert!(matches!(error, StoreError::SchemaInUse { schema: SHIRT, products: 2 }), "{error}");
    let error = world.change_schema(SHIRT, r#"{"fields":[]}"#).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaInUse { products: 3, .. }), "{error}");
    assert_eq!(world.products.schema(SHIRT).await.unwrap().unwrap().version, Version::FIRST);

    let without_date = r#"{"fields":[{"name":"size","type":"text","required":true}]}"#;
    let changed = world.change_schema(SHIRT, without_date).await.expect("narrower, and yet all fit");
    assert_eq!((changed.version, changed.fields.len()), (Version::new(2), 1));
    assert_eq!(world.products.schema(SHIRT).await.unwrap(), Some(changed));
}

pub(crate) async fn products_without_details_do_not_fit_a_schema_that_requires_some(adapter: Adapter) {
    let world = World::new(adapter).await;
    world.schema(r#"{"name":"Loose","fields":[{"name":"a","type":"text"}]}"#).await;
    for fields in ["{}", r#"{"a":"x"}"#, "{}"] {
        let json = format!(r#"{{"name":"A","price":1,"schema_id":2,"fields":{fields}}}"#);
        world.create(&json).await.unwrap();
    }
    let error =
        world.change_schema(SHIRT, r#"{"fields":[{"name":"a","type":"text","required":true}]}"#).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaInUse { products: 2, .. }), "{error}");
}

pub(crate) async fn a_schema_counts_its_changes_and_refuses_those_of_another_version(adapter: Adapter) {
    let world = shirts(adapter).await;
    let update = async |json: &str, expect| world.products.update_schema(SHIRT, schema_patch(json), expect).await;
    let history = world.products.history();
    let first = Expect::OneOf(vec![VersionInHistory { history, version: Version::FIRST }]);
    assert_eq!(update("{}", Expect::Anything).await.unwrap().version, Version::FIRST);
    let renamed = update(r#"{"name":"Blouses"}"#, first.clone()).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version, renamed.fields.len()), ("Blouses", Version::new(2), 2));
    let error = update(r#"{"name":"Tops"}"#, first).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaPreconditionFailed { id: SHIRT, current } if current == Version::new(2)));

    let error = world.change_schema(SchemaId::BUILT_IN, r#"{"name":"Mine"}"#).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaBuiltIn(SchemaId::BUILT_IN)));
    let error = world.change_schema(SchemaId::new(99).unwrap(), r#"{"name":"Mine"}"#).await.unwrap_err();
    assert!(matches!(error, StoreError::NoSuchSchema(id) if id.get() == 99));
}

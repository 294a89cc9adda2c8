use hotshelf_cache::{Epoch, EpochStore, Fencing};
use hotshelf_domain::{Actor, Expect, NewProduct, ProductId, StoreError, Version};

use crate::adapter::Adapter;
use crate::world::{World, product};

fn id(id: i64) -> ProductId {
    ProductId::new(id).unwrap()
}

/// Five, of which the second and the fourth are not valid.
fn mixed() -> Vec<NewProduct> {
    let fields = [r#"{"a":1}"#, r#"{"a":"x"}"#, "{}", r#"{"b":1}"#, r#"{"a":2}"#];
    fields.map(|fields| product(&format!(r#"{{"name":"A","price":1,"schema_id":2,"fields":{fields}}}"#))).to_vec()
}

async fn world(adapter: Adapter) -> World {
    let world = World::new(adapter).await;
    world.schema(r#"{"name":"A","fields":[{"name":"a","type":"number"}]}"#).await;
    world
}

pub(crate) async fn many_are_created_in_one_go(adapter: Adapter) {
    let world = World::new(adapter).await;
    let new: Vec<_> = (0..1_000).map(|number| product(&format!(r#"{{"name":"P{number}","price":1}}"#))).collect();
    for (all_or_nothing, first) in [(true, 1), (false, 1_001)] {
        let created = world.products.create_many(new.clone(), all_or_nothing, Fencing::Fenced).await.unwrap().value;
        let ids: Vec<i64> = created.into_iter().map(|id| id.unwrap().get()).collect();
        assert_eq!(ids, (first..first + 1_000).collect::<Vec<i64>>());
    }
    assert_eq!(world.products.find(id(2_000)).await.unwrap().unwrap().name, "P999");
}

pub(crate) async fn the_valid_ones_are_created_and_the_others_named(adapter: Adapter) {
    let world = world(adapter).await;
    let created = world.products.create_many(mixed(), false, Fencing::Fenced).await.unwrap().value;
    let told: Vec<String> = created
        .into_iter()
        .map(|created| created.map_or_else(|invalid| invalid.to_string(), |id| id.to_string()))
        .collect();
    assert_eq!(told, ["1", "fields.a must be a number", "2", "fields.b is not a field of schema 2", "3"]);
    assert_eq!(world.details(id(3)).await.fields["a"], 2);
}

pub(crate) async fn all_or_nothing_names_every_wrong_one_and_stores_none(adapter: Adapter) {
    let world = world(adapter).await;
    let before = world.products.advance().await.unwrap();
    let error = world.products.create_many(mixed(), true, Fencing::Unfenced).await.unwrap_err();
    assert!(error.changed_nothing());
    let StoreError::InvalidMany(wrong) = error else { panic!("not invalid, but: {error}") };
    assert_eq!(wrong.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(world.products.find(id(1)).await.unwrap(), None);
    assert_eq!(world.products.current().await.unwrap().0, before);
}

pub(crate) async fn those_that_exist_are_deleted_together(adapter: Adapter) {
    let world = World::new(adapter).await;
    for _ in 0..4 {
        world.create(r#"{"name":"A","price":1}"#).await.unwrap();
    }
    world.products.delete(id(2), Expect::Anything, None, Actor::default(), Fencing::Fenced).await.unwrap();
    let before = world.products.advance().await.unwrap().get();
    let asked = [4, 99, 2, 1, 4].map(id).to_vec();
    let history = world.products.history();
    let deleted = world.products.delete_many(asked, history, Actor::default(), Fencing::Unfenced).await.unwrap();
    assert_eq!((deleted.value, deleted.epoch), (vec![id(4), id(1)], Some(Epoch::new(before + 1))));
    for gone in [1, 2, 4] {
        assert_eq!(world.products.find(id(gone)).await.unwrap(), None);
    }
    assert_eq!(world.products.find(id(3)).await.unwrap().unwrap().version, Version::FIRST);
    assert_eq!(world.create(r#"{"name":"A","price":1}"#).await.unwrap().id, id(5));
    assert_eq!(
        world.products.delete_many(Vec::new(), history, Actor::default(), Fencing::Fenced).await.unwrap().value,
        []
    );
}

use hotshelf_domain::{OrganizationDraft, OrganizationId, SchemaId};

use crate::adapter::Adapter;
use crate::world::{World, complaints};

pub(crate) async fn the_built_in_ones_are_there_from_the_start(adapter: Adapter) {
    let world = World::new(adapter).await;
    let organization = world.products.organization(OrganizationId::BUILT_IN).await.unwrap().expect("built in");
    assert_eq!(world.products.organizations().await.unwrap(), [organization]);
    let schema = world.products.schema(SchemaId::BUILT_IN).await.unwrap().expect("built in");
    assert_eq!((schema.organization_id, schema.fields.len()), (OrganizationId::BUILT_IN, 0));
}

pub(crate) async fn organizations_are_found_again(adapter: Adapter) {
    let world = World::new(adapter).await;
    let (acme, again) = (world.organization("  Äcme ").await, world.organization("Äcme").await);
    assert_eq!((acme.name.as_str(), acme.id.get(), again.id.get()), ("Äcme", 2, 3));
    assert_eq!(world.products.organization(acme.id).await.unwrap().as_ref(), Some(&acme));
    assert_eq!(world.products.organizations().await.unwrap()[1..], [acme, again]);
    assert_eq!(world.products.organization(OrganizationId::new(9).unwrap()).await.unwrap(), None);
}

#[test]
fn names_are_bounded() {
    let named = |name: String| OrganizationDraft { name: Some(name), ..Default::default() }.into_new();
    assert!(named("é".repeat(255)).is_ok());
    for bad in ["é".repeat(256), " \t".to_owned(), "a\0b".to_owned()] {
        assert_eq!(named(bad).unwrap_err().0.len(), 1);
    }
    let draft = OrganizationDraft::from_json(br#"{"nme":"Acme"}"#).unwrap();
    assert_eq!(draft.into_new().unwrap_err().to_string(), "nme is not a known field; name is required");
}

pub(crate) async fn a_product_belongs_to_an_organization_that_exists_and_stays_with_it(adapter: Adapter) {
    let world = World::new(adapter).await;
    let acme = world.organization("Acme").await;
    let cup = world.create(r#"{"name":"Cup","price":1,"organization_id":2}"#).await.unwrap();
    assert_eq!(cup.organization_id, acme.id);

    let nowhere = world.create(r#"{"name":"Cup","price":1,"organization_id":3}"#).await.unwrap_err();
    assert_eq!(complaints(nowhere), ["organization_id 3 does not exist"]);
    let same = world.update(cup.id, r#"{"organization_id":2,"stock":1}"#).await.unwrap();
    assert_eq!((same.organization_id, same.stock), (acme.id, 1));
    let moved = world.update(cup.id, r#"{"organization_id":1,"stock":2}"#).await.unwrap_err();
    assert_eq!(complaints(moved), ["organization_id cannot be changed"]);
    assert_eq!(world.products.find(cup.id).await.unwrap(), Some(same));
}

use std::time::Duration;

use hotshelf_cache::Fencing;
use hotshelf_domain::{
    Actor, AuditQuery, Home, LeavingSessions, NewSession, NewUser, OrganizationDraft, OrganizationId,
    OrganizationPatch, Role, SchemaId, StoreError, User,
};

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

fn guest(email: &str, home: OrganizationId) -> NewUser {
    let (email, home) = (email.parse().unwrap(), Home::In(home));
    NewUser { email, password_hash: Some("hash".to_owned()), home, role: Role::Admin, verified: true }
}

fn session_of(user: &User) -> NewSession {
    let (token_hash, client) = ([1; 32], String::new());
    let expires_at = user.created_at + chrono::TimeDelta::hours(1);
    NewSession { token_hash, user_id: user.id, generation: user.session_generation, client, expires_at }
}

async fn recorded(world: &World, organization: OrganizationId) -> Vec<String> {
    let query = AuditQuery { organization: Some(organization), limit: 100, ..AuditQuery::default() };
    let entries = world.products.audit_log(query).await.unwrap();
    entries.into_iter().map(|entry| format!("{} {}", entry.action, entry.detail.unwrap_or_default())).collect()
}

pub(crate) async fn a_suspended_one_takes_nobody_in_until_it_is_resumed(adapter: Adapter) {
    let world = World::new(adapter).await;
    let (database, acme) = (&world.products, world.organization("Acme").await);
    let add =
        async |email: &str| database.add_user(guest(email, acme.id), None, Actor::default(), Fencing::Fenced).await;
    let ann = add("ann@acme.example").await.unwrap().value;
    let suspend = async |id, suspended, fenced: &[&User]| {
        let fenced = fenced.iter().map(|user| user.id).collect();
        let patch = OrganizationPatch { suspended: Some(suspended), quotas: None };
        database.change_organization(id, patch, fenced, Actor::default(), Fencing::Fenced).await
    };
    // Whose entry is not fenced might be let in from the cache.
    let unfenced = suspend(acme.id, true, &[]).await.unwrap_err();
    assert!(matches!(unfenced, StoreError::MembersChanged(id) if id == acme.id) && unfenced.changed_nothing());
    let built_in = suspend(OrganizationId::BUILT_IN, true, &[]).await.unwrap_err();
    assert!(matches!(built_in, StoreError::OrganizationBuiltIn(_)) && built_in.changed_nothing());
    let nowhere = suspend(OrganizationId::new(99).unwrap(), true, &[]).await.unwrap_err();
    assert!(matches!(nowhere, StoreError::NoSuchOrganization(_)));

    assert!(suspend(acme.id, true, &[&ann]).await.unwrap().value.suspended);
    assert!(suspend(acme.id, true, &[&ann]).await.unwrap().value.suspended, "again");
    assert!(database.user(ann.id).await.unwrap().unwrap().suspended);
    assert!(database.users(acme.id).await.unwrap()[0].suspended);
    let open = async || {
        database.open_session(session_of(&ann), LeavingSessions::default(), Actor::default(), Fencing::Fenced).await
    };
    assert!(matches!(open().await.unwrap_err(), StoreError::Suspended(id) if id == acme.id));
    assert!(matches!(add("bob@acme.example").await.unwrap_err(), StoreError::Suspended(_)));

    assert!(!suspend(acme.id, false, &[&ann]).await.unwrap().value.suspended);
    assert!(!database.user(ann.id).await.unwrap().unwrap().suspended);
    open().await.unwrap();
    let expected = ["login.succeeded ", "organization.resumed Acme", "organization.suspended Acme"];
    assert_eq!(recorded(&world, acme.id).await[..3], expected);
}

pub(crate) async fn one_that_has_ended_is_gone_with_its_users_and_its_products_follow(adapter: Adapter) {
    let world = World::new(adapter).await;
    let (database, acme) = (&world.products, world.organization("Acme").await);
    let email = "ann@acme.example";
    let ann = database.add_user(guest(email, acme.id), None, Actor::default(), Fencing::Fenced).await.unwrap().value;
    let cup = world.create(r#"{"name":"Cup","price":1,"organization_id":2}"#).await.unwrap();
    let schema = world.schema(r#"{"name":"Cups","fields":[],"organization_id":2}"#).await;
    let end = async |id, fenced| database.end_organization(id, fenced, Actor::default(), Fencing::Fenced).await;
    assert!(matches!(end(acme.id, vec![]).await.unwrap_err(), StoreError::MembersChanged(_)));
    assert!(matches!(end(OrganizationId::BUILT_IN, vec![]).await.unwrap_err(), StoreError::OrganizationBuiltIn(_)));
    assert!(database.ending_organizations().await.unwrap().is_empty());
    end(acme.id, vec![ann.id]).await.unwrap();

    assert_eq!(database.organization(acme.id).await.unwrap(), None);
    assert_eq!(database.organizations().await.unwrap().len(), 1);
    assert_eq!(database.user(ann.id).await.unwrap(), None);
    assert!(matches!(end(acme.id, vec![]).await.unwrap_err(), StoreError::NoSuchOrganization(_)));
    let late = world.create(r#"{"name":"Pot","price":1,"organization_id":2}"#).await.unwrap_err();
    assert_eq!(complaints(late), ["organization_id 2 does not exist"]);
    // What is still there is known, also after a restart.
    assert_eq!(database.ending_organizations().await.unwrap(), [acme.id]);
    assert_eq!(database.some_products(acme.id, 10).await.unwrap(), [cup.id]);
    assert_eq!(database.schemas_of(acme.id).await.unwrap(), [schema.id]);
    database.delete_many(vec![cup.id], database.history(), Actor::default(), Fencing::Fenced).await.unwrap();
    database.finish_organization(acme.id, Fencing::Fenced).await.unwrap();
    assert!(database.ending_organizations().await.unwrap().is_empty());
    assert_eq!(database.schema(schema.id).await.unwrap(), None);
    assert_eq!(recorded(&world, acme.id).await[0], "organization.deleted Acme, with 1 user");
    assert_eq!(world.organization("Acme").await.id.get(), 3, "no id is given twice");
}

/// As one of a version that has the later migrations but not this one.
#[tokio::test]
async fn a_database_gets_the_migration_that_is_older_than_its_newest() {
    let storage = Adapter::Sqlite.storage();
    let database = storage.open().await;
    database.close(Duration::from_secs(5)).await.unwrap();
    drop(database);
    storage.outsider(include_str!("../../migrations/sqlite/00000000000015_end_of_organizations/down.sql"));
    storage.outsider("DELETE FROM __diesel_schema_migrations WHERE version = '00000000000015'");
    let world = World::on(storage.open().await);
    let acme = world.organization("Acme").await;
    let suspend = OrganizationPatch { suspended: Some(true), quotas: None };
    let suspended =
        world.products.change_organization(acme.id, suspend, vec![], Actor::default(), Fencing::Fenced).await;
    assert!(suspended.unwrap().value.suspended);
}

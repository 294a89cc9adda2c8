//! Writes that are told which version their caller has seen.

use hotshelf_cache::Fencing;
use hotshelf_domain::{Actor, Expect, ProductId, StoreError, Version};

use crate::adapter::Adapter;
use crate::world::{World, details, patch};

const FIRST: Option<Version> = Some(Version::FIRST);

/// A product at version 2, seen by somebody at version 1.
async fn overtaken(adapter: Adapter) -> (World, ProductId) {
    let world = World::new(adapter).await;
    let id = world.create(r#"{"name":"Cup","price":1}"#).await.unwrap().id;
    world.update(id, r#"{"stock":1}"#).await.unwrap();
    (world, id)
}

fn is_overtaken<T>(result: Result<T, StoreError>) -> bool {
    let Err(error) = result else { return false };
    error.changed_nothing()
        && matches!(error, StoreError::VersionConflict { current, .. } if current == Version::new(2))
}

pub(crate) async fn a_write_that_was_overtaken_changes_nothing(adapter: Adapter) {
    let (World { products, .. }, id) = &overtaken(adapter).await;
    let (id, anything, fenced) = (*id, || Expect::Anything, Fencing::Fenced);
    assert!(is_overtaken(products.update(id, patch(r#"{"stock":9}"#), anything(), FIRST, fenced).await));
    assert!(is_overtaken(products.put_details(id, details(r#"{"images":[]}"#), anything(), FIRST, fenced).await));
    assert!(is_overtaken(products.delete(id, anything(), FIRST, Actor::default(), fenced).await));
    let cup = products.find(id).await.unwrap().expect("still there");
    assert_eq!((cup.stock, cup.version), (1, Version::new(2)));
}

pub(crate) async fn a_write_that_has_seen_the_current_version_happens(adapter: Adapter) {
    let (World { products, .. }, id) = &overtaken(adapter).await;
    let (id, seen, fenced) = (*id, |version| Some(Version::new(version)), Fencing::Fenced);
    products.update(id, patch(r#"{"stock":9}"#), Expect::Anything, seen(2), fenced).await.expect("updated");
    products.put_details(id, details(r#"{"images":[]}"#), Expect::Anything, seen(3), fenced).await.expect("put");
    products.delete(id, Expect::Anything, seen(4), Actor::default(), fenced).await.expect("deleted");
}

pub(crate) async fn what_the_client_expects_comes_first(adapter: Adapter) {
    let (World { products, .. }, id) = &overtaken(adapter).await;
    let expect = || Expect::OneOf(vec![Version::FIRST]);
    let error = products.delete(*id, expect(), FIRST, Actor::default(), Fencing::Fenced).await.unwrap_err();
    assert!(matches!(error, StoreError::PreconditionFailed { .. }), "{error}");
    let missing = ProductId::new(99).unwrap();
    let error = products.delete(missing, expect(), FIRST, Actor::default(), Fencing::Fenced).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_)), "{error}");
}

//! Writes that are told which version their caller has seen.

use hotshelf_cache::{EpochStore, Fencing};
use hotshelf_domain::{Actor, Expect, History, ProductId, StoreError, Version, VersionInHistory};

use crate::adapter::Adapter;
use crate::world::{World, details, patch};

/// A product at version 2, seen by somebody at version 1.
async fn overtaken(adapter: Adapter) -> (World, ProductId) {
    let world = World::new(adapter).await;
    let id = world.create(r#"{"name":"Cup","price":1}"#).await.unwrap().id;
    world.update(id, r#"{"stock":1}"#).await.unwrap();
    (world, id)
}

fn seen(history: History, version: i64) -> Option<VersionInHistory> {
    Some(VersionInHistory { history, version: Version::new(version) })
}

fn is_overtaken<T>(result: Result<T, StoreError>) -> bool {
    let Err(error) = result else { return false };
    error.changed_nothing()
        && matches!(error, StoreError::VersionConflict { current, .. } if current == Version::new(2))
}

pub(crate) async fn a_write_that_was_overtaken_changes_nothing(adapter: Adapter) {
    let (World { products, .. }, id) = &overtaken(adapter).await;
    let (id, anything, fenced) = (*id, || Expect::Anything, Fencing::Fenced);
    let first = seen(products.history(), 1);
    assert!(is_overtaken(products.update(id, patch(r#"{"stock":9}"#), anything(), first, fenced).await));
    assert!(is_overtaken(products.put_details(id, details(r#"{"images":[]}"#), anything(), first, fenced).await));
    assert!(is_overtaken(products.delete(id, anything(), first, Actor::default(), fenced).await));
    let cup = products.find(id).await.unwrap().expect("still there");
    assert_eq!((cup.stock, cup.version), (1, Version::new(2)));
}

pub(crate) async fn a_write_that_has_seen_the_current_version_happens(adapter: Adapter) {
    let (World { products, .. }, id) = &overtaken(adapter).await;
    let (id, fenced) = (*id, Fencing::Fenced);
    let seen = |version| seen(products.history(), version);
    products.update(id, patch(r#"{"stock":9}"#), Expect::Anything, seen(2), fenced).await.expect("updated");
    products.put_details(id, details(r#"{"images":[]}"#), Expect::Anything, seen(3), fenced).await.expect("put");
    products.delete(id, Expect::Anything, seen(4), Actor::default(), fenced).await.expect("deleted");
}

pub(crate) async fn what_the_client_expects_comes_first(adapter: Adapter) {
    let (World { products, .. }, id) = &overtaken(adapter).await;
    let first = seen(products.history(), 1);
    let expect = || Expect::OneOf(first.into_iter().collect());
    let error = products.delete(*id, expect(), first, Actor::default(), Fencing::Fenced).await.unwrap_err();
    assert!(matches!(error, StoreError::PreconditionFailed { .. }), "{error}");
    let missing = ProductId::new(99).unwrap();
    let error = products.delete(missing, expect(), first, Actor::default(), Fencing::Fenced).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(_)), "{error}");
}

pub(crate) async fn what_was_seen_in_another_history_is_seen_no_more(adapter: Adapter) {
    let world = World::new(adapter).await;
    let (products, fenced) = (&world.products, Fencing::Fenced);
    let id = world.create(r#"{"name":"Cup","price":1}"#).await.unwrap().id;
    let before = products.history();
    products.begin_history(before.get()).await.unwrap();
    assert_ne!(products.history(), before);

    // The version is the same number, of another state.
    let [old, new] = [before, products.history()].map(|history| seen(history, 1));
    let tagged = |seen: Option<VersionInHistory>| Expect::OneOf(seen.into_iter().collect());
    let refused = products.update(id, patch(r#"{"stock":9}"#), tagged(old), None, fenced).await;
    assert!(matches!(refused, Err(StoreError::PreconditionFailed { .. })), "{refused:?}");
    let never = Expect::NoneOf(old.into_iter().collect());
    products.update(id, patch("{}"), never, None, fenced).await.expect("it was never at that one");
    products.update(id, patch(r#"{"stock":9}"#), tagged(new), new, fenced).await.expect("updated");
}

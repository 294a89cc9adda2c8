//! What every configuration does, run on each of them.

use std::sync::Arc;

use hotshelf_cache::{Fencing, Read, Source, Tiers};

use crate::truth::{Mode, attribute_of};
use crate::world::{World, attribute, stored, text, thing};

macro_rules! on_each_configuration {
    ($($story:ident),* $(,)?) => {
        on_each_configuration!(@on memory Memory: $($story)*);
        on_each_configuration!(@on redis Redis: $($story)*);
        on_each_configuration!(@on tiered Tiered: $($story)*);
        on_each_configuration!(@on none None: $($story)*);
    };
    (@on $name:ident $tiers:ident: $($story:ident)*) => {
        mod $name {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let world = World::of(Tiers::$tiers).await;
                super::$story(&world).await;
                world.leaves_nothing_behind().await;
            })*
        }
    };
}

on_each_configuration!(
    a_miss_then_hits,
    the_attribute_comes_back_with_every_hit,
    what_does_not_exist_is_remembered_too,
    a_create_voids_pages_and_what_was_not_there,
    an_update_shows_at_once,
    a_deletion_shows_at_once,
    a_write_that_changed_nothing_leaves_a_working_entry,
    a_dropped_write_leaves_no_old_value,
    remove_during_a_running_load,
    a_create_during_a_running_load_of_what_is_not_there,
    failed_loads_are_not_kept,
    older_copies_are_passed_over,
    a_bypass_asks_no_tier,
    deletion_by_pattern,
);

async fn a_miss_then_hits(world: &World) {
    world.truth.commit(1, Some("one"), Fencing::Fenced);
    let first = world.read(1).await;
    assert_eq!((text(&first), stored(&first)), (Some("one"), world.keeps()));
    for _ in 0..3 {
        let next = world.read(1).await;
        assert_eq!((text(&next), next.source.is_hit()), (Some("one"), world.keeps()));
        assert_eq!(next.value, first.value, "the revision, too");
    }
    assert_eq!(world.truth.loads(), if world.keeps() { 1 } else { 4 });
    assert_eq!(world.hits_and_misses(), if world.keeps() { (3, 1) } else { (0, 4) });
}

async fn the_attribute_comes_back_with_every_hit(world: &World) {
    for id in [1, 2] {
        world.create(id, "all alike ").await;
        assert_eq!(attribute(&world.read(id).await), attribute_of(id));
        let hit = world.read(id).await;
        assert_eq!((hit.source.is_hit(), attribute(&hit)), (world.keeps(), attribute_of(id)));
    }
    let truth = Arc::clone(&world.truth);
    let load = move |_| Arc::clone(&truth).load_many(vec![1, 2]);
    let found = world.cache.get_or_load_many(vec![world.entry(1), world.entry(2)], load).await.unwrap();
    let attributes: Vec<_> = found.iter().map(attribute).collect();
    assert_eq!(attributes, [attribute_of(1), attribute_of(2)]);
}

async fn what_does_not_exist_is_remembered_too(world: &World) {
    assert_eq!(text(&world.read(1).await), None);
    let loads = world.truth.loads();
    let second = world.read(1).await;
    assert_eq!((text(&second), second.source.is_hit()), (None, world.keeps()));
    assert_eq!(world.truth.loads() == loads, world.keeps());
}

async fn a_create_voids_pages_and_what_was_not_there(world: &World) {
    world.create(1, "one").await;
    assert_eq!(text(&world.read(2).await), None);
    assert_eq!(text(&world.page().await), Some("one"));
    assert_eq!(world.page().await.source.is_hit(), world.keeps());

    world.create(2, "two").await;
    let found = world.read(2).await;
    assert_eq!((text(&found), found.source.is_hit()), (Some("two"), false));
    let page = world.page().await;
    assert_eq!((text(&page), page.source.is_hit()), (Some("one,two"), false));
    assert_eq!(world.page().await.source.is_hit(), world.keeps(), "and the new ones are kept");
    assert_eq!(world.read(2).await.source.is_hit(), world.keeps());
}

async fn an_update_shows_at_once(world: &World) {
    world.create(1, "old").await;
    world.read(1).await;
    world.page().await;
    for version in ["new", "newer", "newest"] {
        world.write(1, Some(version)).await;
        assert_eq!(text(&world.read(1).await), Some(version));
        assert_eq!(text(&world.page().await), Some(version));
        assert_eq!(world.read(1).await.source.is_hit(), world.keeps());
    }
}

async fn a_deletion_shows_at_once(world: &World) {
    world.create(1, "one").await;
    world.read(1).await;
    world.write(1, None).await;
    let found = world.read(1).await;
    assert_eq!((text(&found), found.source.is_hit()), (None, false));
    assert_eq!(world.read(1).await.source.is_hit(), world.keeps());
}

async fn a_write_that_changed_nothing_leaves_a_working_entry(world: &World) {
    world.create(1, "one").await;
    world.begin(1).await.unchanged().await;
    assert_eq!(text(&world.read(1).await), Some("one"));
    assert_eq!(world.read(1).await.source.is_hit(), world.keeps());
}

async fn a_dropped_write_leaves_no_old_value(world: &World) {
    world.create(1, "old").await;
    world.read(1).await;
    let write = world.begin(1).await;
    world.truth.commit(1, Some("new"), Fencing::Fenced);
    drop(write);
    assert_eq!(text(&world.read(1).await), Some("new"));
    if let Some(redis) = &world.redis {
        // Its fence stays until it ends by itself; that is for those whose writer may still be at it.
        redis.command(&["UNLINK", &crate::world::name(1)]);
    }
}

/// What FusionCache #613 and moka's `get_with` get wrong: the load writes the old value back.
async fn remove_during_a_running_load(world: &World) {
    world.create(1, "old").await;
    let (reading, gate) = world.read_with_load_held(1).await;
    world.write(1, Some("new")).await;
    drop(gate);
    let found = reading.await.unwrap().unwrap();
    assert_eq!((text(&found), stored(&found)), (Some("old"), false), "for the one who asked before the write");
    assert_eq!(text(&world.read(1).await), Some("new"));
    assert_eq!(text(&world.read(1).await), Some("new"));
}

async fn a_create_during_a_running_load_of_what_is_not_there(world: &World) {
    let (reading, gate) = world.read_with_load_held(1).await;
    world.create(1, "one").await;
    drop(gate);
    reading.await.unwrap().unwrap();
    assert_eq!(text(&world.read(1).await), Some("one"));
}

async fn failed_loads_are_not_kept(world: &World) {
    world.create(1, "one").await;
    world.truth.set_mode(Mode::Fails);
    assert!(world.try_read(1, Read::default()).await.is_err());
    world.leaves_nothing_behind().await;
    world.truth.set_mode(Mode::Works);
    let found = world.read(1).await;
    assert_eq!((text(&found), stored(&found)), (Some("one"), world.keeps()));
}

async fn older_copies_are_passed_over(world: &World) {
    world.create(1, "one").await;
    world.read(1).await;
    // Written by somebody of whom the cache has not heard.
    world.truth.commit(1, Some("two"), Fencing::Fenced);
    let at_least = |revision| Read { min_revision: Some(revision), ..Read::default() };
    let known = world.try_read(1, at_least(1)).await.unwrap();
    assert_eq!(known.source.is_hit(), world.keeps());
    assert_eq!(text(&known), Some(if world.keeps() { "one" } else { "two" }));
    let newer = world.try_read(1, at_least(2)).await.unwrap();
    assert_eq!((text(&newer), newer.source.is_hit()), (Some("two"), false));

    assert_eq!(text(&world.read(9).await), None);
    world.truth.commit(9, Some("nine"), Fencing::Fenced);
    assert_eq!(text(&world.try_read(9, at_least(1)).await.unwrap()), Some("nine"), "also if it is said not to exist");
}

async fn a_bypass_asks_no_tier(world: &World) {
    world.create(1, "one").await;
    world.read(1).await;
    world.truth.commit(1, Some("two"), Fencing::Fenced);
    let found = world.try_read(1, Read { bypass: true, ..Read::default() }).await.unwrap();
    assert_eq!((text(&found), found.source), (Some("two"), Source::Bypassed));
}

async fn deletion_by_pattern(world: &World) {
    let kept = u64::from(world.keeps());
    for id in 1..=12 {
        world.create(id, "x").await;
    }
    for id in 1..=12 {
        world.read(id).await;
    }
    assert_eq!(world.cache.delete_matching("id:1?").await.unwrap(), 3 * kept);
    assert_eq!(world.cache.delete_matching("id:[1-9]").await.unwrap(), 0, "only `*` and `?` are special");
    assert!(!world.read(10).await.source.is_hit());
    assert_eq!(world.read(1).await.source.is_hit(), world.keeps());
    assert_eq!(world.cache.delete_matching(thing(1).as_str()).await.unwrap(), kept);
    assert!(!world.read(1).await.source.is_hit());
}

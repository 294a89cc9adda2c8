//! Keys that hold what the cache did not write.

use std::sync::Arc;

use hotshelf_cache::EpochStore as _;
use hotshelf_cache::{Fencing, Tiers};

use crate::world::{PREFIX, World, name, stored, text};

/// Some of it reads like the beginning of what the cache writes.
const FOREIGN: [&str; 8] = ["garbage", "", "V", "V\u{1}", "F", "L", "Ferrari 250 GTO, red, as good as new", "Laptop"];

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_string_is_replaced() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "one").await;
    for foreign in FOREIGN {
        world.redis().command(&["SET", &name(1), foreign]);
        let found = world.read(1).await;
        assert_eq!((text(&found), stored(&found)), (Some("one"), true), "over {foreign:?}");
        assert!(world.read(1).await.source.is_hit(), "over {foreign:?}");
    }
    let long = "long ".repeat(100);
    world.redis().command(&["SET", &name(1), &long]);
    assert!(stored(&world.read(1).await));
}

/// Makes of the value in Redis what the version before the seal would have left.
fn rewrite_in_the_layout_before(world: &World, id: i64) {
    const REWRITE: &str = "local held = redis.call('GET', KEYS[1]) \
        redis.call('SET', KEYS[1], 'V\\5' .. string.sub(held, 3, 75) .. string.sub(held, 92), 'KEEPTTL')";
    world.redis().command(&["EVAL", REWRITE, "1", &name(id)]);
}

/// As during an upgrade, when instances of two versions share the keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_the_layout_before_is_replaced_and_never_read() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "one").await;
    world.read(1).await;
    rewrite_in_the_layout_before(&world, 1);
    let found = world.read(1).await;
    assert_eq!((text(&found), stored(&found)), (Some("one"), true));
    assert!(world.read(1).await.source.is_hit());

    rewrite_in_the_layout_before(&world, 1);
    let (reading, gate) = world.read_with_load_held(1).await;
    world.write(1, Some("new")).await;
    drop(gate);
    assert!(!stored(&reading.await.unwrap().unwrap()), "the write came in between");
    assert_eq!(text(&world.read(1).await), Some("new"));

    world.read(1).await;
    rewrite_in_the_layout_before(&world, 1);
    world.write(1, Some("newer")).await;
    assert_eq!(text(&world.read(1).await), Some("newer"), "a writer fences it as any other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_string_keeps_no_writer_waiting() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "one").await;
    for foreign in FOREIGN {
        world.redis().command(&["SET", &name(1), foreign]);
        world.write(1, Some("new")).await;
        assert_eq!(text(&world.read(1).await), Some("new"), "over {foreign:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remove_during_a_running_load_over_a_foreign_string() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "old").await;
    for (round, foreign) in FOREIGN.iter().enumerate() {
        let new = format!("new {round}");
        world.redis().command(&["SET", &name(1), foreign]);
        let (reading, gate) = world.read_with_load_held(1).await;
        world.write(1, Some(&new)).await;
        drop(gate);
        assert!(!stored(&reading.await.unwrap().unwrap()), "over {foreign:?}");
        assert_eq!(text(&world.read(1).await), Some(&*new), "over {foreign:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_is_survived_until_the_next_write() {
    let world = World::of(Tiers::Redis).await;
    for id in [1, 2] {
        world.create(id, "old").await;
    }
    world.read(2).await;
    world.redis().command(&["LPUSH", &name(1), "of", "all", "things"]);
    for _ in 0..20 {
        let found = world.read(1).await;
        assert_eq!((text(&found), stored(&found)), (Some("old"), false));
        assert!(world.read(2).await.source.is_hit(), "the link is none the worse for it");
    }
    assert_eq!(world.redis_errors("lookup"), 20);

    let epoch = world.truth.epoch();
    world.write(1, Some("new")).await;
    assert_eq!(world.truth.epoch(), epoch, "nothing else became void for it");
    assert!(stored(&world.read(1).await));
    assert_eq!(text(&world.read(1).await), Some("new"));
    world.leaves_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_generation_is_survived() {
    let world = World::of(Tiers::Redis).await;
    let generation = format!("{PREFIX}{{gen}}:things");
    world.create(1, "one").await;
    for (round, foreign) in ["", "garbage"].iter().enumerate() {
        world.redis().command(&["SET", &generation, foreign]);
        world.page().await;
        world.write(1, Some(&round.to_string())).await;
        // It comes back: what was loaded under it before must not come back with it.
        world.redis().command(&["SET", &generation, foreign]);
        assert_eq!(text(&world.page().await), Some(&*round.to_string()));
    }
    world.redis().command(&["UNLINK", &generation]);
    world.redis().command(&["LPUSH", &generation, "x"]);
    world.create(2, "two").await;
    assert!(text(&world.page().await).unwrap().ends_with(",two"));
    assert!(world.page().await.source.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_epoch_is_survived() {
    for foreign in [&["SET", "garbage"][..], &["SET", "1e300"], &["SET", "-1"], &["LPUSH", "x"]] {
        let world = World::without_redis_yet(Tiers::Redis).await;
        world.redis().restart();
        world.redis().command(&[foreign[0], &format!("{PREFIX}epoch"), foreign[1]]);
        let world = world.up().await;
        world.create(1, "one").await;
        world.read(1).await;
        assert!(world.read(1).await.source.is_hit(), "{foreign:?}");
    }
}

/// A database that was put back to an earlier state, with the Redis from after it: the epochs that it opens next have
/// been used before, and copies of them may be there.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_knows_an_older_epoch_than_redis_begins_a_history() {
    let world = World::of(Tiers::Redis).await;
    world.truth.set_epoch(30);
    world.redis().restart();
    world.down().await;
    let world = world.up().await;
    world.create(1, "after the backup").await;
    world.read(1).await;
    let known = world.truth.epoch();
    assert!(known > 30);

    let history = world.truth.history();
    world.truth.set_epoch(known - 5);
    world.truth.commit(1, Some("restored"), Fencing::Fenced);
    let options = World::options(Tiers::Redis, hotshelf_cache::WriteStrategy::Invalidate, Some(world.redis()));
    let restarted = World::new(options, world.redis.clone(), Arc::clone(&world.truth)).await.up().await;
    assert_ne!(world.truth.history().name, history.name);
    assert_eq!(text(&restarted.read(1).await), Some("restored"));
}

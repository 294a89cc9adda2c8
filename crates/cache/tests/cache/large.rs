//! Large values: smaller in Redis than they are, and beyond a bound in no tier at all.

use hotshelf_cache::{Event, Tiers, WriteStrategy};

use crate::truth::attribute_of;
use crate::world::{World, attribute, name, stored, text};

const LARGEST: usize = 1 << 20;

fn large(first: &str, length: usize) -> String {
    let mut text = first.repeat(length / first.len() + 1);
    text.truncate(length);
    text
}

fn length_in_redis(world: &World, id: i64) -> usize {
    world.redis().get(&name(id)).map_or(0, |held| held.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_value_takes_less_room_in_redis_and_reads_as_it_is() {
    let (here, there) = World::two(Tiers::Tiered).await;
    let (old, new) = (large("old ", 40_000), large("new ", 40_000));
    here.create(1, &old).await;
    assert!(stored(&here.read(1).await));
    assert!((1..10_000).contains(&length_in_redis(&here, 1)), "{} bytes", length_in_redis(&here, 1));
    for _ in 0..2 {
        let found = there.read(1).await;
        assert!(found.source.is_hit() && text(&found) == Some(&*old));
        assert_eq!(attribute(&found), attribute_of(1), "{:?}", found.source);
    }

    there.write(1, Some(&new)).await;
    assert_eq!(text(&there.read(1).await), Some(&*new));
    here.leaves_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_value_that_was_cut_off_in_redis_is_loaded_again() {
    let world = World::of(Tiers::Redis).await;
    let whole = large("whole ", 40_000);
    world.create(1, &whole).await;
    world.read(1).await;
    world.redis().command(&[
        "EVAL",
        "redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, -2))",
        "1",
        &name(1),
    ]);
    let found = world.read(1).await;
    assert!(stored(&found) && text(&found) == Some(&*whole));
    assert!(world.read(1).await.source.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_kept_nowhere_and_counted() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        let counted = || world.counted([Event::TooLarge]);
        world.create(1, &large("a", LARGEST + 1)).await;
        world.create(2, &large("a", LARGEST)).await;
        for reads in 1..=3 {
            let found = world.read(1).await;
            assert_eq!((stored(&found), counted()), (false, reads), "{tiers:?}");
            assert_eq!(text(&found).map(str::len), Some(LARGEST + 1));
        }
        world.leaves_nothing_behind().await;
        world.read(2).await;
        assert!(world.read(2).await.source.is_hit(), "{tiers:?}: the largest that is kept");

        // As many as are missing go another way.
        let load = {
            let truth = world.truth.clone();
            move |keys: Vec<_>| truth.clone().load_many(keys.iter().map(|_| 1).collect())
        };
        let found = world.cache.get_or_load_many(vec![world.entry(1)], load).await.unwrap();
        assert_eq!((stored(&found[0]), counted()), (false, 4), "{tiers:?}");
        world.leaves_nothing_behind().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_leaves_nothing_that_is_too_large() {
    let world = World::with(Tiers::Tiered, WriteStrategy::WriteThrough).await;
    world.create(1, "small").await;
    world.write(1, Some("small as well")).await;
    assert!(world.read(1).await.source.is_hit());
    world.write(1, Some(&large("b", LARGEST + 1))).await;
    assert_eq!(world.counted([Event::TooLarge]), 1);
    let found = world.read(1).await;
    assert_eq!((stored(&found), text(&found).map(str::len)), (false, Some(LARGEST + 1)));
    world.leaves_nothing_behind().await;
}

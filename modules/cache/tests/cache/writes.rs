//! Writes within one process.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_cache::{Locked, Target, Tiers, WriteStrategy};
use hotshelf_testkit::{PATIENCE, wait_until};
use tokio::time::{Instant, timeout};

use crate::world::{World, leases_and_fences, name, stored, text, thing};

const CACHED: [Tiers; 3] = [Tiers::Memory, Tiers::Redis, Tiers::Tiered];

#[tokio::test(flavor = "multi_thread")]
async fn write_through_leaves_the_new_value() {
    for tiers in CACHED {
        let world = World::with(tiers, WriteStrategy::WriteThrough).await;
        world.create(1, "old").await;
        world.read(1).await;
        world.page().await;
        let loads = world.truth.loads();
        world.write(1, Some("new")).await;
        let found = world.read(1).await;
        assert_eq!((text(&found), found.source.is_hit()), (Some("new"), true), "{tiers:?}");
        assert_eq!(found.value.unwrap().revision, 2);
        assert_eq!(world.truth.loads(), loads, "{tiers:?}: without a load");
        assert_eq!(text(&world.page().await), Some("new"), "{tiers:?}: pages are void");
        world.leaves_nothing_behind().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn write_through_of_a_deletion_leaves_nothing() {
    for tiers in CACHED {
        let world = World::with(tiers, WriteStrategy::WriteThrough).await;
        world.create(1, "one").await;
        world.read(1).await;
        world.write(1, None).await;
        let found = world.read(1).await;
        assert_eq!((text(&found), found.source.is_hit()), (None, false), "{tiers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn write_through_wins_over_a_load_from_before() {
    for tiers in CACHED {
        let world = World::with(tiers, WriteStrategy::WriteThrough).await;
        world.create(1, "old").await;
        let (reading, gate) = world.read_with_load_held(1).await;
        world.write(1, Some("new")).await;
        drop(gate);
        assert!(!stored(&reading.await.unwrap().unwrap()), "{tiers:?}");
        let found = world.read(1).await;
        assert_eq!((text(&found), found.source.is_hit()), (Some("new"), true), "{tiers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_write_is_under_way_nothing_is_kept_in_redis() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "old").await;
    world.read(1).await;
    let write = world.begin(1).await;
    assert!(write.covered());
    assert_eq!(leases_and_fences(world.redis()), [name(1)]);
    let found = world.read(1).await;
    assert_eq!((text(&found), stored(&found)), (Some("old"), false));
    world.commit(write, 1, Some("new")).await;
    let found = world.read(1).await;
    assert_eq!((text(&found), stored(&found)), (Some("new"), true));
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_its_turn_and_then_gives_up() {
    let world = World::of(Tiers::Memory).await;
    let first = world.begin(1).await;
    let began = Instant::now();
    let target = || Target { slots: vec![world.slot(1)], collections: Vec::new() };
    assert_eq!(world.cache.begin(target()).await.err(), Some(Locked));
    assert!(began.elapsed() >= Duration::from_secs(2));

    let waiting = tokio::spawn({
        let world = world.clone();
        async move { world.write(1, Some("second")).await }
    });
    tokio::task::yield_now().await;
    world.commit(first, 1, Some("first")).await;
    waiting.await.unwrap();
    assert_eq!(text(&world.read(1).await), Some("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_leave_the_last_value() {
    for tiers in CACHED {
        for strategy in [WriteStrategy::Invalidate, WriteStrategy::WriteThrough] {
            let world = World::with(tiers, strategy).await;
            world.create(1, "start").await;
            let writing = (0..40).map(|n| {
                let world = world.clone();
                tokio::spawn(async move {
                    world.read(1).await;
                    world.write(1, Some(&n.to_string())).await;
                    world.read(1).await
                })
            });
            futures_util::future::join_all(writing.collect::<Vec<_>>()).await;
            let kept = world.read(1).await.value;
            assert_eq!(kept, Arc::clone(&world.truth).load(1).await.unwrap(), "{tiers:?}, {strategy:?}");
            assert_eq!(kept.unwrap().revision, 41);
            world.leaves_nothing_behind().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_by_pattern_in_batches() {
    let world = World::of(Tiers::Redis).await;
    world.redis().command(&["SET", "elsewhere:id:1", "not ours"]);
    for id in 0..1_200 {
        world.redis().command(&["SET", &name(id), "x"]);
    }
    assert_eq!(world.cache.delete_matching("id:*").await.unwrap(), 1_200);
    assert_eq!(world.redis().keys(&name(0)), Vec::<String>::new());
    assert_eq!(world.redis().get("elsewhere:id:1").as_deref(), Some("not ours"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_no_pattern() {
    let world = World::of(Tiers::Redis).await;
    let mut options = World::options(Tiers::Redis, WriteStrategy::Invalidate, Some(world.redis()));
    options.redis.prefix = r"sh[o]p*\:".to_owned();
    let other = World::new(options, world.redis.clone(), Arc::default()).await.up().await;
    world.create(1, "one").await;
    world.read(1).await;
    other.create(1, "another").await;
    other.read(1).await;
    assert_eq!(other.cache.delete_matching("*:1").await.unwrap(), 1);
    assert!(world.read(1).await.source.is_hit());
    assert!(!other.read(1).await.source.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_for_loads_under_way() {
    let world = World::of(Tiers::Tiered).await;
    world.create(1, "one").await;
    let (reading, gate) = world.read_with_load_held(1).await;
    assert!(!world.cache.stop(Duration::from_millis(1)).await, "a load is under way");
    drop(gate);
    assert!(world.cache.stop(PATIENCE).await);
    assert_eq!(text(&reading.await.unwrap().unwrap()), Some("one"));
    let clients = || world.redis().command(&["CLIENT", "LIST", "TYPE", "NORMAL"]).text().unwrap().lines().count();
    wait_until("only the test's own connection is left", PATIENCE, async || clients() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_many_things_bars_all_of_them() {
    const MANY: i64 = 600;
    for strategy in [WriteStrategy::Invalidate, WriteStrategy::WriteThrough] {
        let world = World::with(Tiers::Tiered, strategy).await;
        for id in 1..=MANY {
            world.truth.commit(id, Some("old"), true);
            world.read(id).await;
        }
        let write = world.cache.begin(world.target(1..=MANY)).await.unwrap();
        assert_eq!(leases_and_fences(world.redis()).len(), MANY as usize);
        let values = (1..=MANY).filter_map(|id| Some((thing(id), world.truth.commit(id, Some("new"), true).0?)));
        let values: Vec<_> = values.collect();
        write.committed(values, None).await.unwrap();
        for id in 1..=MANY {
            let found = world.read(id).await;
            let kept = strategy == WriteStrategy::WriteThrough;
            assert_eq!((text(&found), found.source.is_hit()), (Some("new"), kept), "{id}, {strategy:?}");
        }
        world.leaves_nothing_behind().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_many_things_has_all_or_none() {
    let (here, there) = World::two(Tiers::Tiered).await;
    let first = there.begin(300).await;
    let refused = here.cache.begin(here.target(1..=400)).await;
    assert_eq!(refused.err(), Some(Locked));
    assert_eq!(leases_and_fences(here.redis()), [name(300)], "what it had, it has given back");
    there.commit(first, 300, Some("first")).await;
    here.cache.begin(here.target(1..=400)).await.unwrap().unchanged().await;
    here.leaves_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_the_same_many_things_all_get_through() {
    let (here, there) = World::two(Tiers::Redis).await;
    let writing = (0..20_i64).map(|n| {
        let world = if n % 2 == 0 { here.clone() } else { there.clone() };
        tokio::spawn(async move {
            // In all orders.
            let ids = (0..10).map(|id| (id * 7 + n * 3) % 10);
            let write = loop {
                match world.cache.begin(world.target(ids.clone())).await {
                    Ok(write) => break write,
                    Err(Locked) => continue,
                }
            };
            let values: Vec<_> = ids.map(|id| world.truth.commit(id, Some(&n.to_string()), true)).collect();
            drop(values);
            write.committed([], None).await.unwrap();
        })
    });
    for written in writing.collect::<Vec<_>>() {
        timeout(PATIENCE, written).await.unwrap().unwrap();
    }
    for id in 0..10 {
        let truth = Arc::clone(&here.truth).load(id).await.unwrap();
        assert_eq!(truth.as_ref().unwrap().revision, 20);
        assert_eq!((here.read(id).await.value, there.read(id).await.value), (truth.clone(), truth));
    }
    here.leaves_nothing_behind().await;
}

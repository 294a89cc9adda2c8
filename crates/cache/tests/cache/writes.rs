//! Writes within one process.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_cache::{Fencing, Source, Tag, Tiers, WriteError, WriteStrategy};
use hotshelf_testkit::{PATIENCE, wait_until};
use tokio::time::{Instant, timeout};

use crate::world::{Target, World, leases_and_fences, name, stored, text, thing};

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
    assert_eq!(write.fencing(), Fencing::Fenced);
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
    let target = || Target { entries: vec![world.entry(1)], tags: Vec::new() };
    assert_eq!(world.begin_target(target()).await.err(), Some(WriteError::Locked));
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
    options.key_prefix = r"sh[o]p*\:".to_owned();
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
            world.truth.commit(id, Some("old"), Fencing::Fenced);
            world.read(id).await;
        }
        let write = world.begin_target(world.target(1..=MANY)).await.unwrap();
        assert_eq!(leases_and_fences(world.redis()).len(), MANY as usize);
        let values =
            (1..=MANY).filter_map(|id| Some((thing(id), world.truth.commit(id, Some("new"), Fencing::Fenced).0?)));
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
    let refused = here.begin_target(here.target(1..=400)).await;
    assert_eq!(refused.err(), Some(WriteError::Locked));
    assert_eq!(leases_and_fences(here.redis()), [name(300)], "what it had, it has given back");
    there.commit(first, 300, Some("first")).await;
    here.begin_target(here.target(1..=400)).await.unwrap().unchanged().await;
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
                match world.begin_target(world.target(ids.clone())).await {
                    Ok(write) => break write,
                    Err(_) => continue,
                }
            };
            let values: Vec<_> = ids.map(|id| world.truth.commit(id, Some(&n.to_string()), Fencing::Fenced)).collect();
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

/// What pages depend on.
fn everything() -> Vec<Tag> {
    vec![Tag::new("things")]
}

/// For a write that learns only behind its bars what it changes.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_write_touches_on_its_way_is_void_as_if_it_had_begun_with_it() {
    for tiers in CACHED {
        let world = World::of(tiers).await;
        world.create(1, "old").await;
        world.page().await;
        assert!(world.page().await.source.is_hit(), "{tiers:?}");
        let mut write = world.begin_target(Target { entries: vec![world.entry(1)], tags: Vec::new() }).await.unwrap();
        assert!(world.page().await.source.is_hit(), "{tiers:?}: the write has said nothing of pages yet");

        write.also_invalidate(everything()).await;
        assert_eq!(write.fencing(), Fencing::Fenced);
        // What is in memory is right until the commit, and of this process alone.
        let void = tiers == Tiers::Redis;
        assert_eq!(world.page().await.source.is_hit(), !void, "{tiers:?}: from before");
        let between = world.page().await;
        assert_eq!((text(&between), between.source.is_hit()), (Some("old"), true), "{tiers:?}: kept again");

        world.commit(write, 1, Some("new")).await;
        let after = world.page().await;
        assert_eq!((text(&after), after.source.is_hit()), (Some("new"), false), "{tiers:?}");
        assert!(world.page().await.source.is_hit(), "{tiers:?}");
        world.leaves_nothing_behind().await;
    }
}

/// It has read the old things, and fills when the write is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_load_began_between_touch_and_commit_is_void_after_it() {
    for tiers in CACHED {
        let world = World::of(tiers).await;
        world.create(1, "old").await;
        let mut write = world.begin_target(Target { entries: vec![world.entry(1)], tags: Vec::new() }).await.unwrap();
        write.also_invalidate(everything()).await;
        let gate = world.truth.hold_loads().await;
        let paging = tokio::spawn({
            let world = world.clone();
            async move { world.page().await }
        });
        wait_until("the load is under way", PATIENCE, async || world.truth.held() == 1).await;
        world.commit(write, 1, Some("new")).await;
        drop(gate);
        assert_eq!(text(&paging.await.unwrap()), Some("old"), "{tiers:?}: it was asked for before");
        assert_eq!(text(&world.page().await), Some("new"), "{tiers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_hear_of_what_a_write_touches() {
    let (here, there) = World::two(Tiers::Tiered).await;
    here.create(1, "old").await;
    let in_memory = async || matches!(there.page().await.source, Source::L1 { .. });
    wait_until("memory has the page", PATIENCE, in_memory).await;
    let mut write = here.begin_target(Target { entries: vec![here.entry(1)], tags: Vec::new() }).await.unwrap();
    let loads = here.truth.loads();
    write.also_invalidate(everything()).await;
    wait_until("the page is void there", PATIENCE, async || {
        there.page().await;
        here.truth.loads() > loads
    })
    .await;
    wait_until("memory has the page of now", PATIENCE, in_memory).await;
    here.commit(write, 1, Some("new")).await;
    wait_until("the commit is heard of", PATIENCE, async || text(&there.page().await) == Some("new")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_touches_without_redis_is_not_covered() {
    for told in [false, true] {
        let world = World::of(Tiers::Tiered).await;
        world.create(1, "old").await;
        world.page().await;
        let mut write = world.begin(2).await;
        assert_eq!(write.fencing(), Fencing::Fenced);
        world.redis().stop();
        if told {
            world.down().await;
        }
        write.also_invalidate(everything()).await;
        assert_eq!(write.fencing(), Fencing::Unfenced, "it is known to be away: {told}");
        let epoch = world.truth.epoch();
        world.commit(write, 2, Some("new")).await;
        assert_eq!(world.truth.epoch(), epoch + 1, "by the write's own transaction");
        assert_eq!(text(&world.page().await), Some("old,new"));
        world.down().await;
        world.redis().restart();
        let world = world.up().await;
        assert_eq!(text(&world.page().await), Some("old,new"));
    }
}

/// Its fences stand all the same, and nobody is to wait for their end.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_touch_is_lost_leaves_no_fence_behind() {
    let world = World::of(Tiers::Tiered).await;
    world.create(1, "old").await;
    let mut write = world.begin_target(Target { entries: vec![world.entry(1)], tags: Vec::new() }).await.unwrap();
    world.redis().pause();
    write.also_invalidate(everything()).await;
    assert_eq!(write.fencing(), Fencing::Unfenced);
    world.redis().resume();
    world.commit(write, 1, Some("new")).await;
    let world = world.up().await;
    world.leaves_nothing_behind().await;
    world.write(1, Some("newer")).await;
    assert_eq!(text(&world.read(1).await), Some("newer"));
}

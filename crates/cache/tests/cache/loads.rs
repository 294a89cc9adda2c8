//! Who loads, and what becomes of those who wait.

use futures_util::future::join_all;
use futures_util::poll;
use hotshelf_cache::{Event, Fencing, Read, Tiers};
use hotshelf_testkit::{PATIENCE, wait_until};
use tokio::time::timeout;

use crate::truth::Mode;
use crate::world::{World, stored, text};

const CACHED: [Tiers; 3] = [Tiers::Memory, Tiers::Redis, Tiers::Tiered];

async fn all_reading(world: &World, count: usize) {
    // Those who wait are counted by nobody until they are answered: all have asked when all tasks have run.
    let asked = || world.counted([Event::MissL1]) as usize >= count;
    if world.redis.is_none() {
        wait_until("all have asked", PATIENCE, async || asked()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_500_lookups_one_loads() {
    for tiers in CACHED {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        let gate = world.truth.hold_loads().await;
        let readings: Vec<_> = (0..500).map(|_| world.reading(1)).collect();
        wait_until("the load is under way", PATIENCE, async || world.truth.held() > 0).await;
        all_reading(&world, 500).await;
        drop(gate);
        for found in join_all(readings).await {
            assert_eq!(text(&found.unwrap().unwrap()), Some("one"));
        }
        assert_eq!(world.truth.loads(), 1, "{tiers:?}");
        let (hits, misses) = world.hits_and_misses();
        assert_eq!(hits + misses, 500, "each is counted once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_take_the_load_along() {
    for tiers in CACHED {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        let (leading, gate) = world.read_with_load_held(1).await;
        let waiting = world.reading(1);
        leading.abort();
        assert!(leading.await.unwrap_err().is_cancelled());
        drop(gate);
        assert_eq!(text(&waiting.await.unwrap().unwrap()), Some("one"));
        assert_eq!(world.truth.loads(), 1, "{tiers:?}");
        assert!(world.read(1).await.source.is_hit(), "{tiers:?}: and what it brought is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_wait_for_a_failed_load_hear_of_it() {
    for tiers in CACHED {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        world.truth.set_mode(Mode::Fails);
        let (leading, gate) = world.read_with_load_held(1).await;
        let mut readings: Vec<_> = (0..50).map(|_| world.reading(1)).collect();
        readings.push(leading);
        all_reading(&world, 51).await;
        drop(gate);
        for found in join_all(readings).await {
            assert!(found.unwrap().is_err());
        }
        world.truth.set_mode(Mode::Works);
        assert_eq!(text(&world.read(1).await), Some("one"), "{tiers:?}");
        world.leaves_nothing_behind().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_panics_does_not_wedge_the_key() {
    for tiers in CACHED {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        world.truth.set_mode(Mode::Panics);
        let (leading, gate) = world.read_with_load_held(1).await;
        let waiting = world.reading(1);
        drop(gate);
        assert!(leading.await.unwrap_err().is_panic(), "{tiers:?}: the panic is passed on");
        assert!(timeout(PATIENCE, waiting).await.is_ok(), "{tiers:?}: who waits is not forgotten");
        world.truth.set_mode(Mode::Works);
        assert_eq!(text(&world.read(1).await), Some("one"));
        // In Redis the lease has to end by itself first.
        wait_until("it is kept again", PATIENCE, async || world.read(1).await.source.is_hit()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_lookup_leaves_no_lease() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "one").await;
    // Redis gets the command, but the answer finds nobody who waits for it.
    world.redis().pause();
    let mut reading = Box::pin(world.read(1));
    assert!(poll!(&mut reading).is_pending());
    drop(reading);
    world.redis().resume();
    // Answered in order on one connection: with this, Redis has also carried out what was asked before.
    assert!(stored(&world.read(2).await));
    world.leaves_nothing_behind().await;
    assert_eq!(text(&world.read(1).await), Some("one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_more_than_the_load_brought_loads_again() {
    for tiers in CACHED {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        let (leading, gate) = world.read_with_load_held(1).await;
        world.truth.commit(1, Some("two"), Fencing::Fenced);
        let picky = world.clone();
        let read = Read { min_revision: Some(2), ..Read::default() };
        let waiting = tokio::spawn(async move { picky.try_read(1, read).await });
        drop(gate);
        assert_eq!(text(&leading.await.unwrap().unwrap()), Some("one"));
        assert_eq!(text(&waiting.await.unwrap().unwrap()), Some("two"), "{tiers:?}");
    }
}

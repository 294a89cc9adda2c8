//! Lookups of many entries at once.

use std::sync::Arc;

use hotshelf_cache::{BatchError, Fencing, Found, Key, Source, Tiers};
use hotshelf_testkit::{PATIENCE, wait_until};
use tokio::time::timeout;

use crate::truth::{Broken, Mode};
use crate::world::{World, text};

const ALL: [Tiers; 4] = [Tiers::Memory, Tiers::Redis, Tiers::Tiered, Tiers::None];

fn texts(found: &[Found]) -> Vec<Option<&str>> {
    found.iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_tier_has_is_loaded_at_once() {
    for tiers in ALL {
        let world = World::of(tiers).await;
        for id in 1..=300 {
            world.truth.commit(id, Some(&id.to_string()), Fencing::Fenced);
        }
        // So that Redis knows a generation: else what says "absent" is loaded again under the first one.
        world.read(1_000).await;
        world.read(7).await;
        let (before, ids) = (world.truth.loads(), (0..=300).rev().chain([5]).collect::<Vec<_>>());
        let found = world.read_many(&ids).await.unwrap();
        assert_eq!(world.truth.loads(), before + 1, "{tiers:?}: in one load");
        for (id, found) in ids.iter().zip(&found) {
            assert_eq!(text(found), (*id != 0).then(|| id.to_string()).as_deref(), "in the order of the request");
            let hit = *id == 7 && world.keeps();
            assert_eq!(found.source.is_hit(), hit, "{tiers:?}: {id}");
        }
        let (hits, misses) = world.hits_and_misses();
        assert_eq!(hits + misses, 304, "each is counted once");
        let again = world.read_many(&ids).await.unwrap();
        assert_eq!(texts(&again), texts(&found));
        assert!(again.iter().all(|found| found.source.is_hit() == world.keeps()), "{tiers:?}: absence is kept, too");
        world.leaves_nothing_behind().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_entries_wait_for_each_other_and_in_no_circle() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        for id in 1..=20 {
            world.truth.commit(id, Some("x"), Fencing::Fenced);
        }
        let gate = world.truth.hold_loads().await;
        let batches = [(1..=12).collect::<Vec<i64>>(), (8..=20).rev().collect(), vec![20, 1, 10]];
        let reading = batches.map(|ids| {
            let world = world.clone();
            tokio::spawn(async move { world.read_many(&ids).await.unwrap() })
        });
        wait_until("loads are under way", PATIENCE, async || world.truth.held() >= 2).await;
        drop(gate);
        for reading in reading {
            let found = timeout(PATIENCE, reading).await.unwrap().unwrap();
            assert!(found.iter().all(|found| text(found) == Some("x")), "{tiers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_of_another_process_is_not_waited_for() {
    let (here, there) = World::two(Tiers::Redis).await;
    here.create(1, "one").await;
    let (loading, gate) = there.read_with_load_held(1).await;
    let reading = here.clone();
    let reading = tokio::spawn(async move { reading.read_many(&[1, 2]).await.unwrap() });
    // Both processes hang on the same gate: one lookup there, one batch here.
    wait_until("both load", PATIENCE, async || here.truth.held() == 2).await;
    drop(gate);
    assert_eq!(texts(&reading.await.unwrap()), [Some("one"), None]);
    assert_eq!(text(&loading.await.unwrap().unwrap()), Some("one"));
    here.leaves_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_the_middle_bars_what_was_loaded() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        world.create(1, "old").await;
        world.create(2, "two").await;
        let gate = world.truth.hold_loads().await;
        let reading = world.clone();
        let reading = tokio::spawn(async move { reading.read_many(&[1, 2]).await.unwrap() });
        wait_until("the load is under way", PATIENCE, async || world.truth.held() == 1).await;
        world.write(1, Some("new")).await;
        drop(gate);
        reading.await.unwrap();
        assert_eq!(texts(&world.read_many(&[1, 2]).await.unwrap()), [Some("new"), Some("two")], "{tiers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_load_is_heard_of_and_leaves_nothing_behind() {
    let world = World::of(Tiers::Tiered).await;
    world.create(1, "one").await;
    world.truth.set_mode(Mode::Fails);
    assert_eq!(world.read_many(&[1, 2]).await, Err(BatchError::Load(Broken)));
    world.leaves_nothing_behind().await;
    world.truth.set_mode(Mode::Panics);
    let panicking = world.clone();
    assert!(tokio::spawn(async move { panicking.read_many(&[1, 2]).await }).await.unwrap_err().is_panic());
    world.truth.set_mode(Mode::Works);
    assert_eq!(texts(&world.read_many(&[1, 2]).await.unwrap()), [Some("one"), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_life_what_is_there_is_better_than_nothing() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::short_lived(tiers).await;
        world.create(1, "one").await;
        world.create(2, "two").await;
        world.read_many(&[1, 2]).await.unwrap();
        world.truth.set_mode(Mode::Fails);
        wait_until("both are past their lives", PATIENCE, async || {
            let found = world.read_many(&[1, 2]).await.unwrap();
            assert_eq!(texts(&found), [Some("one"), Some("two")], "{tiers:?}");
            found.iter().all(|found| matches!(found.source, Source::Stale { .. }))
        })
        .await;
        assert_eq!(world.read_many(&[1, 3]).await, Err(BatchError::Load(Broken)), "{tiers:?}: not all are there");
    }
}

impl World {
    async fn read_many(&self, ids: &[i64]) -> Result<Vec<Found>, BatchError<Broken>> {
        let truth = Arc::clone(&self.truth);
        let load = move |keys: Vec<Key>| {
            let ids = keys.iter().map(|key| key.as_str().strip_prefix("id:").unwrap().parse().unwrap()).collect();
            Arc::clone(&truth).load_many(ids)
        };
        self.cache.get_or_load_many(ids.iter().map(|id| self.entry(*id)).collect(), load).await
    }
}

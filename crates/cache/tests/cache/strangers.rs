//! Processes that share a Redis, or a database, and were not told of each other.

use std::sync::Arc;

use hotshelf_cache::{CacheOptions, Condition, EpochStore as _, Tiers, WriteStrategy};
use hotshelf_testkit::{PATIENCE, wait_until};

use crate::truth::Truth;
use crate::world::{World, text};

/// On the Redis of `world`, with a database of its own.
async fn stranger(world: &World, shared: bool) -> World {
    let options = World::options(Tiers::Tiered, WriteStrategy::Invalidate, Some(world.redis()));
    let options = CacheOptions { shared_database: shared, ..options };
    World::new(options, world.redis.clone(), Arc::new(Truth::default())).await
}

/// Redis is not for this process.
async fn is_kept_out(world: &World, words: &str) {
    let condition = || world.cache.condition();
    let kept_out = async || matches!(condition(), Condition::RedisDown { reason } if reason.contains(words));
    wait_until("the process is kept out", PATIENCE, kept_out).await;
}

/// Nothing is served any more.
async fn has_ended(world: &World, words: &str) {
    let condition = || world.cache.condition();
    let ended = async || matches!(condition(), Condition::ServiceEnded { reason } if reason.contains(words));
    wait_until("the service of the cache has ended", PATIENCE, ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_under_one_prefix_never_read_each_other() {
    for shared in [false, true] {
        let (world, _second) = match shared {
            true => World::two(Tiers::Tiered).await,
            false => (World::of(Tiers::Tiered).await, World::of(Tiers::Memory).await),
        };
        world.create(1, "ours").await;
        world.read(1).await;
        let stranger = stranger(&world, shared).await;
        is_kept_out(&stranger, "another database").await;
        stranger.create(1, "theirs").await;
        for _ in 0..3 {
            assert_eq!(text(&stranger.read(1).await), Some("theirs"));
            assert_eq!(text(&world.read(1).await), Some("ours"));
        }
        assert!(world.cache.condition().is_healthy(), "whoever was there first goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_takes_the_keys_over_when_the_other_is_gone() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "ours").await;
    world.read(1).await;
    let fence = world.begin(1).await;
    let stranger = stranger(&world, false).await;
    is_kept_out(&stranger, "another database").await;
    assert!(world.cache.stop(PATIENCE).await);
    let stranger = stranger.up().await;
    // Under the epoch, and over the fence, that the other has left.
    stranger.truth.set_epoch(world.truth.epoch());
    let stranger = stranger.another_process().await;
    stranger.create(1, "theirs").await;
    stranger.write(1, Some("theirs, too")).await;
    for _ in 0..3 {
        assert_eq!(text(&stranger.read(1).await), Some("theirs, too"));
    }
    drop(fence);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_believe_to_be_alone_are_noticed() {
    for tiers in [Tiers::Tiered, Tiers::Redis, Tiers::Memory] {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        world.read(1).await;
        let other = world.another_process().await;
        has_ended(&world, "another process works on the same database").await;
        other.write(1, Some("two")).await;
        for _ in 0..3 {
            assert_eq!(text(&world.read(1).await), Some("two"), "{tiers:?}: it serves no copy any more");
            assert_eq!(text(&other.read(1).await), Some("two"));
        }
        assert!(other.cache.condition().is_healthy(), "{tiers:?}: the last one goes on");
    }
}

/// The last command of the process that ran before is carried out after this one has taken its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_gone_ends_nothing() {
    let world = World::of(Tiers::Tiered).await;
    world.create(1, "one").await;
    let key = || world.redis().keys("*epoch").first().cloned();
    let held = || key().and_then(|key| world.redis().get(&key)).unwrap_or_default();
    let ours = held();
    let [history, epoch, commits, _, _] = ours.split(' ').collect::<Vec<_>>()[..] else { panic!("{ours}") };
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() + 3_000;
    let late = format!("{history} {epoch} {commits} gone {soon}");
    world.redis().command(&["SET", &key().unwrap(), &late]);
    let taken_back = async || !held().contains(" gone ");
    wait_until("the process has its place again", PATIENCE, taken_back).await;
    assert!(world.cache.condition().is_healthy());
    world.read(1).await;
    assert!(world.read(1).await.source.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_redis_is_noticed_by_one_that_has_it() {
    let world = World::of(Tiers::Tiered).await;
    let options = World::options(Tiers::Memory, WriteStrategy::Invalidate, None);
    let _other = World::new(options, None, Arc::clone(&world.truth)).await;
    has_ended(&world, "another process works on the same database").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_believes_to_be_alone_is_noticed_by_those_that_share() {
    let (here, there) = World::two(Tiers::Tiered).await;
    let options = World::options(Tiers::Tiered, WriteStrategy::Invalidate, here.redis.as_deref());
    let _alone = World::new(options, here.redis.clone(), Arc::clone(&here.truth)).await;
    for world in [here, there] {
        has_ended(&world, "another process works on the same database").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_served_after_the_end_of_service() {
    for tiers in [Tiers::Tiered, Tiers::Redis, Tiers::Memory] {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        world.read(1).await;
        assert!(world.read(1).await.source.is_hit());
        world.cache.end_service("the database is another one");
        for _ in 0..3 {
            assert!(!world.read(1).await.source.is_hit(), "{tiers:?}");
        }
        has_ended(&world, "the database is another one").await;
    }
}

/// The commits tell where no epoch was opened since.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_fewer_commits_than_redis_knows_begins_a_history() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "kept").await;
    world.write(1, Some("lost")).await;
    world.read(1).await;
    assert!(world.cache.stop(PATIENCE).await, "what it has told last is all that it knew");
    let history = world.truth.history();
    world.truth.put_back(1, "kept", 1);
    let again = world.another_process().await;
    assert_ne!(again.truth.history().name, history.name);
    assert_eq!(text(&again.read(1).await), Some("kept"));
}

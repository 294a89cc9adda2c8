//! Redis comes back with another memory than it had: nothing it holds from before is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hotshelf_cache::{Fencing, Tiers, WriteError};
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use tokio::time::{Instant, sleep};

use crate::truth::Truth;
use crate::world::{World, name, text, thing};

/// Copies of the thing, of its absence's neighbour and of the page, all in Redis, and its snapshot of them.
async fn with_a_snapshot_of_old_copies() -> World {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "old").await;
    for _ in 0..2 {
        world.read(1).await;
        world.read(2).await;
        world.page().await;
    }
    world.redis().save_snapshot();
    world
}

/// All reads are right, from now until Redis answers them again.
async fn only_new_things_are_read(world: &World) {
    let all_kept = async || {
        let (one, two, page) = (world.read(1).await, world.read(2).await, world.page().await);
        assert_eq!((text(&one), text(&two), text(&page)), (Some("new"), Some("two"), Some("new,two")));
        [one, two, page].iter().all(|found| found.source.is_hit())
    };
    wait_until("new copies are kept", PATIENCE, all_kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_from_a_snapshot() {
    let world = with_a_snapshot_of_old_copies().await;
    world.write(1, Some("new")).await;
    world.create(2, "two").await;
    world.redis().restart_from_snapshot();
    assert!(world.redis().get(&name(1)).unwrap().ends_with("old"), "the old copy is there again");
    only_new_things_are_read(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_from_a_snapshot_in_the_middle_of_a_write() {
    let world = with_a_snapshot_of_old_copies().await;
    let write = world.begin(1).await;
    world.redis().restart_from_snapshot();
    world.create(2, "two").await;
    world.commit(write, 1, Some("new")).await;
    only_new_things_are_read(&world).await;
    world.leaves_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_from_a_snapshot_and_picked_up_in_the_middle_of_a_write() {
    let world = with_a_snapshot_of_old_copies().await;
    let (write, epoch) = (world.begin(1).await, world.truth.epoch());
    world.redis().restart_from_snapshot();
    wait_until("the other memory is noticed", PATIENCE, async || world.truth.epoch() > epoch).await;
    let world = world.up().await;
    // What is loaded now is of the new epoch, but from before the commit.
    assert_eq!(text(&world.read(1).await), Some("old"));
    world.commit(write, 1, Some("new")).await;
    world.create(2, "two").await;
    only_new_things_are_read(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_from_a_snapshot_while_the_service_is_down() {
    let world = with_a_snapshot_of_old_copies().await;
    world.write(1, Some("new")).await;
    world.create(2, "two").await;
    assert!(world.cache.stop(PATIENCE).await);
    world.redis().restart_from_snapshot();
    let options = World::options(Tiers::Redis, hotshelf_cache::WriteStrategy::Invalidate, Some(world.redis()));
    let again = World::new(options, world.redis.clone(), Arc::clone(&world.truth)).await.up().await;
    only_new_things_are_read(&again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_empty_in_the_middle_of_a_write() {
    let world = with_a_snapshot_of_old_copies().await;
    let write = world.begin(1).await;
    world.redis().restart();
    world.commit(write, 1, Some("new")).await;
    world.create(2, "two").await;
    only_new_things_are_read(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_in_the_middle_of_a_write() {
    for command in ["FLUSHALL", "FLUSHDB"] {
        let world = with_a_snapshot_of_old_copies().await;
        let write = world.begin(1).await;
        world.redis().command(&[command]);
        // Nothing bars this one from being kept, until the write ends.
        assert_eq!(text(&world.read(1).await), Some("old"));
        world.commit(write, 1, Some("new")).await;
        world.create(2, "two").await;
        only_new_things_are_read(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_flushed() {
    let world = with_a_snapshot_of_old_copies().await;
    world.redis().command(&["SCRIPT", "FLUSH"]);
    world.write(1, Some("new")).await;
    world.redis().command(&["SCRIPT", "FLUSH"]);
    world.create(2, "two").await;
    only_new_things_are_read(&world).await;
    world.leaves_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_and_connected_again_to_the_same_memory() {
    let world = with_a_snapshot_of_old_copies().await;
    let epoch = world.truth.epoch();
    for _ in 0..3 {
        let links = || world.redis().command(&["CLIENT", "LIST", "TYPE", "NORMAL"]).text().unwrap();
        world.redis().command(&["CLIENT", "KILL", "TYPE", "NORMAL"]);
        wait_until("the link is back", PATIENCE, async || links().lines().count() == 2).await;
        let hit = async || world.read(1).await.source.is_hit();
        wait_until("it is used", PATIENCE, hit).await;
    }
    assert_eq!(world.truth.epoch(), epoch, "its copies count");
    assert!(world.read(2).await.source.is_hit());
    assert!(world.page().await.source.is_hit());
}

/// What it bars is over: its writer released it after the snapshot, and will not come back to do so again.
#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_comes_back_with_a_snapshot_bars_nobody() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "old").await;
    let write = world.begin(1).await;
    world.redis().save_snapshot();
    world.commit(write, 1, Some("new")).await;
    world.redis().restart_from_snapshot();
    assert!(world.redis().get(&name(1)).unwrap().starts_with('F'), "the fence is there again");
    let fenced = async || {
        let write = world.begin(1).await;
        let fencing = write.fencing();
        world.commit(write, 1, Some("newer")).await;
        fencing == Fencing::Fenced
    };
    wait_until("a writer gets past it", PATIENCE, fenced).await;

    world.redis().restart_from_snapshot();
    let hit = async || world.read(1).await.source.is_hit();
    wait_until("what readers load is kept in its place", PATIENCE, hit).await;
    assert_eq!(text(&world.read(1).await), Some("newer"));
    world.leaves_nothing_behind().await;
}

/// A replica that missed the last deletes takes over, here within the process that was the master before.
#[tokio::test(flavor = "multi_thread")]
async fn made_a_replica_of_an_older_memory_and_promoted_again() {
    let world = with_a_snapshot_of_old_copies().await;
    let other = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    world.redis().command(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    follow(&other, world.redis()).await;
    other.command(&["REPLICAOF", "NO", "ONE"]);
    world.write(1, Some("new")).await;
    world.create(2, "two").await;

    follow(world.redis(), &other).await;
    assert!(world.redis().get(&name(1)).unwrap().ends_with("old"), "the old copy is there again");
    world.down().await;
    world.redis().command(&["REPLICAOF", "NO", "ONE"]);
    only_new_things_are_read(&world).await;
}

async fn follow(replica: &RedisServer, master: &RedisServer) {
    let (host, port) = master.address().split_once(':').unwrap();
    replica.command(&["REPLICAOF", host, port]);
    let in_step = || replica.command(&["INFO", "replication"]).text().unwrap().contains("master_link_status:up");
    wait_until("the replica is in step", PATIENCE, async || in_step()).await;
}

/// Whatever becomes of Redis, each read brings at least what was acknowledged before it began.
#[tokio::test(flavor = "multi_thread")]
async fn reads_never_go_back() {
    for tiers in [Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        world.create(1, "start").await;
        let (acknowledged, done) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
        let client = |writes: bool| {
            let (world, acknowledged, done) = (world.clone(), Arc::clone(&acknowledged), Arc::clone(&done));
            tokio::spawn(async move {
                let mut reads = 0;
                while !done.load(Ordering::SeqCst) {
                    if writes {
                        let revision = write_counted(&world).await;
                        acknowledged.fetch_max(revision, Ordering::SeqCst);
                    }
                    let floor = acknowledged.load(Ordering::SeqCst);
                    let found = world.read(1).await.value.unwrap().revision;
                    assert!(found >= floor, "{tiers:?}: read {found} after {floor} was acknowledged");
                    reads += 1;
                    tokio::task::yield_now().await;
                }
                reads
            })
        };
        let clients: Vec<_> = [true, false, false, false].map(client).into();
        trouble(world.redis()).await;
        done.store(true, Ordering::SeqCst);
        for client in clients {
            assert!(client.await.unwrap() > 10, "it has read hardly anything");
        }
        let world = world.up().await;
        let truth = Truth::load(Arc::clone(&world.truth), 1).await.unwrap();
        assert_eq!(world.read(1).await.value, truth);
        world.leaves_nothing_behind().await;
    }
}

async fn write_counted(world: &World) -> u64 {
    // A fence that was lost on the way may bar the next write for longer than that waits.
    let write = loop {
        match world.begin_target(world.target([1])).await {
            Err(WriteError::Locked) => {}
            begun => break begun.unwrap(),
        }
    };
    let (value, epoch) = world.truth.commit(1, Some("next"), write.fencing());
    let revision = value.as_ref().unwrap().revision;
    write.committed(value.map(|value| (thing(1), value)), epoch).await.unwrap();
    revision
}

/// All that can become of a Redis, with a little time for the clients in between.
async fn trouble(redis: &RedisServer) {
    let until = Instant::now() + Duration::from_secs(4);
    let breath = || sleep(Duration::from_millis(rand::random_range(20..200)));
    while Instant::now() < until {
        match rand::random_range(0..6) {
            0 => redis.restart(),
            1 => {
                redis.save_snapshot();
                breath().await;
                redis.restart_from_snapshot();
            }
            2 => {
                redis.pause();
                sleep(Duration::from_millis(rand::random_range(20..900))).await;
                redis.resume();
            }
            3 => drop(redis.command(&["FLUSHALL"])),
            4 => drop(redis.command(&["SCRIPT", "FLUSH"])),
            _ => drop(redis.command(&["CLIENT", "KILL", "TYPE", "NORMAL"])),
        }
        breath().await;
    }
}

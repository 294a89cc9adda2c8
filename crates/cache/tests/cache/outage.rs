//! Redis away, and Redis silent: nobody waits long, nobody reads old things, and it is picked up again.

use std::time::Duration;

use hotshelf_cache::{Fencing, Tiers};
use hotshelf_testkit::{PATIENCE, wait_until};
use tokio::time::Instant;

use crate::world::{World, text};

/// The steps of a write in Redis that have failed. Those that fail at the same time are one: the writer waits for one
/// timeout.
fn failed_steps_of_writes(world: &World) -> u64 {
    ["fence", "void", "release"].map(|operation| world.redis_errors(operation)).iter().sum()
}

/// The steps of lookups that have failed: the lookup itself, and those that it may need before and after.
fn failed_steps_of_lookups(world: &World) -> u64 {
    ["lookup", "generation", "fill", "abandon", "overdue"].map(|operation| world.redis_errors(operation)).iter().sum()
}

/// Lookups that were sent to Redis.
fn lookups_sent(world: &World) -> u64 {
    let commands = world.cache.statistics();
    commands.redis_commands().filter(|(command, _)| *command == "lookup").map(|(_, times)| times.count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_without_redis_is_not_covered_and_advances_the_epoch() {
    let world = World::without_redis_yet(Tiers::Redis).await;
    let write = world.begin(1).await;
    assert_eq!(write.fencing(), Fencing::Unfenced);
    let epoch = world.truth.epoch();
    world.commit(write, 1, Some("one")).await;
    assert_eq!(world.truth.epoch(), epoch + 1, "by the write's own transaction, and only by it");
    assert_eq!(text(&world.read(1).await), Some("one"));

    world.redis().restart();
    let world = world.up().await;
    world.read(1).await;
    assert!(world.read(1).await.source.is_hit());
    assert_eq!(world.begin(1).await.fencing(), Fencing::Fenced);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_goes_on_without_redis() {
    let world = World::without_redis_yet(Tiers::Tiered).await;
    world.create(1, "one").await;
    world.read(1).await;
    assert!(world.read(1).await.source.is_hit());
    world.write(1, Some("new")).await;
    assert_eq!(text(&world.read(1).await), Some("new"));
    assert!(world.read(1).await.source.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_ends_without_a_link_has_no_command_that_could_fail() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "old").await;
    let write = world.begin(1).await;
    world.redis().stop();
    world.down().await;
    world.commit(write, 1, Some("new")).await;
    assert_eq!(world.redis_errors("release"), 0);
    assert_eq!(text(&world.read(1).await), Some("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_between_begin_and_commit() {
    for tiers in [Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        world.create(1, "old").await;
        world.read(1).await;
        let write = world.begin(1).await;
        assert_eq!(write.fencing(), Fencing::Fenced);
        world.redis().stop();
        let epoch = world.truth.epoch();
        world.commit(write, 1, Some("new")).await;
        assert_eq!(world.truth.epoch(), epoch + 1, "what cannot be confirmed is made void");
        assert_eq!(text(&world.read(1).await), Some("new"), "{tiers:?}");
        world.down().await;
        world.redis().restart();
        let world = world.up().await;
        assert_eq!(text(&world.read(1).await), Some("new"), "{tiers:?}");
    }
}

/// The fence is not answered in time, but carried out late.
#[tokio::test(flavor = "multi_thread")]
async fn redis_hangs_during_begin() {
    let world = with_an_old_copy().await;
    world.redis().pause();
    let write = world.begin(1).await;
    assert_eq!(write.fencing(), Fencing::Unfenced);
    world.commit(write, 1, Some("new")).await;
    assert!(failed_steps_of_writes(&world) <= 1, "it waits for one timeout at most");
    world.redis().resume();
    ends_well(world).await;
}

/// As before, but Redis is given up in between, so that what it carries out late comes from a connection that is no
/// more.
#[tokio::test(flavor = "multi_thread")]
async fn redis_hangs_during_begin_for_long() {
    let world = with_an_old_copy().await;
    world.redis().pause();
    world.write(1, Some("new")).await;
    world.down().await;
    assert_eq!(text(&world.read(1).await), Some("new"));
    world.redis().resume();
    ends_well(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_hangs_during_committed() {
    let world = with_an_old_copy().await;
    let write = world.begin(1).await;
    assert_eq!(write.fencing(), Fencing::Fenced);
    world.redis().pause();
    let epoch = world.truth.epoch();
    world.commit(write, 1, Some("new")).await;
    assert!(failed_steps_of_writes(&world) <= 1, "it waits for one timeout at most");
    assert_eq!(world.truth.epoch(), epoch + 1);
    world.redis().resume();
    ends_well(world).await;
}

/// Whoever loads when Redis hangs has its fill carried out late, under the epoch from before.
#[tokio::test(flavor = "multi_thread")]
async fn redis_hangs_during_a_fill_that_a_write_overtakes() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "old").await;
    let (reading, gate) = world.read_with_load_held(1).await;
    world.redis().pause();
    drop(gate);
    world.write(1, Some("new")).await;
    reading.await.unwrap().unwrap();
    world.redis().resume();
    ends_well(world).await;
}

async fn with_an_old_copy() -> World {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "old").await;
    world.read(1).await;
    assert!(world.read(1).await.source.is_hit());
    world
}

/// From now on until long after Redis is back, nobody reads the old value, and writes work again soon.
async fn ends_well(world: World) {
    let kept = async || {
        let found = world.read(1).await;
        assert_eq!(text(&found), Some("new"));
        found.source.is_hit()
    };
    wait_until("a new copy is kept", PATIENCE, kept).await;
    world.leaves_nothing_behind().await;
    let world = world.up().await;
    let fenced = async || {
        let write = world.begin(1).await;
        let fencing = write.fencing();
        world.commit(write, 1, Some("newer")).await;
        fencing == Fencing::Fenced
    };
    wait_until("writes are covered again", PATIENCE, fenced).await;
    assert_eq!(text(&world.read(1).await), Some("newer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_wait_for_one_timeout_at_most_and_then_for_none() {
    let world = with_an_old_copy().await;
    world.page().await;
    world.redis().pause();
    let loads = world.truth.loads();
    let readings = (0..20).map(|_| async {
        assert_eq!(text(&world.read(1).await), Some("old"));
        assert_eq!(text(&world.page().await), Some("old"));
        assert_eq!(text(&world.read(2).await), None);
    });
    futures_util::future::join_all(readings).await;
    let (failed, loads) = (failed_steps_of_lookups(&world), world.truth.loads() - loads);
    assert!(failed <= loads, "{failed} steps of {loads} lookups have failed, each a timeout to wait for");

    world.down().await;
    let sent = lookups_sent(&world);
    for _ in 0..100 {
        assert_eq!(text(&world.read(1).await), Some("old"));
    }
    assert_eq!(lookups_sent(&world), sent, "given up, Redis is not even asked");
    world.redis().resume();
    let world = world.up().await;
    assert!(world.read(1).await.source.is_hit(), "nothing was written: the same server is trusted again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_for_long_collects_no_connections_and_no_tasks() {
    let world = with_an_old_copy().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let tasks = metrics.num_alive_tasks();
    world.redis().pause();
    world.down().await;
    // Several attempts to connect, each of which is taken by the kernel and then answered by nobody.
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let (connections, tasks_now) = (connections_to(world.redis().address()), metrics.num_alive_tasks());
        assert!(connections <= 2, "{connections} connections");
        assert!(tasks_now <= tasks + 2, "{tasks_now} tasks instead of {tasks}");
        world.write(1, Some("new")).await;
        assert_eq!(text(&world.read(1).await), Some("new"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.redis().resume();
    let world = world.up().await;
    assert_eq!(text(&world.read(1).await), Some("new"));
    let confirmed = async || connections_to(world.redis().address()) == 1 && metrics.num_alive_tasks() <= tasks;
    wait_until("one connection is left", PATIENCE, confirmed).await;
}

/// How many connections to this address the process holds open.
fn connections_to(address: &str) -> usize {
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let remote = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let established = |line: &&str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns.get(2) == Some(&&*remote) && columns.get(3) == Some(&"01")
    };
    table.lines().filter(established).count()
}

//! Two processes on one database and one Redis.

use std::time::Duration;

use hotshelf_cache::{Source, Tiers, WriteError};
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use tokio::time::{Instant, timeout};

use crate::world::{Target, World, name, stored, text};

async fn two_processes() -> (World, World) {
    World::two(Tiers::Redis).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_here_shows_there() {
    let (here, there) = two_processes().await;
    here.create(1, "one").await;
    assert_eq!(text(&there.read(1).await), Some("one"));
    assert_eq!(text(&there.read(2).await), None);
    assert_eq!(text(&there.page().await), Some("one"));
    assert!(here.read(1).await.source.is_hit(), "what one has loaded is there for the other");

    here.write(1, Some("new")).await;
    here.create(2, "two").await;
    assert_eq!(text(&there.read(1).await), Some("new"));
    assert_eq!(text(&there.read(2).await), Some("two"));
    assert_eq!(text(&there.page().await), Some("new,two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_follows_the_writes_of_another_process() {
    let (here, there) = World::two(Tiers::Tiered).await;
    here.create(1, "one").await;
    for _ in 0..3 {
        let in_memory = async || matches!(there.read(1).await.source, Source::L1 { .. });
        wait_until("memory has it", PATIENCE, in_memory).await;
        here.write(1, Some("new")).await;
        let seen = async || text(&there.read(1).await) == Some("new");
        wait_until("the change is heard", PATIENCE, seen).await;
        here.write(1, Some("one")).await;
    }
    let page_in_memory = async || matches!(there.page().await.source, Source::L1 { .. });
    wait_until("memory has the page", PATIENCE, page_in_memory).await;
    here.create(2, "two").await;
    wait_until("the new one is heard of", PATIENCE, async || text(&there.page().await) == Some("one,two")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnect_of_the_back_plane() {
    let (here, there) = World::two(Tiers::Tiered).await;
    here.create(1, "one").await;
    let in_memory = async || matches!(there.read(1).await.source, Source::L1 { .. });
    wait_until("memory has it", PATIENCE, in_memory).await;
    // Every connection of both ends; what happens before they are back is heard by nobody.
    here.redis().command(&["CLIENT", "KILL", "TYPE", "normal"]);
    here.write(1, Some("new")).await;
    let bound = Instant::now() + Duration::from_secs(1);
    tokio::time::sleep_until(bound).await;
    assert_eq!(text(&there.read(1).await), Some("new"), "the lease of memory has ended");
    wait_until("memory follows again", PATIENCE, in_memory).await;
    assert_eq!(text(&there.read(1).await), Some("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_the_load_of_another_process_and_is_woken() {
    let (here, there) = World::two(Tiers::Tiered).await;
    here.create(1, "one").await;
    wait_until("changes are heard", PATIENCE, async || {
        there.read(1).await;
        matches!(there.read(1).await.source, Source::L1 { .. })
    })
    .await;
    here.write(1, Some("new")).await;
    let loads = here.truth.loads();
    let (reading, gate) = here.read_with_load_held(1).await;
    let mut waiting = tokio::spawn({
        let there = there.clone();
        async move { there.read(1).await }
    });
    assert!(timeout(Duration::from_millis(300), &mut waiting).await.is_err(), "not before it is there");
    drop(gate);
    let found = timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    assert!(matches!(found.source, Source::L2 { .. }), "{found:?}");
    assert_eq!(text(&found), Some("new"));
    reading.await.unwrap().unwrap();
    assert_eq!(here.truth.loads(), loads + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn remove_there_during_a_running_load_here() {
    let (here, there) = two_processes().await;
    here.create(1, "old").await;
    let (reading, gate) = here.read_with_load_held(1).await;
    there.write(1, Some("new")).await;
    drop(gate);
    assert!(!stored(&reading.await.unwrap().unwrap()));
    assert_eq!(text(&here.read(1).await), Some("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_waits_for_the_fence_of_another_process() {
    let (here, there) = two_processes().await;
    let first = there.begin(1).await;
    let mut waiting = tokio::spawn({
        let here = here.clone();
        async move { here.write(1, Some("second")).await }
    });
    assert!(timeout(Duration::from_millis(200), &mut waiting).await.is_err(), "not before the first has ended");
    there.commit(first, 1, Some("first")).await;
    timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(text(&there.read(1).await), Some("second"));
    here.leaves_nothing_behind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_gives_up_on_the_fence_of_another_process() {
    let (here, there) = two_processes().await;
    let first = there.begin(1).await;
    let began = Instant::now();
    let target = Target { entries: vec![here.entry(1)], tags: Vec::new() };
    assert_eq!(here.begin_target(target).await.err(), Some(WriteError::Locked));
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(here.redis().get(&name(1)).unwrap().starts_with('F'), "it is still there");
    there.commit(first, 1, Some("first")).await;
    here.write(1, Some("second")).await;
    assert_eq!(text(&there.read(1).await), Some("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_fence_was_lost_takes_nothing_of_the_other_process_along() {
    let (here, there) = two_processes().await;
    here.create(1, "zero").await;
    let first = here.begin(1).await;
    // It has ended by itself, say: the process was suspended for long.
    here.redis().command(&["UNLINK", &name(1)]);
    let second = there.begin(1).await;
    here.commit(first, 1, Some("first")).await;
    assert!(here.redis().get(&name(1)).unwrap().starts_with('O'), "the other's fence stands, overtaken");
    there.commit(second, 1, Some("second")).await;
    assert_eq!(text(&here.read(1).await), Some("second"));
    assert_eq!(text(&there.read(1).await), Some("second"));
}

/// After a fail-over, or while the network is split: one process is on the new server already, where the fence of the
/// other one bars nobody, and the other does not get as far as to hear of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_on_a_server_that_the_others_have_left_is_heard_of_though_its_writer_ends() {
    // A beat in between would tell the writer.
    for _ in 0..4 {
        let (here, idle) = two_processes().await;
        assert!(idle.cache.stop(PATIENCE).await);
        here.create(1, "old").await;
        let write = here.begin(1).await;
        let there = here.another_process_on(RedisServer::start()).await;
        assert_eq!(text(&there.read(1).await), Some("old"));
        here.commit(write, 1, Some("new")).await;
        assert!(here.cache.stop(PATIENCE).await);
        let heard = async || text(&there.read(1).await) == Some("new");
        wait_until("the write is heard of through the database", Duration::from_secs(1), heard).await;
    }
}

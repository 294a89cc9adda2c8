//! Two processes on one database and one Redis.

use std::time::Duration;

use hotshelf_cache::{Locked, Target, Tiers};
use hotshelf_testkit::PATIENCE;
use tokio::time::{Instant, timeout};

use crate::world::{World, name, stored, text, thing};

async fn two_processes() -> (World, World) {
    let here = World::of(Tiers::Redis).await;
    let there = here.another_process().await;
    (here, there)
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
async fn tiered_on_a_shared_database_keeps_nothing_in_memory() {
    let here = World::of(Tiers::Tiered).await;
    let there = here.another_process().await;
    here.create(1, "one").await;
    there.read(1).await;
    there.read(1).await;
    here.write(1, Some("new")).await;
    assert_eq!(text(&there.read(1).await), Some("new"));
    assert_eq!(there.stats.snapshot().l1.entries, 0);
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
    let target = Target { entry: Some((&here.things, thing(1))), collections: &[] };
    assert_eq!(here.cache.begin(target).await.err(), Some(Locked));
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
    assert!(here.redis().get(&name(1)).unwrap().starts_with('F'), "the other's fence stands");
    there.commit(second, 1, Some("second")).await;
    assert_eq!(text(&here.read(1).await), Some("second"));
    assert_eq!(text(&there.read(1).await), Some("second"));
}

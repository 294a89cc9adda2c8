//! How long what the cache leaves in Redis stays there.

use std::sync::Arc;

use hotshelf_cache::{Key, Read, Tag, Tiers};

use crate::truth::{Broken, Mode};
use crate::world::{PREFIX, World};

const SECOND: i64 = 1_000;
/// What a writer's generation lives.
const OF_WRITER: i64 = 30 * SECOND;
/// Pages live for 300 s and a tenth more, then comes the grace of 600 s, and then twice a writer's.
const OF_READER: i64 = 990 * SECOND;

/// What is left of the life of a key, in milliseconds.
fn left(world: &World, key: &str) -> i64 {
    world.redis().command(&["PTTL", key]).integer()
}

fn set_left(world: &World, left: i64) {
    assert_eq!(world.redis().command(&["PEXPIRE", &generation(), &left.to_string()]).integer(), 1);
}

/// The name in Redis of the generation of all things.
fn generation() -> String {
    format!("{PREFIX}{{gen}}:things")
}

/// Keys under the prefix that never end.
fn endless(world: &World) -> Vec<String> {
    let mut keys = world.redis().keys(&format!("{PREFIX}*"));
    keys.retain(|key| left(world, key) == -1);
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_that_fail_leave_nothing_that_stays() {
    let world = World::of(Tiers::Tiered).await;
    world.truth.set_mode(Mode::Fails);
    for organization in 1..=50 {
        let tags = [format!("org:{organization}"), format!("org:{organization}:price")].map(Tag::new);
        let entry = world.pages.tagged_entry(Key::new(format!("list:org={organization}")), tags);
        let truth = Arc::clone(&world.truth);
        let found = world.cache.get_or_load(entry, Read::default(), move || Arc::clone(&truth).load_page()).await;
        assert_eq!(found, Err(Broken));
    }
    assert!(world.redis().keys(&format!("{PREFIX}{{gen}}:org:*")).len() >= 100, "each list asks for its generations");
    assert_eq!(endless(&world), [format!("{PREFIX}epoch")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_only_the_epoch_stays() {
    let (here, there) = World::two(Tiers::Tiered).await;
    for id in 1..=3 {
        here.create(id, "old").await;
        there.read(id).await;
        there.page().await;
        there.write(id, Some("new")).await;
        here.read(id + 100).await;
        here.write(id, None).await;
        drop(here.begin(id).await);
    }
    assert_eq!(endless(&here), [format!("{PREFIX}epoch")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_is_read_lives_on_unless_a_writer_has_set_it() {
    let world = World::of(Tiers::Redis).await;
    world.page().await;
    let fresh = |life| life > OF_READER - 20 * SECOND && life <= OF_READER;
    assert!(fresh(left(&world, &generation())), "{}", left(&world, &generation()));
    // Half of it is over; an older version has left it without an end.
    set_left(&world, OF_READER / 2);
    assert!(world.page().await.source.is_hit());
    assert!(fresh(left(&world, &generation())));
    world.redis().command(&["PERSIST", &generation()]);
    assert!(world.page().await.source.is_hit());
    assert!(fresh(left(&world, &generation())));
    // It is not written again with each read.
    set_left(&world, OF_READER - 5 * SECOND);
    assert!(world.page().await.source.is_hit());
    assert!(left(&world, &generation()) <= OF_READER - 5 * SECOND);
    // It ends: what was bound to it is void, and nothing else.
    world.read(7).await;
    world.redis().command(&["UNLINK", &generation()]);
    assert!(!world.page().await.source.is_hit());
    assert!(world.page().await.source.is_hit());

    world.create(1, "one").await;
    for _ in 0..3 {
        world.page().await;
        assert!((1..=OF_WRITER).contains(&left(&world, &generation())), "{}", left(&world, &generation()));
    }
    assert_eq!(endless(&world), [format!("{PREFIX}epoch")]);
}

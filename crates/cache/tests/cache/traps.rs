//! What other caches are known to serve stale, or to waste, each with the test that keeps it out of this one.
//!
//! | case | what happens elsewhere | kept out by |
//! |---|---|---|
//! | remove during a running load | the load writes the old value back (FusionCache #613, #625; moka `get_with`; lakekeeper #1843) | `contract`: `remove_during_a_running_load` on each configuration; `foreign`: `remove_during_a_running_load_over_a_foreign_string`; `processes`: `remove_there_during_a_running_load_here` |
//! | tag removal during a background refresh | the refresh is stamped after the removal and survives it (FusionCache #628; BentoCache) | [`tag_removal_during_a_background_refresh`], [`remove_during_a_background_refresh`] |
//! | re-materialized tag marker | everybody's entries fall for nothing (FusionCache #627) | [`re_materialized_tag_marker`] |
//! | reconnect of the back plane | L1 keeps what it had (FusionCache, BentoCache, JetCache) | `processes`: `reconnect_of_the_back_plane` |
//! | refresh from a stale L1 | overwrites newer data in Redis (JetCache #580) | [`refresh_from_a_stale_l1`] |
//! | delete fails while Redis is away | swallowed, or retried from memory only (BentoCache, JetCache, FusionCache) | [`delete_fails_while_redis_is_away`]; `outage`, all of it; with the whole service and its crash: `tests/http_api/coherence.rs`, `a_write_while_redis_is_away_is_not_undone_after_a_crash` |
//! | tags by wall clock | skew decides who wins (FusionCache, BentoCache) | [`tags_by_wall_clock`] |
//! | release of a lock by plain DEL | deletes somebody else's lock after a pause (JetCache) | `processes`: `a_write_whose_fence_was_lost_takes_nothing_of_the_other_process_along` |
//! | slow Redis | time-outs do not count, the breaker never opens (FusionCache) | `outage`: `lookups_wait_for_one_timeout_at_most_and_then_for_none`; `tests/cache_protocol/outages.rs`: `slow_redis_opens_the_circuit` |
//! | one publish per fill | invalidation storms with many instances (FusionCache #442, JetCache #904) | [`one_publish_per_fill`] |
//! | waiting by polling | 25 ms polls for the lock's whole life, then everyone loads (redis.io's demo) | `processes`: `a_reader_waits_for_the_load_of_another_process_and_is_woken`; `tests/cache_protocol/stampede.rs`: `who_waits_is_woken_and_does_not_poll` |
//! | missing ids not cached | every request for an unknown id reaches the database (redis.io's demo) | `contract`: `what_does_not_exist_is_remembered_too`; `tests/cache_protocol/negative.rs` |
//! | sessions by HSET then EXPIRE | a crash in between leaves an immortal session | there are no sessions yet |
//! | rate limit by the caller's clock | skew breaks it | there is no rate limit yet |

use std::time::Duration;

use hotshelf_cache::{Event, Source, Tiers, WriteStrategy};
use hotshelf_testkit::{PATIENCE, wait_until};
use tokio::time::timeout;

use crate::world::{PREFIX, World, name, stored, text};

const CACHED: [Tiers; 3] = [Tiers::Memory, Tiers::Redis, Tiers::Tiered];

/// Repeats a lookup until a load that it has started behind its back has read the database, and is held.
async fn refresh_begins(world: &World, lookup: impl AsyncFn()) {
    let begins = async || {
        // A hit is answered at once. Past its life, the lookup itself would be held.
        assert!(timeout(PATIENCE, lookup()).await.is_ok(), "the entry ended before it was loaded again");
        world.truth.held() == 1
    };
    wait_until("a load ahead of the end is under way", PATIENCE, begins).await;
}

/// Returns when what the refresh brought has been kept or refused.
async fn refresh_ends(world: &World, namespace: &'static str, before: u64) {
    let ended = async || outcomes(world, namespace) > before;
    wait_until("the load ahead of the end is over", PATIENCE, ended).await;
}

fn outcomes(world: &World, namespace: &'static str) -> u64 {
    let counts = world.cache.statistics().namespaces()[namespace];
    counts.get(Event::Set) + counts.get(Event::FillRefused)
}

#[tokio::test(flavor = "multi_thread")]
async fn tag_removal_during_a_background_refresh() {
    for tiers in CACHED {
        let world = World::short_lived(tiers).await;
        world.create(1, "one").await;
        world.page().await;
        let gate = world.truth.hold_loads().await;
        refresh_begins(&world, async || drop(world.page().await)).await;
        let before = outcomes(&world, "page");
        world.create(2, "two").await;
        drop(gate);
        refresh_ends(&world, "page", before).await;
        for _ in 0..3 {
            assert_eq!(text(&world.page().await), Some("one,two"), "{tiers:?}");
        }
        assert!(world.page().await.source.is_hit(), "{tiers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remove_during_a_background_refresh() {
    for tiers in CACHED {
        let world = World::short_lived(tiers).await;
        world.create(1, "old").await;
        world.read(1).await;
        let gate = world.truth.hold_loads().await;
        refresh_begins(&world, async || drop(world.read(1).await)).await;
        let before = outcomes(&world, "thing");
        world.write(1, Some("new")).await;
        drop(gate);
        refresh_ends(&world, "thing", before).await;
        for _ in 0..3 {
            assert_eq!(text(&world.read(1).await), Some("new"), "{tiers:?}");
        }
        world.leaves_nothing_behind().await;
    }
}

/// The marker of a tag is its generation. When it is gone and made anew, only pages fall, and only once.
#[tokio::test(flavor = "multi_thread")]
async fn re_materialized_tag_marker() {
    let (here, there) = World::two(Tiers::Redis).await;
    here.create(1, "one").await;
    here.read(1).await;
    here.page().await;
    here.redis().command(&["UNLINK", &format!("{PREFIX}{{gen}}:things")]);
    for world in [&here, &there] {
        assert!(world.read(1).await.source.is_hit(), "it depends on no marker");
    }
    let loads = here.truth.loads();
    assert!(stored(&here.page().await), "nobody can vouch for it any more");
    for world in [&there, &here, &there] {
        assert!(world.page().await.source.is_hit(), "the marker is made anew once, for all");
    }
    // A process that comes later takes it as it is.
    let newcomer = here.another_process().await;
    assert!(newcomer.page().await.source.is_hit());
    assert!(here.page().await.source.is_hit());
    assert_eq!(here.truth.loads(), loads + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_from_a_stale_l1() {
    let (here, there) = World::two_short_lived(Tiers::Tiered, WriteStrategy::WriteThrough).await;
    here.create(1, "old").await;
    let in_memory = async || matches!(here.read(1).await.source, Source::L1 { .. });
    wait_until("memory has it", PATIENCE, in_memory).await;
    let gate = here.truth.hold_loads().await;
    refresh_begins(&here, async || drop(here.read(1).await)).await;
    let before = outcomes(&here, "thing");
    there.write(1, Some("new")).await;
    let newer = here.redis().get(&name(1));
    drop(gate);
    refresh_ends(&here, "thing", before).await;
    assert_eq!(here.redis().get(&name(1)), newer, "what the other process wrote through still stands");
    assert_eq!(text(&there.read(1).await), Some("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_fails_while_redis_is_away() {
    for tiers in [Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        world.read(1).await;
        world.redis().save_snapshot();
        world.redis().stop();
        world.write(1, None).await;
        assert_eq!(text(&world.read(1).await), None, "{tiers:?}");
        // The process ends before Redis is back, with the old value in it.
        assert!(world.cache.stop(PATIENCE).await);
        world.redis().restart_from_snapshot();
        assert!(world.redis().get(&name(1)).unwrap().ends_with("one"), "the old copy is there again");
        let again = world.another_process().await;
        for _ in 0..3 {
            assert_eq!(text(&again.read(1).await), None, "{tiers:?}");
        }
    }
}

/// The clock of the process that filled a copy was far ahead of all others, or far behind. Its ends of copies are those
/// of a process whose entries live long, or not at all: the seal covers the end, so the test cannot change it in Redis.
#[tokio::test(flavor = "multi_thread")]
async fn tags_by_wall_clock() {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    for (life, by_clock) in [(CENTURY, true), (Duration::from_millis(1), false)] {
        let (world, _) = World::two(Tiers::Redis).await;
        let filling = world.process_living(life).await;
        world.create(1, "old").await;
        for kept in [filling.read(1).await, filling.read(2).await, filling.page().await] {
            assert!(stored(&kept));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(world.read(1).await.source.is_hit(), by_clock, "the clock says how long a copy may live");
        world.write(1, Some("new")).await;
        world.create(2, "two").await;
        let (one, two, page) = (world.read(1).await, world.read(2).await, world.page().await);
        assert_eq!((text(&one), text(&two), text(&page)), (Some("new"), Some("two"), Some("new,two")), "never more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_publish_per_fill() {
    let (here, there) = World::two(Tiers::Tiered).await;
    for id in 1..=20 {
        here.create(id, "x").await;
    }
    let mut monitor = here.redis().monitor();
    let mut published = || {
        let marks = monitor.commands_with(&format!("{PREFIX}chg:{{{PREFIX}id:"));
        marks.into_iter().filter(|command| command.contains(" lua] \"SET\"")).count()
    };
    for id in 1..=20 {
        assert!(stored(&here.read(id).await));
        assert!(there.read(id).await.source.is_hit());
    }
    assert_eq!(published(), 0, "fills tell nobody");
    here.write(1, Some("new")).await;
    assert_eq!(published(), 1, "a change tells everybody once");
}

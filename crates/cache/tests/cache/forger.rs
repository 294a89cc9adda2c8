//! Somebody else writes to Redis: a value without the right seal is not served, an old value of an entry that Redis
//! does not keep has no effect, and an old value of another entry is served until it expires.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hotshelf_cache::{
    Absence, CacheOptions, Condition, EpochStore as _, Found, Key, Keys, Namespace, NamespaceOptions, Read, RedisState,
    SealKey, Source, Tiers, Value, WriteStrategy,
};
use hotshelf_testkit::{PATIENCE, wait_until};

use crate::truth::Broken;
use crate::world::{PREFIX, Target, World, begin, name, stored, text};

/// Two things whose values are in Redis.
async fn two_things() -> World {
    let world = World::of(Tiers::Redis).await;
    for (id, text) in [(1, "one"), (2, "two")] {
        world.create(id, text).await;
        world.read(id).await;
    }
    world
}

/// Asserts that the next read loads, and replaces what it has found.
async fn is_not_believed(world: &World, id: i64, expected: &str, what: &str) {
    let found = world.read(id).await;
    assert_eq!((text(&found), stored(&found)), (Some(expected), true), "{what}");
    assert!(world.read(id).await.source.is_hit(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_moved_is_not_believed() {
    let world = two_things().await;
    assert!(world.cache.condition().is_healthy());
    world.redis().command(&["COPY", &name(1), &name(2), "REPLACE"]);
    is_not_believed(&world, 2, "two", "the value of another key").await;
    assert_eq!(world.redis_errors("seal"), 1);
    assert_eq!(world.cache.condition(), Condition::OtherSeal);
    assert!(world.cache.condition().to_string().contains("another seal"));
    world.redis().command(&["COPY", &name(1), &name(2), "REPLACE"]);
    world.write(2, Some("new")).await;
    assert_eq!(text(&world.read(2).await), Some("new"), "a writer fences it as any other");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_value_can_be_changed() {
    const FLIP: &str = "local held = redis.call('GET', KEYS[1]) local at = tonumber(ARGV[1]) \
        if at > #held then return 0 end \
        redis.call('SETRANGE', KEYS[1], at - 1, string.char((string.byte(held, at) + 1) % 256)) return 1";
    let world = two_things().await;
    let mut at = 1;
    while world.redis().command(&["EVAL", FLIP, "1", &name(1), &at.to_string()]).integer() == 1 {
        // The first byte may become that of a lease.
        is_not_believed(&world, 1, "one", &format!("byte {at}")).await;
        at += 1;
    }
    assert!(at > 91, "{at}");
    for length in [0, 1, 75, 90, 91, at - 2] {
        const CUT: &str = "redis.call('SET', KEYS[1], string.sub(redis.call('GET', KEYS[1]), 1, ARGV[1]), 'KEEPTTL')";
        world.redis().command(&["EVAL", CUT, "1", &name(1), &length.to_string()]);
        is_not_believed(&world, 1, "one", &format!("cut after {length}")).await;
    }
}

/// What the seal does not prevent: an older value of the same key has the right seal. A read that needs the present
/// value gets it, and so does every read after the next write.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_value_that_is_put_back_is_served_to_reads_without_conditions() {
    let world = two_things().await;
    let aside = format!("{PREFIX}aside");
    let put_back = || world.redis().command(&["COPY", &aside, &name(1), "REPLACE"]);
    world.redis().command(&["COPY", &name(1), &aside]);
    world.write(1, Some("new")).await;
    assert_eq!(text(&world.read(1).await), Some("new"));

    put_back();
    assert_eq!(text(&world.read(1).await), Some("one"));
    assert_eq!(world.redis_errors("seal"), 0, "the seal says nothing about the age of a value");
    let bypass = Read { bypass: true, ..Read::default() };
    let of_this_version = Read { min_revision: Some(2), ..Read::default() };
    for read in [bypass, of_this_version] {
        put_back();
        assert_eq!(text(&world.try_read(1, read).await.unwrap()), Some("new"), "{read:?}");
    }
    put_back();
    world.write(1, Some("newest")).await;
    assert_eq!(text(&world.read(1).await), Some("newest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_with_different_keys_do_not_read_each_other_and_say_so() {
    let (here, _) = World::two(Tiers::Redis).await;
    let options = World::options(Tiers::Redis, WriteStrategy::Invalidate, here.redis.as_deref());
    let seal_key = Some(SealKey::from_secret("another secret, as long as it has to be"));
    let options = CacheOptions { shared_database: true, seal_key, ..options };
    let there = World::new(options, here.redis.clone(), Arc::clone(&here.truth)).await;
    wait_until("Redis is used", PATIENCE, async || !matches!(there.cache.redis_state(), RedisState::Down)).await;
    let history = here.truth.history().name;
    here.create(1, "one").await;
    for round in 0..5 {
        let now = format!("round {round}");
        for (writer, reader) in [(&here, &there), (&there, &here)] {
            writer.read(1).await;
            is_not_believed(reader, 1, &writer.truth.text(1), "what the other has left").await;
            writer.write(1, Some(&now)).await;
            assert_eq!(text(&reader.read(1).await), Some(&*now));
        }
    }
    for world in [&here, &there] {
        assert_eq!(world.cache.condition(), Condition::OtherSeal);
    }
    assert_eq!(here.truth.history().name, history);
}

/// Higher numbers than those of the database would begin a new history: all sessions would end, and ids be skipped.
#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_epoch_begins_no_history() {
    let world = World::of(Tiers::Redis).await;
    world.create(1, "one").await;
    let key = format!("{PREFIX}epoch");
    let history = world.truth.history();
    let ours = world.redis().get(&key).unwrap();
    let [named, epoch, commits, process, until] = ours.split(' ').collect::<Vec<_>>()[..] else { panic!("{ours}") };
    let high = "00000000000000099999";
    let (tag, unsealed) = (&epoch[20..], high.to_owned());
    for (epoch, commits) in [
        (format!("{high}{tag}"), commits.to_owned()),
        (epoch.to_owned(), format!("{high}{}", &commits[20..])),
        (unsealed.clone(), unsealed),
    ] {
        let errors = world.redis_errors("seal");
        world.redis().command(&["SET", &key, &format!("{named} {epoch} {commits} {process} {until}")]);
        let replaced = async || world.redis().get(&key).is_some_and(|held| !held.contains(high));
        wait_until("the process has replaced it", PATIENCE, replaced).await;
        assert!(world.redis_errors("seal") > errors || epoch == high);
    }
    assert_eq!(world.truth.history().name, history.name);
    world.read(1).await;
    assert!(world.read(1).await.source.is_hit());
}

/// Also if somebody removes the TTL of a value in Redis.
#[tokio::test(flavor = "multi_thread")]
async fn no_value_outlives_its_grace() {
    let world = World::of(Tiers::Redis).await;
    let (name, keys, ttl) = ("short", Keys::Beginning("short:"), Duration::from_secs(1));
    let absence = Absence::NotKept;
    let options = NamespaceOptions { name, keys, ttl, negative_ttl: ttl, grace: ttl, absence, in_redis: true };
    let namespace = world.cache.namespace(options).unwrap();
    let read = async |fails: bool| {
        let value = Value { payload: "old".into(), revision: 1, attribute: 0 };
        let load = move || {
            let loaded = if fails { Err(Broken) } else { Ok(Some(value.clone())) };
            async move { loaded }
        };
        world.cache.get_or_load(namespace.entry(Key::new("short:1")), Read::default(), load).await
    };
    read(false).await.unwrap();
    let entry = format!("{PREFIX}short:1");
    world.redis().command(&["PERSIST", &entry]);
    wait_until("its grace is over", PATIENCE, async || read(true).await.is_err()).await;
    assert!(world.redis().keys("*").contains(&entry), "Redis still holds it");
}

/// A namespace that Redis does not keep, with one entry, and the value that it is a copy of.
#[derive(Clone)]
struct Rights {
    world: World,
    namespace: Namespace,
    truth: Arc<AtomicU64>,
}

const RIGHT: &str = "right:1";

impl Rights {
    fn new(world: World, truth: &Arc<AtomicU64>) -> Self {
        let (ttl, absence) = (Duration::from_secs(300), Absence::UntilItExpires);
        let (name, keys) = ("right", Keys::Beginning("right:"));
        let options = NamespaceOptions { name, keys, ttl, negative_ttl: ttl, grace: ttl, absence, in_redis: false };
        let namespace = world.cache.namespace(options).unwrap();
        Rights { world, namespace, truth: Arc::clone(truth) }
    }

    async fn two() -> (Self, Self) {
        let (truth, (here, there)) = (Arc::default(), World::two(Tiers::Tiered).await);
        (Rights::new(here, &truth), Rights::new(there, &truth))
    }

    async fn found(&self) -> Found {
        let truth = Arc::clone(&self.truth);
        let load = move || {
            let revision = truth.load(Ordering::SeqCst);
            async move { Ok(Some(Value { payload: "right".into(), revision, attribute: 0 })) }
        };
        self.world.cache.get_or_load(self.namespace.entry(Key::new(RIGHT)), Read::default(), load).await.unwrap()
    }

    async fn read(&self) -> u64 {
        self.found().await.value.unwrap().revision
    }

    /// Reads until memory serves the entry.
    async fn know(&self) {
        let in_memory = async || matches!(self.found().await.source, Source::L1 { .. });
        wait_until("memory serves it", PATIENCE, in_memory).await;
    }

    fn target(&self) -> Target {
        Target { entries: vec![self.namespace.entry(Key::new(RIGHT))], tags: Vec::new() }
    }

    fn held(&self) -> Option<String> {
        self.world.redis().get(&format!("{PREFIX}{RIGHT}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_nothing_of_a_right() {
    let (here, there) = Rights::two().await;
    for rights in [&here, &there] {
        rights.know().await;
        assert_eq!(rights.held(), None);
    }
    // As an earlier version has left it, or somebody else.
    here.world.create(1, "one").await;
    here.world.read(1).await;
    for _ in 0..5 {
        here.world.redis().command(&["COPY", &name(1), &format!("{PREFIX}{RIGHT}"), "REPLACE"]);
        here.truth.fetch_add(1, Ordering::SeqCst);
        let write = begin(&here.world.cache, here.target()).await.unwrap();
        write.committed([], None).await.unwrap();
        here.world.redis().command(&["COPY", &name(1), &format!("{PREFIX}{RIGHT}"), "REPLACE"]);
        for rights in [&here, &there] {
            let expected = rights.truth.load(Ordering::SeqCst);
            wait_until("the right is the new one", PATIENCE, async || rights.read().await == expected).await;
            rights.know().await;
            assert_eq!(rights.read().await, expected);
        }
    }
}

/// A reader does not wait for a lease that nobody will give back.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_does_not_wait_for_a_lease() {
    let (here, there) = Rights::two().await;
    let write = begin(&here.world.cache, here.target()).await.unwrap();
    let aside = format!("{PREFIX}aside");
    here.world.redis().command(&["RENAME", &format!("{PREFIX}{RIGHT}"), &aside]);
    // A lease of this run of the server without a reader.
    const LEASE: &str = "redis.call('SET', KEYS[2], 'L' .. string.sub(redis.call('GET', KEYS[1]), 2))";
    here.world.redis().command(&["EVAL", LEASE, "2", &aside, &format!("{PREFIX}{RIGHT}")]);
    let read = tokio::time::timeout(Duration::from_secs(2), there.read()).await;
    assert_eq!(read, Ok(0));
    write.unchanged().await;
}

/// Somebody removes the fence of a writer, so that another process loads the value that the writer is about to change,
/// and puts the fence back, so that the writer does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_is_put_back_revives_no_right() {
    let (here, there) = Rights::two().await;
    there.know().await;
    let write = begin(&here.world.cache, here.target()).await.unwrap();
    let (entry, aside) = (format!("{PREFIX}{RIGHT}"), format!("{PREFIX}aside"));
    here.world.redis().command(&["RENAME", &entry, &aside]);
    there.know().await;
    here.world.redis().command(&["RENAME", &aside, &entry]);
    here.truth.fetch_add(1, Ordering::SeqCst);
    write.committed([], None).await.unwrap();
    wait_until("the right has ended there, too", PATIENCE, async || there.read().await == 1).await;
    there.know().await;
    assert_eq!((here.read().await, there.read().await), (1, 1));
}

/// With Redis as the only tier, no tier keeps the entry, so each lookup loads.
#[tokio::test(flavor = "multi_thread")]
async fn with_redis_alone_a_right_is_always_loaded() {
    let rights = Rights::new(World::of(Tiers::Redis).await, &Arc::default());
    for revision in 0..3 {
        rights.truth.store(revision, Ordering::SeqCst);
        assert_eq!(rights.read().await, revision);
        assert!(!rights.found().await.source.is_hit());
        assert_eq!(rights.held(), None);
    }
}

/// A process that is alone on its database needs no lease in Redis to store the entry in memory.
#[tokio::test(flavor = "multi_thread")]
async fn alone_a_right_is_kept_without_asking_redis() {
    let rights = Rights::new(World::of(Tiers::Tiered).await, &Arc::default());
    rights.know().await;
    rights.world.redis().stop();
    rights.world.down().await;
    let found = rights.found().await;
    assert!(matches!(found.source, Source::L1 { .. }), "{found:?}");
}

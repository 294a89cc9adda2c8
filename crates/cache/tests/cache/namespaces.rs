//! Entries of several namespaces: none ever answers for one of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hotshelf_cache::{
    Absence, Cache, EntryRef, Found, Key, Keys, Namespace, NamespaceError, NamespaceOptions, Read, Tag, Tiers, Value,
    WriteStrategy,
};
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::truth::Broken;
use crate::world::{Target, World, begin, text};

/// The keys of all namespaces: those of another one's shape, those that another one's get, and those that are nobody's.
const TEXTS: [&str; 8] =
    ["course:1", "user:1", "1:grades", "id:1", "@course:id:1", "@user:id:1", "@grades:@user:id:1", "course:user:1"];
const NAMES: [&str; 3] = ["course", "user", "grades"];

/// A database whose rows say what they are.
#[derive(Clone)]
struct School {
    cache: Cache<Broken>,
    namespaces: [Namespace; 3],
    everything: Tag,
    /// By namespace and key.
    rows: Arc<Mutex<HashMap<(usize, Key), u64>>>,
}

fn options(name: &'static str, keys: Keys, absence: Absence) -> NamespaceOptions {
    let life = Duration::from_secs(300);
    NamespaceOptions { name, keys, ttl: life, negative_ttl: life, grace: life, absence, in_redis: true }
}

impl School {
    async fn on(tiers: Tiers, write_strategy: WriteStrategy, redis: Option<&RedisServer>) -> Self {
        let options_of_cache = World::options(tiers, write_strategy, redis);
        let cache = Cache::new(options_of_cache, Arc::<crate::truth::Truth>::default(), |_| false).unwrap();
        let everything = Tag::new("everything");
        let namespace =
            |name, keys| cache.namespace(options(name, keys, Absence::DependsOn(everything.clone()))).unwrap();
        let (course, user) =
            (namespace(NAMES[0], Keys::Beginning("course:")), namespace(NAMES[1], Keys::Beginning("user:")));
        let namespaces = [course, user, namespace(NAMES[2], Keys::NumberThen(":grades"))];
        cache.start().await.unwrap();
        let up = async || cache.condition().is_healthy();
        wait_until("the cache is well", PATIENCE, up).await;
        School { cache, namespaces, everything, rows: Arc::default() }
    }

    fn entry(&self, namespace: usize, text: &str) -> EntryRef {
        self.namespaces[namespace].entry(Key::new(text))
    }

    fn row(&self, namespace: usize, key: &Key) -> Option<Value> {
        let revision = *self.rows.lock().unwrap().get(&(namespace, key.clone()))?;
        let payload = Bytes::from(format!("{} {key} {revision}", NAMES[namespace]));
        Some(Value { payload, revision, attribute: namespace as u64 })
    }

    fn check(namespace: usize, key: &Key, found: &Found) {
        if let Some(text) = text(found) {
            assert!(
                text.starts_with(&format!("{} {key} ", NAMES[namespace])),
                "{text} for {key} of {}",
                NAMES[namespace]
            );
        }
    }

    async fn read(&self, namespace: usize, text: &str) {
        let entry = self.entry(namespace, text);
        if let Some((value, source)) = self.cache.peek(&self.namespaces[namespace], &Key::new(text), Read::default()) {
            Self::check(namespace, entry.key(), &Found { value: Some(value), source });
        }
        let (school, key) = (self.clone(), entry.key().clone());
        let load = move || std::future::ready(Ok(school.row(namespace, &key)));
        let found = self.cache.get_or_load(entry.clone(), Read::default(), load).await.unwrap();
        Self::check(namespace, entry.key(), &found);
    }

    /// The same text in all namespaces, at once.
    async fn read_of_all(&self, text: &str) {
        let entries: Vec<_> = (0..3).map(|namespace| self.entry(namespace, text)).collect();
        let keys: Vec<_> = entries.iter().map(|entry| entry.key().clone()).collect();
        let (school, all) = (self.clone(), keys.clone());
        let load = move |keys: Vec<Key>| {
            let namespace = |key: &Key| all.iter().position(|other| other == key).unwrap();
            std::future::ready(Ok(keys.iter().map(|key| school.row(namespace(key), key)).collect()))
        };
        let found = self.cache.get_or_load_many(entries, load).await.unwrap();
        for (namespace, (key, found)) in keys.iter().zip(&found).enumerate() {
            Self::check(namespace, key, found);
        }
    }

    async fn write(&self, namespace: usize, text: &str, exists: bool) {
        let entry = self.entry(namespace, text);
        let target = Target { entries: vec![entry.clone()], tags: vec![self.everything.clone()] };
        let Ok(write) = begin(&self.cache, target).await else { return };
        {
            let mut rows = self.rows.lock().unwrap();
            let place = (namespace, entry.key().clone());
            if exists {
                *rows.entry(place).or_default() += 1;
            } else {
                rows.remove(&place);
            }
        }
        let value = self.row(namespace, entry.key());
        write.committed(value.map(|value| (entry.key().clone(), value)), None).await.unwrap();
    }

    async fn live(self, seed: u64) {
        let mut dice = SmallRng::seed_from_u64(seed);
        for _ in 0..400 {
            let (namespace, text) = (dice.random_range(0..3), TEXTS[dice.random_range(0..TEXTS.len())]);
            match dice.random_range(0..100) {
                0 => drop(self.cache.delete_matching("*").await),
                1..25 => self.write(namespace, text, dice.random_range(0..4) > 0).await,
                25..40 => self.read_of_all(text).await,
                _ => self.read(namespace, text).await,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_region_answers_for_another() {
    let redis = RedisServer::start();
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        for write_strategy in [WriteStrategy::Invalidate, WriteStrategy::WriteThrough] {
            let school = School::on(tiers, write_strategy, Some(&redis)).await;
            let lives = (0..4).map(|seed| tokio::spawn(school.clone().live(seed)));
            for life in futures_util::future::join_all(lives).await {
                life.unwrap();
            }
            // The next one is on a database of its own.
            assert!(school.cache.stop(PATIENCE).await);
        }
    }
}

#[tokio::test]
async fn one_text_leads_to_an_entry_of_each_region() {
    let school = School::on(Tiers::Memory, WriteStrategy::Invalidate, None).await;
    let keys: Vec<_> = (0..3).map(|namespace| school.entry(namespace, "id:7").key().as_str().to_owned()).collect();
    assert_eq!(keys, ["@course:id:7", "@user:id:7", "@grades:id:7"]);
    assert_eq!(school.entry(0, "course:7").key().as_str(), "course:7");
    let again = school.cache.namespace(options("course", Keys::Beginning("course:"), Absence::NotKept));
    assert_eq!(again.unwrap_err(), NamespaceError::Different { name: "course" });
    let other = school.cache.namespace(options("other", Keys::Beginning("user:1"), Absence::NotKept));
    assert!(matches!(other, Err(NamespaceError::Overlap { .. })));
}

/// Filled as something that depends on nothing, an entry would be served when the tag is void on which others know it
/// to depend.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_looked_up_without_its_collections_is_not_served_with_them() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        let alone = || async {
            let truth = Arc::clone(&world.truth);
            let entry = world.pages.entry(Key::new("list:0:10"));
            world.cache.get_or_load(entry, Read::default(), move || Arc::clone(&truth).load_page()).await.unwrap()
        };
        world.page().await;
        for id in [2, 4] {
            world.create(id, "more").await;
            // Nothing is there: it is filled as something that nothing makes void.
            alone().await;
            world.create(id + 1, "more").await;
            let peeked = world.cache.peek(&world.pages, &Key::new("list:0:10"), Read::default());
            assert!(peeked.is_none(), "{tiers:?}");
            let expected = format!("one{}", ",more".repeat(id as usize));
            assert_eq!(text(&world.page().await), Some(&*expected), "{tiers:?}");
            assert!(world.page().await.source.is_hit(), "{tiers:?}");
            assert_eq!(text(&alone().await), Some(&*expected), "{tiers:?}");
        }
    }
}

/// A create that names no tag can only void what is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_makes_void_is_not_kept_as_absent() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        let namespace = world.cache.namespace(options("mail", Keys::Beginning("mail:"), Absence::NotKept)).unwrap();
        let read = async || {
            let truth = Arc::clone(&world.truth);
            let entry = namespace.entry(Key::numbered("mail:", 1));
            world.cache.get_or_load(entry, Read::default(), move || Arc::clone(&truth).load(1)).await.unwrap()
        };
        let read_many = async || {
            let truth = Arc::clone(&world.truth);
            let entries = vec![namespace.entry(Key::numbered("mail:", 1))];
            let load = move |_: Vec<Key>| Arc::clone(&truth).load_many(vec![1]);
            world.cache.get_or_load_many(entries, load).await.unwrap().remove(0)
        };
        assert_eq!((text(&read().await), text(&read_many().await)), (None, None));
        let write = world.begin_target(Target::default()).await.unwrap();
        world.commit(write, 1, Some("one")).await;
        let found = read().await;
        assert_eq!((text(&found), crate::world::stored(&found)), (Some("one"), true), "{tiers:?}");
        assert!(read_many().await.source.is_hit(), "{tiers:?}");
        world.leaves_nothing_behind().await;
    }
}

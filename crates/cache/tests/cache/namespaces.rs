//! Entries of several regions: none ever answers for one of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hotshelf_cache::{
    Absence, Cache, Collection, Found, Key, Keys, Read, Region, RegionError, RegionOptions, Slot, Tiers, Value,
    WriteStrategy,
};
use hotshelf_stats::Stats;
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::truth::Broken;
use crate::world::{Target, World, begin, text};

/// The keys of all regions: those of another one's shape, those that another one's get, and those that are nobody's.
const TEXTS: [&str; 8] =
    ["course:1", "user:1", "1:grades", "id:1", "@course:id:1", "@user:id:1", "@grades:@user:id:1", "course:user:1"];
const NAMES: [&str; 3] = ["course", "user", "grades"];

/// A database whose rows say what they are.
#[derive(Clone)]
struct School {
    cache: Cache<Broken>,
    regions: [Region; 3],
    everything: Collection,
    /// By region and key.
    rows: Arc<Mutex<HashMap<(usize, Key), u64>>>,
}

fn options(name: &'static str, keys: Keys, absence: Absence) -> RegionOptions {
    let life = Duration::from_secs(300);
    RegionOptions { name, keys, ttl: life, negative_ttl: life, grace: life, absence }
}

impl School {
    async fn on(tiers: Tiers, write_strategy: WriteStrategy, redis: Option<&RedisServer>) -> Self {
        let options_of_cache = World::options(tiers, write_strategy, redis);
        let cache =
            Cache::new(options_of_cache, Arc::<crate::truth::Truth>::default(), |_| false, &Stats::new().unwrap())
                .unwrap();
        let everything = Collection::new("everything");
        let region = |name, keys| cache.region(options(name, keys, Absence::DependsOn(everything.clone()))).unwrap();
        let (course, user) = (region(NAMES[0], Keys::Beginning("course:")), region(NAMES[1], Keys::Beginning("user:")));
        let regions = [course, user, region(NAMES[2], Keys::NumberThen(":grades"))];
        cache.start().await.unwrap();
        let up = async || cache.condition().is_healthy();
        wait_until("the cache is well", PATIENCE, up).await;
        School { cache, regions, everything, rows: Arc::default() }
    }

    fn slot(&self, region: usize, text: &str) -> Slot {
        self.regions[region].slot(Key::new(text))
    }

    fn row(&self, region: usize, key: &Key) -> Option<Value> {
        let revision = *self.rows.lock().unwrap().get(&(region, key.clone()))?;
        let payload = Bytes::from(format!("{} {key} {revision}", NAMES[region]));
        Some(Value { payload, revision })
    }

    fn check(region: usize, key: &Key, found: &Found) {
        if let Some(text) = text(found) {
            assert!(text.starts_with(&format!("{} {key} ", NAMES[region])), "{text} for {key} of {}", NAMES[region]);
        }
    }

    async fn read(&self, region: usize, text: &str) {
        let slot = self.slot(region, text);
        if let Some((value, source)) = self.cache.peek(&self.regions[region], &Key::new(text), Read::default()) {
            Self::check(region, slot.key(), &Found { value: Some(value), source });
        }
        let (school, key) = (self.clone(), slot.key().clone());
        let load = move || std::future::ready(Ok(school.row(region, &key)));
        let found = self.cache.get_or_load(slot.clone(), Read::default(), load).await.unwrap();
        Self::check(region, slot.key(), &found);
    }

    /// The same text in all regions, at once.
    async fn read_of_all(&self, text: &str) {
        let slots: Vec<_> = (0..3).map(|region| self.slot(region, text)).collect();
        let keys: Vec<_> = slots.iter().map(|slot| slot.key().clone()).collect();
        let (school, all) = (self.clone(), keys.clone());
        let load = move |keys: Vec<Key>| {
            let region = |key: &Key| all.iter().position(|other| other == key).unwrap();
            std::future::ready(Ok(keys.iter().map(|key| school.row(region(key), key)).collect()))
        };
        let found = self.cache.get_or_load_many(slots, load).await.unwrap();
        for (region, (key, found)) in keys.iter().zip(&found).enumerate() {
            Self::check(region, key, found);
        }
    }

    async fn write(&self, region: usize, text: &str, exists: bool) {
        let slot = self.slot(region, text);
        let target = Target { slots: vec![slot.clone()], collections: vec![self.everything.clone()] };
        let Ok(write) = begin(&self.cache, target).await else { return };
        {
            let mut rows = self.rows.lock().unwrap();
            let place = (region, slot.key().clone());
            if exists {
                *rows.entry(place).or_default() += 1;
            } else {
                rows.remove(&place);
            }
        }
        let value = self.row(region, slot.key());
        write.committed(value.map(|value| (slot.key().clone(), value)), None).await.unwrap();
    }

    async fn live(self, seed: u64) {
        let mut dice = SmallRng::seed_from_u64(seed);
        for _ in 0..400 {
            let (region, text) = (dice.random_range(0..3), TEXTS[dice.random_range(0..TEXTS.len())]);
            match dice.random_range(0..100) {
                0 => drop(self.cache.delete_matching("*").await),
                1..25 => self.write(region, text, dice.random_range(0..4) > 0).await,
                25..40 => self.read_of_all(text).await,
                _ => self.read(region, text).await,
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
    let keys: Vec<_> = (0..3).map(|region| school.slot(region, "id:7").key().as_str().to_owned()).collect();
    assert_eq!(keys, ["@course:id:7", "@user:id:7", "@grades:id:7"]);
    assert_eq!(school.slot(0, "course:7").key().as_str(), "course:7");
    let again = school.cache.region(options("course", Keys::Beginning("course:"), Absence::NotKept));
    assert_eq!(again.unwrap_err(), RegionError::Different { name: "course" });
    let other = school.cache.region(options("other", Keys::Beginning("user:1"), Absence::NotKept));
    assert!(matches!(other, Err(RegionError::Overlap { .. })));
}

/// Filled as something that depends on nothing, an entry would be served when the collection is void on which others know it
/// to depend.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_looked_up_without_its_collections_is_not_served_with_them() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        world.create(1, "one").await;
        let alone = || async {
            let truth = Arc::clone(&world.truth);
            let slot = world.pages.slot(Key::new("list:0:10"));
            world.cache.get_or_load(slot, Read::default(), move || Arc::clone(&truth).load_page()).await.unwrap()
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

/// A create that names no collection can only void what is not kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_makes_void_is_not_kept_as_absent() {
    for tiers in [Tiers::Memory, Tiers::Redis, Tiers::Tiered] {
        let world = World::of(tiers).await;
        let region = world.cache.region(options("mail", Keys::Beginning("mail:"), Absence::NotKept)).unwrap();
        let read = async || {
            let truth = Arc::clone(&world.truth);
            let slot = region.slot(Key::numbered("mail:", 1));
            world.cache.get_or_load(slot, Read::default(), move || Arc::clone(&truth).load(1)).await.unwrap()
        };
        let read_many = async || {
            let truth = Arc::clone(&world.truth);
            let slots = vec![region.slot(Key::numbered("mail:", 1))];
            let load = move |_: Vec<Key>| Arc::clone(&truth).load_many(vec![1]);
            world.cache.get_or_load_many(slots, load).await.unwrap().remove(0)
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

//! One process with its cache, the database it is a cache of, and the Redis it may use.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_cache::{
    Absence, Cache, CacheOptions, Consistency, Counts, EntryRef, Event, Found, Key, Keys, Namespace, NamespaceOptions,
    Read, SealKey, Source, Tag, Tiers, Write, WriteError, WriteStrategy,
};
use hotshelf_redis_client::{RedisOptions, Servers};
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use tokio::task::JoinHandle;

use crate::truth::{Broken, Truth};

/// Long enough that a busy machine does not reach it.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(500);
pub(crate) const PREFIX: &str = "shop:";
/// Life of entries: longer than any story.
const LONG_LIFE: Duration = Duration::from_secs(300);
/// Short enough that a story sees its end, and entries being loaded again ahead of it.
const SHORT_LIFE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) cache: Cache<Broken>,
    pub(crate) truth: Arc<Truth>,
    pub(crate) redis: Option<Arc<RedisServer>>,
    pub(crate) things: Namespace,
    pub(crate) pages: Namespace,
    everything: Tag,
    options: CacheOptions,
    life: Duration,
}

impl World {
    /// In this configuration, Redis up if there is one.
    pub(crate) async fn of(tiers: Tiers) -> Self {
        Self::with(tiers, WriteStrategy::Invalidate).await
    }

    pub(crate) async fn with(tiers: Tiers, write_strategy: WriteStrategy) -> Self {
        let needs_redis = matches!(tiers, Tiers::Redis | Tiers::Tiered);
        let redis = needs_redis.then(|| Arc::new(RedisServer::start()));
        let options = Self::options(tiers, write_strategy, redis.as_deref());
        Self::new(options, redis, Arc::default()).await.up().await
    }

    /// With a Redis that is not there yet.
    pub(crate) async fn without_redis_yet(tiers: Tiers) -> Self {
        let redis = Arc::new(RedisServer::not_started());
        let options = Self::options(tiers, WriteStrategy::Invalidate, Some(&redis));
        Self::new(options, Some(redis), Arc::default()).await
    }

    pub(crate) fn options(tiers: Tiers, write_strategy: WriteStrategy, redis: Option<&RedisServer>) -> CacheOptions {
        let address = redis.map_or("127.0.0.1:1", RedisServer::address).parse().unwrap();
        let redis = RedisOptions { command_timeout: COMMAND_TIMEOUT, ..RedisOptions::new(Servers::One(address)) };
        let key_prefix = PREFIX.to_owned();
        let seal_key = Some(SealKey::new([7; 32]));
        CacheOptions {
            tiers,
            shared_database: false,
            consistency: Consistency::Linearizable,
            memory_bytes: 16 << 20,
            write_strategy,
            redis,
            key_prefix,
            seal_key,
        }
    }

    pub(crate) async fn new(options: CacheOptions, redis: Option<Arc<RedisServer>>, truth: Arc<Truth>) -> Self {
        Self::living(options, redis, truth, LONG_LIFE).await
    }

    async fn living(options: CacheOptions, redis: Option<Arc<RedisServer>>, truth: Arc<Truth>, life: Duration) -> Self {
        let cache = Cache::new(options.clone(), Arc::clone(&truth) as _, |_| false).unwrap();
        let everything = Tag::new("things");
        let namespace = |name, keys| {
            let (ttl, negative_ttl, keys) = (life, Duration::from_secs(60), Keys::Beginning(keys));
            let (grace, absence) = (Duration::from_secs(600), Absence::DependsOn(everything.clone()));
            cache.namespace(NamespaceOptions { name, keys, ttl, negative_ttl, grace, absence, in_redis: true }).unwrap()
        };
        let (things, pages) = (namespace("thing", "id:"), namespace("page", "list:"));
        cache.start().await.unwrap();
        World { cache, truth, redis, things, pages, everything, options, life }
    }

    /// The same process with Redis up.
    pub(crate) async fn up(self) -> Self {
        wait_until("Redis is up", PATIENCE, async || self.is_up()).await;
        self
    }

    pub(crate) async fn down(&self) {
        wait_until("Redis is given up", PATIENCE, async || !self.is_up()).await;
    }

    fn is_up(&self) -> bool {
        self.cache.condition().is_healthy()
    }

    /// In this configuration, with entries that are soon over.
    pub(crate) async fn short_lived(tiers: Tiers) -> Self {
        Self::of(tiers).await.process_living(SHORT_LIFE).await
    }

    /// Two processes on one database and one Redis.
    pub(crate) async fn two(tiers: Tiers) -> (Self, Self) {
        Self::two_living(tiers, WriteStrategy::Invalidate, LONG_LIFE).await
    }

    /// Two processes whose entries are soon over.
    pub(crate) async fn two_short_lived(tiers: Tiers, write_strategy: WriteStrategy) -> (Self, Self) {
        Self::two_living(tiers, write_strategy, SHORT_LIFE).await
    }

    async fn two_living(tiers: Tiers, write_strategy: WriteStrategy, life: Duration) -> (Self, Self) {
        let redis = Arc::new(RedisServer::start());
        let options = Self::options(tiers, write_strategy, Some(&redis));
        let options = CacheOptions { shared_database: true, ..options };
        let here = Self::living(options, Some(redis), Arc::default(), life).await.up().await;
        let there = here.another_process().await;
        (here, there)
    }

    /// Another process on the same database and the same Redis.
    pub(crate) async fn another_process(&self) -> Self {
        self.process_living(self.life).await
    }

    /// Another process on the same database, which has been led to another Redis.
    pub(crate) async fn another_process_on(&self, redis: RedisServer) -> Self {
        let mut options = self.options.clone();
        options.redis.servers = Servers::One(redis.address().parse().unwrap());
        Self::living(options, Some(Arc::new(redis)), Arc::clone(&self.truth), self.life).await.up().await
    }

    /// Another process on the same database and the same Redis, whose entries live for so long.
    pub(crate) async fn process_living(&self, life: Duration) -> Self {
        Self::living(self.options.clone(), self.redis.clone(), Arc::clone(&self.truth), life).await.up().await
    }

    pub(crate) fn redis(&self) -> &RedisServer {
        self.redis.as_deref().unwrap()
    }

    /// How often these events have occurred, in all namespaces together.
    pub(crate) fn counted(&self, events: impl IntoIterator<Item = Event>) -> u64 {
        let namespaces = self.cache.statistics().namespaces();
        let sum = namespaces.values().fold(Counts::default(), |sum, counts| sum.plus(counts));
        events.into_iter().map(|event| sum.get(event)).sum()
    }

    /// Lookups that were answered by a tier, and by none.
    pub(crate) fn hits_and_misses(&self) -> (u64, u64) {
        (self.counted([Event::HitL1, Event::HitL2, Event::StaleIfError]), self.counted([Event::Miss]))
    }

    /// How often an operation in Redis has failed.
    pub(crate) fn redis_errors(&self, operation: &str) -> u64 {
        self.cache.statistics().redis_errors().get(operation).copied().unwrap_or_default()
    }

    /// Whether any tier keeps anything.
    pub(crate) fn keeps(&self) -> bool {
        self.options.tiers != Tiers::None
    }

    pub(crate) async fn read(&self, id: i64) -> Found {
        self.try_read(id, Read::default()).await.unwrap()
    }

    pub(crate) async fn try_read(&self, id: i64, read: Read) -> Result<Found, Broken> {
        let truth = Arc::clone(&self.truth);
        self.cache.get_or_load(self.entry(id), read, move || Arc::clone(&truth).load(id)).await
    }

    pub(crate) fn entry(&self, id: i64) -> EntryRef {
        self.things.entry(thing(id))
    }

    /// Of a write of these things that may change which there are.
    pub(crate) fn target(&self, ids: impl IntoIterator<Item = i64>) -> Target {
        let entries = ids.into_iter().map(|id| self.entry(id)).collect();
        Target { entries, tags: vec![self.everything.clone()] }
    }

    /// A read in a task of its own.
    pub(crate) fn reading(&self, id: i64) -> JoinHandle<Result<Found, Broken>> {
        let world = self.clone();
        tokio::spawn(async move { world.try_read(id, Read::default()).await })
    }

    /// A read whose load has read the database but has not come back: drop the guard to let it.
    pub(crate) async fn read_with_load_held(
        &self,
        id: i64,
    ) -> (JoinHandle<Result<Found, Broken>>, impl Drop + Send + use<>) {
        let gate = self.truth.hold_loads().await;
        let reading = self.reading(id);
        wait_until("the load is under way", PATIENCE, async || self.truth.held() == 1).await;
        (reading, gate)
    }

    pub(crate) async fn page(&self) -> Found {
        let truth = Arc::clone(&self.truth);
        let load = move || Arc::clone(&truth).load_page();
        let entry = self.pages.tagged_entry(Key::new("list:0:10"), [self.everything.clone()]);
        self.cache.get_or_load(entry, Read::default(), load).await.unwrap()
    }

    /// A whole write of a thing that exists, or stops to, acknowledged.
    pub(crate) async fn write(&self, id: i64, text: Option<&str>) {
        let write = self.begin(id).await;
        self.commit(write, id, text).await;
    }

    /// A write whose steps the story takes itself.
    pub(crate) async fn begin_target(&self, target: Target) -> Result<Write<Broken>, WriteError<Broken>> {
        begin(&self.cache, target).await
    }

    pub(crate) async fn begin(&self, id: i64) -> Write<Broken> {
        self.begin_target(self.target([id])).await.unwrap()
    }

    pub(crate) async fn commit(&self, write: Write<Broken>, id: i64, text: Option<&str>) {
        let (value, epoch) = self.truth.commit(id, text, write.fencing());
        write.committed(value.map(|value| (thing(id), value)), epoch).await.unwrap();
    }

    /// A whole write of a thing that did not exist, acknowledged.
    pub(crate) async fn create(&self, id: i64, text: &str) {
        let write = self.begin_target(self.target([])).await.unwrap();
        self.commit(write, id, Some(text)).await;
    }

    /// Ends well: no lease and no fence is left in Redis, long before they end by themselves.
    pub(crate) async fn leaves_nothing_behind(&self) {
        let Some(redis) = &self.redis else { return };
        let none_left = async || leases_and_fences(redis).is_empty();
        wait_until("no lease and no fence is left", Duration::from_secs(2), none_left).await;
    }
}

/// What a write changes.
#[derive(Clone, Default)]
pub(crate) struct Target {
    pub(crate) entries: Vec<EntryRef>,
    pub(crate) tags: Vec<Tag>,
}

/// A write whose steps are taken one by one.
pub(crate) async fn begin<E: Clone + Send + Sync + 'static>(
    cache: &Cache<E>,
    target: Target,
) -> Result<Write<E>, WriteError<E>> {
    cache.lock_keys(target.entries).await?.fenced(target.tags, async |write| Ok(write)).await
}

/// The keys that hold one.
pub(crate) fn leases_and_fences(redis: &RedisServer) -> Vec<String> {
    let state = |key: &String| redis.get(key).unwrap_or_default();
    let mut keys = redis.keys(&format!("{PREFIX}id:*"));
    keys.retain(|key| state(key).starts_with(['L', 'F']));
    keys
}

pub(crate) fn thing(id: i64) -> Key {
    Key::numbered("id:", id)
}

/// The name of a thing in Redis.
pub(crate) fn name(id: i64) -> String {
    format!("{PREFIX}id:{id}")
}

/// The text of an answer.
pub(crate) fn text(found: &Found) -> Option<&str> {
    found.value.as_ref().map(|value| std::str::from_utf8(&value.payload).unwrap())
}

/// The attribute of an answer.
pub(crate) fn attribute(found: &Found) -> u64 {
    found.value.as_ref().unwrap().attribute
}

/// Whether the answer was loaded, and whether it was kept then.
pub(crate) fn stored(found: &Found) -> bool {
    match found.source {
        Source::Loaded { stored } => stored,
        other => panic!("{other:?} instead of a load"),
    }
}

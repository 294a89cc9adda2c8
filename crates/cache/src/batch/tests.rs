use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use hotshelf_lifecycle::{Failure, async_trait};
use hotshelf_redis_client::RedisOptions;
use tokio::sync::Semaphore;
use tokio::time::advance;

use super::*;
use crate::epoch::{Epoch, EpochStore, History};
use crate::key_space::Keys;
use crate::namespace::{Absence, Namespace, NamespaceOptions};
use crate::options::{CacheOptions, Consistency, Tiers, WriteStrategy};
use crate::value::Source;

/// Longer than a flight may be joined.
const TOO_LATE: Duration = Duration::from_millis(600);

struct Row;

#[async_trait]
impl EpochStore for Row {
    fn history(&self) -> History {
        History { name: 1, commits: 0 }
    }

    async fn begin_history(&self, _: u64) -> Result<Epoch, Failure> {
        Ok(Epoch::new(1))
    }

    async fn reconcile(&self, _: &str) -> Result<Epoch, Failure> {
        Ok(Epoch::new(1))
    }

    async fn current(&self) -> Result<(Epoch, String), Failure> {
        Ok((Epoch::new(1), String::new()))
    }

    async fn advance(&self) -> Result<Epoch, Failure> {
        Ok(Epoch::new(1))
    }
}

type Batch = Result<Vec<Option<Value>>, &'static str>;

/// A cache of a database that others write to, too, and what was loaded, in its order.
#[derive(Clone)]
struct World {
    cache: Cache<&'static str>,
    namespace: Namespace,
    loads: Arc<Mutex<Vec<String>>>,
    gate: Arc<Semaphore>,
}

impl World {
    fn new() -> Self {
        let options = CacheOptions {
            // Redis is never connected to.
            tiers: Tiers::Tiered,
            shared_database: true,
            consistency: Consistency::Linearizable,
            memory_bytes: 1 << 20,
            write_strategy: WriteStrategy::Invalidate,
            redis: RedisOptions::default(),
            key_prefix: String::new(),
            seal_key: None,
        };
        let cache = Cache::new(options, Arc::new(Row), |_| false).unwrap();
        let (ttl, keys, absence) = (Duration::from_secs(300), Keys::Beginning("id:"), Absence::NotKept);
        let options =
            NamespaceOptions { name: "thing", keys, ttl, negative_ttl: ttl, grace: ttl, absence, in_redis: true };
        let namespace = cache.namespace(options).unwrap();
        World { cache, namespace, loads: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }

    fn entry(&self, id: i64) -> EntryRef {
        self.namespace.entry(Key::numbered("id:", id))
    }

    fn entries(&self, ids: &[i64]) -> Vec<EntryRef> {
        ids.iter().map(|id| self.entry(*id)).collect()
    }

    /// A flight as a batch joins it.
    fn lead(&self, position: usize, id: i64) -> Led<&'static str> {
        let entry = self.entry(id);
        match self.cache.0.flights.join(&entry.key, self.cache.0.write_counters.snapshot(&entry)) {
            Role::Leader(flight) => (position, entry, flight),
            Role::Waiter(_) => panic!("{id} is being loaded, and could be joined"),
        }
    }

    /// Values that are their keys.
    fn load(&self) -> impl Fn(Vec<Key>) -> std::future::Ready<Batch> + Send + Sync + 'static {
        let loads = Arc::clone(&self.loads);
        move |keys| {
            let names: Vec<_> = keys.iter().map(Key::as_str).collect();
            loads.lock().unwrap().push(names.join(" "));
            std::future::ready(Ok(keys.iter().map(|key| Some(value(key))).collect()))
        }
    }

    fn boxed_load(&self) -> Load<&'static str> {
        let load = self.load();
        Arc::new(move |keys| Box::pin(load(keys)))
    }

    async fn read_many(&self, ids: &[i64]) -> Result<Vec<String>, BatchError<&'static str>> {
        Ok(texts(self.cache.get_or_load_many(self.entries(ids), self.load()).await?))
    }

    /// A load that takes until somebody opens the gate.
    fn read_slowly(&self, ids: &'static [i64]) -> tokio::task::JoinHandle<Vec<String>> {
        let world = self.clone();
        tokio::spawn(async move {
            let (gate, load) = (Arc::clone(&world.gate), world.load());
            let load = move |keys| {
                let (gate, loading) = (Arc::clone(&gate), load(keys));
                async move {
                    gate.acquire().await.unwrap().forget();
                    loading.await
                }
            };
            texts(world.cache.get_or_load_many(world.entries(ids), load).await.unwrap())
        })
    }

    fn loads(&self) -> Vec<String> {
        self.loads.lock().unwrap().clone()
    }
}

fn value(key: &Key) -> Value {
    Value { payload: Bytes::copy_from_slice(key.as_str().as_bytes()), revision: 1, attribute: 0 }
}

fn texts(found: Vec<Found>) -> Vec<String> {
    let text = |found: Found| found.value.map(|value| String::from_utf8(value.payload.to_vec()).unwrap());
    found.into_iter().map(|found| text(found).unwrap_or_default()).collect()
}

/// Lets all tasks go as far as they get.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// The process was suspended between the joins of each of two batches, which have the same keys in reverse order: each
/// leads a flight that comes after one of the other's.
#[tokio::test(start_paused = true)]
async fn batches_do_not_wait_for_each_other_in_a_circle() {
    let world = World::new();
    let there = world.lead(1, 2);
    let back = world.lead(1, 1);
    advance(TOO_LATE).await;
    let there = vec![world.lead(0, 1), there];
    let back = vec![world.lead(0, 2), back];
    let load = world.boxed_load();
    let completing = join(world.cache.complete_many(there, &load), world.cache.complete_many(back, &load));
    let (there, back) = timeout(Duration::from_secs(3_600), completing).await.expect("they wait for ever");
    let keys = |mut answers: Answers| {
        answers.sort_by_key(|(position, _)| *position);
        texts(answers.into_iter().map(|(_, found)| found).collect())
    };
    assert_eq!(
        (keys(there.unwrap()), keys(back.unwrap())),
        (vec!["id:1".into(), "id:2".into()], vec!["id:2".into(), "id:1".into()])
    );
    assert_eq!(world.cache.0.flights.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_names_an_entry_twice_does_not_wait_for_itself() {
    let world = World::new();
    let first = world.lead(0, 1);
    advance(TOO_LATE).await;
    let leading = vec![first, world.lead(1, 1)];
    let load = world.boxed_load();
    let completed = timeout(Duration::from_secs(3_600), world.cache.complete_many(leading, &load)).await;
    assert_eq!(completed.expect("it waits for ever").unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_of_one_entry_delays_none_of_the_others() {
    let world = World::new();
    let slow = world.read_slowly(&[1]);
    settle().await;
    advance(TOO_LATE).await;
    let batch = world.clone();
    let batch = tokio::spawn(async move { batch.read_many(&[1, 2, 3]).await.unwrap() });
    settle().await;
    assert_eq!(world.loads(), ["id:1", "id:2 id:3"]);
    assert_eq!(world.cache.0.flights.count(), 1, "those who wait for the others have their answers");
    world.gate.add_permits(1);
    assert_eq!(batch.await.unwrap(), ["id:1", "id:2", "id:3"]);
    assert_eq!(slow.await.unwrap(), ["id:1"]);
    assert_eq!(world.loads(), ["id:1", "id:2 id:3", "id:1"], "not older than half a second");
}

/// Else a database that is slow would be asked the more, the slower it is.
#[tokio::test(start_paused = true)]
async fn what_had_to_wait_is_loaded_together() {
    const IDS: [i64; 40] = {
        let mut ids = [0; 40];
        let mut id = 0;
        while id < 40 {
            ids[id] = id as i64;
            id += 1;
        }
        ids
    };
    let world = World::new();
    let slow = world.read_slowly(&IDS);
    settle().await;
    advance(TOO_LATE).await;
    let batch = world.clone();
    let batch = tokio::spawn(async move { batch.read_many(&IDS).await.unwrap() });
    settle().await;
    world.gate.add_permits(1);
    assert_eq!(batch.await.unwrap(), slow.await.unwrap());
    assert!(world.loads().len() <= 4, "{} loads", world.loads().len());
}

#[tokio::test]
async fn a_load_of_too_few_or_too_many_is_an_error_and_no_shorter_answer() {
    for brought in [0, 1, 2, 4] {
        let world = World::new();
        let load = move |keys: Vec<Key>| {
            let values = keys.iter().map(|key| Some(value(key))).chain([None]).take(brought).collect::<Vec<_>>();
            std::future::ready(Ok(values))
        };
        let found = world.cache.get_or_load_many(world.entries(&[1, 2, 3]), load).await;
        assert_eq!(found, Err(BatchError::Miscounted { asked: 3, brought }));
        assert_eq!(world.cache.0.flights.count(), 0);
        // Those who wait meanwhile are not told that there is nothing.
        assert_eq!(world.read_many(&[3, 1]).await.unwrap(), ["id:3", "id:1"]);
    }
    let world = World::new();
    let load = |_: Vec<Key>| std::future::ready(Ok(Vec::new()));
    let found = world.cache.get_or_load_many(world.entries(&[1]), load).await;
    assert_eq!(found, Err(BatchError::Miscounted { asked: 1, brought: 0 }));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_batch_that_miscounts_loads_for_himself() {
    let world = World::new();
    let gate = Arc::clone(&world.gate);
    let load = move |_: Vec<Key>| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Vec::new())
        }
    };
    let (cache, entries) = (world.cache.clone(), world.entries(&[1, 2]));
    let miscounting = tokio::spawn(async move { cache.get_or_load_many(entries, load).await });
    settle().await;
    let waiting = world.clone();
    let waiting = tokio::spawn(async move { waiting.read_many(&[2, 1]).await.unwrap() });
    settle().await;
    world.gate.add_permits(1);
    assert_eq!(miscounting.await.unwrap(), Err(BatchError::Miscounted { asked: 2, brought: 0 }));
    assert_eq!(waiting.await.unwrap(), ["id:2", "id:1"]);
    let found = world.cache.get_or_load_many(world.entries(&[1]), world.load()).await.unwrap();
    assert!(matches!(found[0].source, Source::Loaded { .. }), "memory has no lease here");
}

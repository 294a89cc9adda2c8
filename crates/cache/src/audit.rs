//! The self-audit: it compares some cached values with the database each second; it counts, logs and removes those
//! that stay older. It is what "Polaris" does for the caches of Meta ("Cache made consistent",
//! 2022).

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::cache::Cache;
use crate::counters::Event;
use crate::key::Key;
use crate::namespace::{EntryRef, Namespace};
use crate::rng::Hashing;
use crate::tier::{Copy, TierName};
use crate::value::Value;

/// A copy may differ from the database for so long: a write needs time from its commit to its acknowledgement, and the
/// memory of another process may lag by its lease of one second.
const BOUND: Duration = Duration::from_millis(1_500);
/// Entries that are remembered for the audit; the oldest are forgotten first.
const MOST_ENTRIES: usize = 10_000;
/// An entry without a copy is looked at for so long before it is forgotten. One that comes back without having been
/// filled here is suspicious above all.
const WATCHED_WITHOUT_COPY: Duration = Duration::from_secs(30);
/// The shortest time between two rounds of the audit; at higher rates a round has several entries.
const SHORTEST_ROUND: Duration = Duration::from_millis(20);

/// Entries that were put into a tier, or found there, in the order in which they are to be looked at.
#[derive(Default)]
pub(crate) struct Sample(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// Off, nothing is remembered.
    on: bool,
    queue: VecDeque<EntryRef>,
    /// With the time since which no tier has had a copy, if none has.
    known: HashMap<Key, Option<Instant>, Hashing>,
}

impl Sample {
    fn switch_on(&self) {
        self.0.lock().on = true;
    }

    /// An entry that was put into a tier.
    pub(crate) fn add(&self, entry: &EntryRef) {
        self.0.lock().add(entry);
    }

    /// An entry that was found in a tier; missed when others are at it, as it will be found again.
    pub(crate) fn notice(&self, entry: &EntryRef) {
        if let Some(mut entries) = self.0.try_lock() {
            entries.add(entry);
        }
    }

    /// The next entry of the namespace, which is then the last.
    fn next(&self, namespace: &Namespace) -> Option<EntryRef> {
        let mut entries = self.0.lock();
        let place = entries.queue.iter().position(|entry| entry.namespace.is_kin_of(namespace))?;
        let entry = entries.queue.remove(place)?;
        entries.queue.push_back(entry.clone());
        Some(entry)
    }

    /// Notes whether some tier has a copy, and forgets the entry when none has had one for long.
    fn note(&self, key: &Key, has_copy: bool) {
        let mut entries = self.0.lock();
        let Some(without_since) = entries.known.get_mut(key) else { return };
        if has_copy {
            *without_since = None;
        } else if without_since.get_or_insert_with(Instant::now).elapsed() >= WATCHED_WITHOUT_COPY {
            entries.known.remove(key);
            entries.queue.retain(|entry| entry.key != *key);
        }
    }
}

impl Entries {
    fn add(&mut self, entry: &EntryRef) {
        if !self.on || self.known.contains_key(&entry.key) {
            return;
        }
        if self.queue.len() == MOST_ENTRIES
            && let Some(oldest) = self.queue.pop_front()
        {
            self.known.remove(&oldest.key);
        }
        self.known.insert(entry.key.clone(), None);
        self.queue.push_back(entry.clone());
    }
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// Audits the namespace until the cache stops: `rate` entries a second, none if that is 0. `truth` loads the entry
    /// of a key as the namespace's lookups do; an error skips the entry.
    ///
    /// An entry that was written within the last seconds is given the time that its write needs. One that stays older
    /// than the truth for longer is counted, removed and logged.
    pub fn audit<T, F>(&self, namespace: &Namespace, rate: f64, truth: T)
    where
        T: Fn(Key) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    {
        if rate <= 0.0 || !self.0.has_tiers() {
            return;
        }
        self.0.sample.switch_on();
        let period = Duration::from_secs_f64(1.0 / rate).max(SHORTEST_ROUND);
        let entries_a_round = (rate * period.as_secs_f64()).round().max(1.0) as usize;
        let (cache, namespace) = (self.clone(), namespace.clone());
        let truth: Truth<E> = Box::new(move |key| Box::pin(truth(key)));
        let stopping = self.0.tasks.stopping();
        self.0.tasks.spawn_loop("audit", async move {
            let mut rounds = interval(period);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let auditing = async {
                loop {
                    rounds.tick().await;
                    let entries = (0..entries_a_round).filter_map(|_| cache.0.sample.next(&namespace));
                    let entries: Vec<EntryRef> = entries.collect();
                    join_all(entries.iter().map(|entry| check(&cache, entry, &truth))).await;
                }
            };
            stopping.run_until_cancelled(auditing).await;
        });
    }
}

/// Loads the entry of a key.
type Truth<E> = Box<dyn Fn(Key) -> BoxFuture<'static, Result<Option<Value>, E>> + Send + Sync>;

async fn check<E>(cache: &Cache<E>, entry: &EntryRef, truth: &Truth<E>) {
    let mut has_copy = false;
    for tier in TierName::BOTH {
        let Some(copy) = cache.0.inspect(tier, entry).await else { continue };
        has_copy = true;
        entry.namespace.count(Event::AuditCheck);
        let Ok(true_value) = truth(entry.key.clone()).await else { return };
        if copy.value != true_value {
            verify(cache, entry, copy, truth).await;
        }
    }
    cache.0.sample.note(&entry.key, has_copy);
}

/// It may have been written just now. If the same copy still stands when any write has had its time, and still differs,
/// it is stale.
async fn verify<E>(cache: &Cache<E>, entry: &EntryRef, copy: Copy, truth: &Truth<E>) {
    sleep(BOUND).await;
    let Ok(true_value) = truth(entry.key.clone()).await else { return };
    // Also its value: what identifies a copy in memory may be given to another one when the first is gone.
    let stands = |now: Copy| now.identity == copy.identity && now.value == copy.value;
    if !cache.0.inspect(copy.tier, entry).await.is_some_and(stands) || copy.value == true_value {
        return;
    }
    entry.namespace.count(Event::AuditStale);
    cache.0.discard(entry, &copy).await;
    let revision = |value: &Option<Value>| value.as_ref().map(|value| value.revision);
    tracing::error!(
        key = %entry.key,
        tier = %copy.tier,
        cached = revision(&copy.value),
        database = revision(&true_value),
        "a stale copy was found and removed: please report this"
    );
}

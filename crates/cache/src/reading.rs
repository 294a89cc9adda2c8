//! A lookup: memory, then Redis, then the truth; one load at a time for each key.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hotshelf_lifecycle::TRACED;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;
use tracing::field::Empty;

use crate::cache::Cache;
use crate::counters::Event;
use crate::flights::{Flight, Role};
use crate::key::Key;
use crate::namespace::{EntryRef, Namespace, Tag};
use crate::redis::RedisTier;
use crate::tier::{Fill, FillPermit, Hit, Lookup, Until};
use crate::value::{Found, Read, Source, Value};

/// After a load ahead of an entry's end has failed, so long passes before the next.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// When a load takes longer, an expired value is served if there is one.
pub(crate) const TIMEOUT_WITH_OVERDUE: Duration = Duration::from_secs(1);

/// A loader behind a pointer, so that what is done with it is compiled once. Boxed only when memory has no answer.
pub(crate) type Load<E> = Arc<dyn Fn() -> BoxFuture<'static, Result<Option<Value>, E>> + Send + Sync>;

/// What the tiers have answered.
pub(crate) enum Consulted {
    /// `due`: it should be loaded again ahead of its end.
    Hit {
        found: Found,
        due: bool,
    },
    Miss(FillPermit),
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// The value that this process' memory holds under `key`, without waiting for anything. A hit is counted; without
    /// one, nothing is: the caller goes on with [`get_or_load`](Cache::get_or_load), also where memory knows that there
    /// is no such thing, or the entry is to be loaded ahead of its end. Allocates nothing.
    pub fn peek(&self, namespace: &Namespace, key: &Key, read: Read) -> Option<(Value, Source)> {
        let hit = self.look(&namespace.place(key), None, read).filter(|hit| !hit.due)?;
        let value = hit.value?;
        namespace.count(Event::HitL1);
        Some((value, Source::L1 { ttl: hit.ttl }))
    }

    /// What memory tells at once.
    pub(crate) fn look(&self, key: &Key, tags: Option<&[Tag]>, read: Read) -> Option<Hit> {
        if read.bypass {
            return None;
        }
        let hit = self.0.memory.as_ref()?.peek(key, tags)?;
        read.accepts(hit.value.as_ref()).then_some(hit)
    }

    /// What a tier holds of the entry, or else what `load` brings, which the tiers then keep.
    ///
    /// `load` reads the truth and never a cache; `None` from it means that there is no such thing, which is kept too,
    /// for a shorter time. Of concurrent lookups of one key one loads and the others wait for it. The load runs in a
    /// task of its own: it goes on when the caller goes away. It may be called a second time.
    ///
    /// A hit in memory is answered without waiting and costs about as much as looking it up. A hit in the last fifth of
    /// an entry's TTL also loads it again, in the background.
    ///
    /// # Errors
    /// What `load` failed with, for all that waited for it, unless a tier still holds a value within its grace, which
    /// is the answer then. Failures are not kept. A panic in `load` is passed on.
    pub async fn get_or_load<L, F>(&self, entry: EntryRef, read: Read, load: L) -> Result<Found, E>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    {
        if let Some(hit) = self.look(&entry.key, Some(&entry.tags), read) {
            let answer = answer(&entry.namespace, in_memory(&hit), false);
            if hit.due {
                self.refresh(entry, Arc::new(move || Box::pin(load())));
            }
            return Ok(answer);
        }
        let namespace = &entry.namespace;
        // What is loaded in this future, and not in a task of its own, is boxed: hits would carry kilobytes for it.
        if read.bypass {
            namespace.count(Event::Miss);
            return Ok(Found { value: counted(namespace, Box::pin(load())).await?, source: Source::Bypassed });
        }
        if !self.0.has_tiers() {
            let value = counted(namespace, Box::pin(load())).await?;
            return Ok(answer(namespace, Found { value, source: Source::Loaded { stored: false } }, false));
        }
        self.record_miss(namespace);
        let span = tracing::info_span!(
            target: TRACED,
            "cache lookup",
            cache.key = entry.key.as_str(),
            cache.region = namespace.name(),
            cache.source = Empty,
        );
        let load: Load<E> = Arc::new(move || Box::pin(load()));
        let found = self.fly(entry, read, &load).instrument(span.clone()).await;
        if let Ok(found) = &found {
            span.record("cache.source", found.source.name());
        }
        found
    }

    /// Leads a flight or waits for one, until one completes.
    async fn fly(&self, entry: EntryRef, read: Read, load: &Load<E>) -> Result<Found, E> {
        loop {
            let snapshot = self.0.write_counters.snapshot(&entry);
            let waiter = match self.0.flights.join(&entry.key, snapshot) {
                Role::Leader(flight) => {
                    let namespace = entry.namespace.clone();
                    return self.lead(entry, read, flight, load).await.map(|found| answer(&namespace, found, false));
                }
                Role::Waiter(waiter) => waiter,
            };
            let give_up = waiter.since() + TIMEOUT_WITH_OVERDUE;
            match self.or_overdue(&entry, read, give_up, waiter.wait(), |found| Some(Ok(found))).await {
                // The leader may have asked for less than this reader does.
                Some(Ok(completed)) if !read.accepts(completed.value.as_ref()) => {
                    let value = counted(&entry.namespace, load()).await?;
                    let source = Source::Loaded { stored: false };
                    return Ok(answer(&entry.namespace, Found { value, source }, false));
                }
                Some(completed) => return Ok(answer(&entry.namespace, completed?, true)),
                None => {}
            }
        }
    }

    async fn lead(&self, entry: EntryRef, read: Read, mut flight: Flight<E>, load: &Load<E>) -> Result<Found, E> {
        let begin = Instant::now();
        // If this caller goes away meanwhile, the flight is dropped and a waiter takes the lead. From the moment that
        // there is something to load, it no longer matters who goes.
        flight.start().await;
        let permit = match self.consult(&entry, read, Until::ItsEnd).await {
            Consulted::Hit { found, due } => {
                flight.complete(Ok(found.clone()));
                if due {
                    self.refresh(entry, Arc::clone(load));
                }
                return Ok(found);
            }
            Consulted::Miss(permit) => permit,
        };
        let (cache, overdue_entry, load) = (self.clone(), entry.clone(), Arc::clone(load));
        let loading = self.0.tasks.spawn(async move {
            let mut completed = cache.load_and_fill(&entry, permit, &load).await;
            if completed.is_err()
                && let Some(found) = cache.overdue(&entry, read).await
            {
                completed = Ok(found);
            }
            flight.complete(completed.clone());
            completed
        });
        self.or_overdue(&overdue_entry, read, begin + TIMEOUT_WITH_OVERDUE, joined(loading), Ok).await
    }

    /// What `completing` brings, or, if that takes long, an expired value, if there is one.
    pub(crate) async fn or_overdue<T>(
        &self,
        entry: &EntryRef,
        read: Read,
        give_up: Instant,
        completing: impl Future<Output = T>,
        instead: fn(Found) -> T,
    ) -> T {
        let mut completing = pin!(completing);
        match timeout_at(give_up, completing.as_mut()).await {
            Ok(completed) => completed,
            Err(_) => match self.overdue(entry, read).await {
                Some(found) => instead(found),
                None => completing.await,
            },
        }
    }

    /// Loads an entry ahead of its end, in the background and once at a time, unless another process has done so.
    pub(crate) fn refresh<X: Send + 'static>(&self, entry: EntryRef, load: Load<X>) {
        let snapshot = self.0.write_counters.snapshot(&entry);
        let Role::Leader(flight) = self.0.refreshes.join(&entry.key, snapshot) else { return };
        let cache = self.clone();
        self.0.tasks.spawn(async move {
            if let Consulted::Miss(permit) = cache.consult(&entry, Read::default(), Until::ItIsDue).await {
                entry.namespace.count(Event::Refresh);
                if cache.load_and_fill(&entry, permit, &load).await.is_err() {
                    // The entry keeps its TTL; the next lookups do not try again at once.
                    sleep(REFRESH_PAUSE).await;
                }
            }
            drop(flight);
        });
    }

    /// The expired value that a tier holds within its grace, for an entry that could not be loaded again.
    pub(crate) async fn overdue(&self, entry: &EntryRef, read: Read) -> Option<Found> {
        let good = |(value, overdue): (Value, Duration)| {
            let source = Source::Stale { overdue };
            read.accepts(Some(&value)).then_some(Found { value: Some(value), source })
        };
        let in_memory = self.0.memory.as_ref().and_then(|memory| memory.overdue(entry)).and_then(good);
        match (in_memory, &self.0.redis) {
            (Some(found), _) => Some(found),
            (None, Some(redis)) => redis.overdue(entry).await.and_then(good),
            (None, None) => None,
        }
    }

    /// Asks memory, then Redis; what Redis has is copied to memory.
    pub(crate) async fn consult(&self, entry: &EntryRef, read: Read, until: Until) -> Consulted {
        let mut permit = FillPermit::default();
        if let Some(memory) = &self.0.memory {
            match memory.lookup(entry, until) {
                Lookup::Hit(hit) if read.accepts(hit.value.as_ref()) => return self.found_in_memory(entry, hit),
                Lookup::Hit(_) => {}
                Lookup::Miss(snapshot) => permit.memory = Some(snapshot),
            }
        }
        if let Some(redis) = self.redis_for(entry) {
            match redis.lookup(entry, until).await {
                Lookup::Hit(hit) if read.accepts(hit.value.as_ref()) => return self.found_in_redis(entry, hit, permit),
                Lookup::Hit(_) => {}
                Lookup::Miss(of_redis) => permit.redis = of_redis,
            }
        }
        Consulted::Miss(permit)
    }

    /// Redis, if lookups of the entry need it: for the value, or, if Redis does not keep the entry, for the lease that
    /// tells memory whether another process writes it.
    pub(crate) fn redis_for(&self, entry: &EntryRef) -> Option<&Arc<RedisTier>> {
        let asked = entry.namespace.in_redis() || self.0.shared && self.0.memory.is_some();
        self.0.redis.as_ref().filter(|_| asked)
    }

    pub(crate) fn found_in_memory(&self, entry: &EntryRef, hit: Hit) -> Consulted {
        self.0.sample.notice(entry);
        Consulted::Hit { found: in_memory(&hit), due: hit.due }
    }

    /// A hit in Redis, once memory has a copy of it.
    pub(crate) fn found_in_redis(&self, entry: &EntryRef, hit: Hit, permit: FillPermit) -> Consulted {
        let Hit { value, ttl, due } = hit;
        if let (Some(memory), Some(snapshot)) = (&self.0.memory, permit.memory) {
            memory.fill(entry, snapshot, value.as_ref(), ttl);
        }
        self.0.sample.notice(entry);
        Consulted::Hit { found: Found { value, source: Source::L2 { ttl } }, due }
    }

    /// Counts a lookup that memory was asked for and did not answer.
    pub(crate) fn record_miss(&self, namespace: &Namespace) {
        if self.0.memory.is_some() {
            namespace.count(Event::MissL1);
        }
    }

    /// Loads and gives the value to whichever tier still wants it.
    async fn load_and_fill<X>(&self, entry: &EntryRef, mut permit: FillPermit, load: &Load<X>) -> Result<Found, X> {
        let mut loaded = counted(&entry.namespace, load()).await;
        if matches!(loaded, Ok(None)) && self.bind_to_tags(entry, &mut permit).await {
            loaded = counted(&entry.namespace, load()).await;
        }
        match loaded {
            Ok(value) => Ok(self.fill(entry, permit, value).await),
            Err(error) => {
                self.abandon(entry, permit).await;
                Err(error)
            }
        }
    }

    /// "Does not exist" is only as good as the generations that were read before the load. `true` when they were read
    /// only now, so that the load has to be done again under them.
    pub(crate) async fn bind_to_tags(&self, entry: &EntryRef, permit: &mut FillPermit) -> bool {
        match (&self.0.redis, &mut permit.redis) {
            (Some(redis), Some(permit)) if entry.namespace.keeps_absence() => redis.bind_to_tags(entry, permit).await,
            _ => false,
        }
    }

    /// Gives the permit back unused.
    pub(crate) async fn abandon(&self, entry: &EntryRef, permit: FillPermit) {
        if let (Some(redis), Some(permit)) = (&self.0.redis, permit.redis) {
            redis.abandon(entry, permit).await;
        }
    }

    /// Redis first.
    pub(crate) async fn fill(&self, entry: &EntryRef, permit: FillPermit, value: Option<Value>) -> Found {
        let too_large = value.as_ref().is_some_and(Value::is_too_large);
        if too_large || value.is_none() && !entry.namespace.keeps_absence() {
            entry.namespace.count_many(Event::TooLarge, u64::from(too_large));
            self.abandon(entry, permit).await;
            return Found { value, source: Source::Loaded { stored: false } };
        }
        let ttl = entry.namespace.next_ttl(value.is_none());
        let mut fills = [None, None];
        if let (Some(redis), Some(permit)) = (&self.0.redis, permit.redis) {
            fills[0] = Some(redis.fill(entry, permit, value.as_ref(), ttl).await);
        }
        // Where others write, it is the fence in Redis that bars memory, too: it takes only what Redis has taken.
        if let (Some(memory), Some(snapshot)) = (&self.0.memory, permit.memory)
            && (!self.0.shared || fills[0] == Some(Fill::Stored))
        {
            fills[1] = Some(memory.fill(entry, snapshot, value.as_ref(), ttl));
        }
        if !entry.namespace.in_redis() {
            // Redis has deleted the lease and stored no value.
            fills[0] = fills[0].filter(|fill| *fill != Fill::Stored);
        }
        let (stored, refused) = (fills.contains(&Some(Fill::Stored)), fills.contains(&Some(Fill::Refused)));
        if stored {
            self.0.sample.add(entry);
        }
        entry.namespace.count_many(Event::Set, u64::from(stored));
        entry.namespace.count_many(Event::FillRefused, u64::from(refused));
        Found { value, source: Source::Loaded { stored } }
    }
}

/// What the task brings. A panic in it is passed on.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await.map_err(JoinError::try_into_panic) {
        Ok(outcome) => outcome,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Cancelled: the runtime is going down, and this task with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

async fn counted<E>(
    namespace: &Namespace,
    load: impl Future<Output = Result<Option<Value>, E>>,
) -> Result<Option<Value>, E> {
    let loaded =
        load.instrument(tracing::info_span!(target: TRACED, "cache load", cache.region = namespace.name())).await;
    count_load(namespace, loaded.as_ref().map(Option::is_none).map_err(drop));
    loaded
}

/// Counts a load by what came of it: whether it found nothing, or failed.
pub(crate) fn count_load(namespace: &Namespace, absent: Result<bool, ()>) {
    namespace.count(match absent {
        Ok(false) => Event::LoadOk,
        Ok(true) => Event::LoadAbsent,
        Err(()) => Event::LoadError,
    });
}

pub(crate) fn in_memory(hit: &Hit) -> Found {
    Found { value: hit.value.clone(), source: Source::L1 { ttl: hit.ttl } }
}

/// Counts a lookup that was answered: exactly one hit or one miss.
pub(crate) fn answer(namespace: &Namespace, found: Found, waited: bool) -> Found {
    namespace.count(match found.source {
        Source::L1 { .. } => Event::HitL1,
        Source::L2 { .. } => Event::HitL2,
        Source::Stale { .. } => Event::StaleIfError,
        Source::Loaded { .. } | Source::Bypassed => Event::Miss,
    });
    if waited && !found.source.is_hit() {
        namespace.count(Event::Coalesced);
    }
    found
}

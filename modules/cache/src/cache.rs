use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Tasks};
use hotshelf_stats::{L2State, Stats, TierGauges, TierLevels};
use tokio::task::JoinError;

use crate::audit::Sample;
use crate::coherence::{Coherence, MemoryLease};
use crate::epoch::EpochStore;
use crate::epochs::Epochs;
use crate::flights::{Flight, Flights, Role};
use crate::key::Key;
use crate::locks::KeyLocks;
use crate::memory::MemoryTier;
use crate::options::{CacheOptions, Tiers, WriteStrategy};
use crate::redis::{Connector, FredConnector, Names, RedisSetup, RedisTier};
use crate::region::{Region, RegionOptions};
use crate::tier::{Claim, DeleteError, Fill, Hit, Lookup, SharedTier, Slot, Tier};
use crate::value::{Found, Read, Source, Value};

/// The cache: tiers, single flight and the write protocol around a loader. A cheap handle; `E` is what loads fail with.
///
/// Reads are [`get_or_load`](Cache::get_or_load), writes are [`begin`](Cache::begin), then the database, then
/// [`Write::committed`](crate::Write::committed). Kept to that order, no read that starts after a write was acknowledged
/// returns what was there before it. See the crate's documentation for an example.
pub struct Cache<E>(pub(crate) Arc<CacheState<E>>);

impl<E> Clone for Cache<E> {
    fn clone(&self) -> Self {
        Cache(Arc::clone(&self.0))
    }
}

pub(crate) struct CacheState<E> {
    /// Nearest first.
    pub(crate) tiers: Vec<Arc<dyn Tier>>,
    redis: Option<Arc<dyn SharedTier>>,
    /// Other processes write to the same database.
    shared: bool,
    pub(crate) epochs: Arc<Epochs>,
    coherence: Arc<Coherence>,
    flights: Flights<E>,
    /// Loads ahead of the end of an entry's life.
    refreshes: Flights<E>,
    pub(crate) locks: KeyLocks,
    pub(crate) write_strategy: WriteStrategy,
    pub(crate) sample: Sample,
    epoch_store: Arc<dyn EpochStore>,
    pub(crate) tasks: Tasks,
    stats: Stats,
}

struct Levels(Vec<Arc<dyn Tier>>);

impl TierGauges for Levels {
    fn levels(&self) -> TierLevels {
        let mut levels = TierLevels::default();
        self.0.iter().for_each(|tier| tier.report(&mut levels));
        levels
    }
}

type Claims = Vec<(Arc<dyn Tier>, Claim)>;

enum Consulted {
    Hit(Hit),
    /// With the claims of the tiers that may be filled.
    Miss(Claims),
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// A working cache; Redis takes part from some time after [`start`](Cache::start).
    pub fn new(options: CacheOptions, epoch_store: Arc<dyn EpochStore>, stats: &Stats) -> Self {
        let connector = FredConnector(options.redis.clone());
        Self::with_connector(options, connector, epoch_store, stats)
    }

    pub(crate) fn with_connector<C: Connector>(
        options: CacheOptions,
        connector: C,
        epoch_store: Arc<dyn EpochStore>,
        stats: &Stats,
    ) -> Self {
        let shared = options.shared_database;
        let wants_memory = matches!(options.tiers, Tiers::Memory | Tiers::Tiered);
        let wants_redis = matches!(options.tiers, Tiers::Redis | Tiers::Tiered);
        let (epochs, tasks) = (Arc::new(Epochs::new()), Tasks::default());
        let lease = Arc::new(if shared { MemoryLease::none() } else { MemoryLease::endless() });
        let new_memory = || MemoryTier::new(options.memory_bytes, Arc::clone(&epochs), Arc::clone(&lease), shared);
        let memory = wants_memory.then(|| Arc::new(new_memory()));
        let coherence = Arc::new(Coherence::new(Arc::clone(&epochs), Arc::clone(&lease), memory.clone()));
        let redis = wants_redis.then(|| {
            let setup = RedisSetup {
                names: Names::new(options.redis.prefix.clone()),
                shared,
                epoch_store: Arc::clone(&epoch_store),
                coherence: Arc::clone(&coherence),
                stats: stats.clone(),
                tasks: tasks.clone(),
            };
            RedisTier::new(connector, setup)
        });

        let nearest = memory.into_iter().map(|memory| memory as Arc<dyn Tier>);
        let tiers: Vec<_> = nearest.chain(redis.clone().map(|redis| redis as Arc<dyn Tier>)).collect();
        stats.watch_tiers(Arc::new(Levels(tiers.clone())));
        Cache(Arc::new(CacheState {
            tiers,
            redis: redis.map(|redis| redis as Arc<dyn SharedTier>),
            shared,
            epochs,
            coherence,
            flights: Flights::new(shared),
            refreshes: Flights::new(false),
            locks: KeyLocks::default(),
            write_strategy: options.write_strategy,
            sample: Sample::default(),
            epoch_store,
            tasks,
            stats: stats.clone(),
        }))
    }

    /// Connects to Redis in the background, or, in a configuration without Redis, makes what some Redis may still hold
    /// from earlier void: nobody will tell it of the writes to come.
    ///
    /// # Errors
    /// When the epoch could not be advanced.
    pub async fn start(&self) -> Result<(), Failure> {
        match &self.0.redis {
            Some(redis) => Arc::clone(redis).start(),
            None => drop(self.0.epoch_store.reconcile("").await?),
        }
        Ok(())
    }

    /// Waits for loads under way and closes the connection. `false` when that took longer than `patience`.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.0.tasks.stop(patience).await
    }

    /// A region for entries of one kind. Regions of one name share their statistics.
    pub fn region(&self, options: RegionOptions) -> Region {
        let counters = self.0.stats.cache(options.name);
        self.0.coherence.follow(&options.collection);
        Region::new(options, counters)
    }

    /// How the tiers are.
    pub fn health(&self) -> Health {
        if let Some(task) = self.0.tasks.ended_early().first() {
            return Health::unhealthy(format!("task `{task}` has died; restart the service"));
        }
        let Some(redis) = &self.0.redis else {
            return Health::healthy(if self.0.tiers.is_empty() { "off" } else { "in memory" });
        };
        let mut levels = TierLevels::default();
        redis.report(&mut levels);
        if levels.l2 == L2State::Up { Health::healthy(redis.condition()) } else { Health::degraded(redis.condition()) }
    }

    /// The value that this process' memory holds under `key`, without waiting for anything. A hit is counted; without
    /// one, nothing is: the caller goes on with [`get_or_load`](Cache::get_or_load), also where memory knows that there
    /// is no such thing, or the entry is to be loaded ahead of its end. Allocates nothing.
    pub fn peek(&self, region: &Region, key: &Key, read: Read) -> Option<(Value, Source)> {
        let hit = self.look(key, read).filter(|hit| !is_due(region, hit))?;
        let source = (hit.source)(hit.ttl);
        let value = hit.value?;
        region.counters().hits_l1.inc();
        Some((value, source))
    }

    fn look(&self, key: &Key, read: Read) -> Option<Hit> {
        if read.bypass {
            return None;
        }
        let hit = self.0.tiers.iter().find_map(|tier| tier.peek(key))?;
        read.accepts(hit.value.as_ref()).then_some(hit)
    }

    /// What a tier holds under `key`, or else what `load` brings, which the tiers then keep.
    ///
    /// `load` reads the truth and never a cache; `None` from it means that there is no such thing, which is kept too,
    /// for a shorter time. Of concurrent lookups of one key one loads and the others wait for it. The load runs in a
    /// task of its own: it goes on when the caller goes away. It may be called a second time.
    ///
    /// A hit in memory is answered without waiting and costs about as much as looking it up. A hit in the last fifth of
    /// an entry's life also loads it again, in the background.
    ///
    /// # Errors
    /// What `load` failed with, for all that waited for it, unless a tier still holds a value within its grace, which is
    /// the answer then. Failures are not kept. A panic in `load` is passed on.
    pub async fn get_or_load<L, F>(&self, region: &Region, key: Key, read: Read, load: L) -> Result<Found, E>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    {
        if let Some(hit) = self.look(&key, read) {
            if is_due(region, &hit) {
                self.refresh(Slot { region: region.clone(), key }, load);
            }
            return Ok(answer(region, found(hit), false));
        }
        if read.bypass {
            region.counters().misses.inc();
            return Ok(Found { value: counted(region, load()).await?, source: Source::Bypassed });
        }
        if self.0.tiers.is_empty() {
            let value = counted(region, load()).await?;
            return Ok(answer(region, Found { value, source: Source::Loaded { stored: false } }, false));
        }
        self.0.tiers.iter().for_each(|tier| tier.peeked_in_vain(region));
        self.fly(Slot { region: region.clone(), key }, read, load).await
    }

    /// Leads a flight or waits for one, until one lands.
    async fn fly<L, F>(&self, slot: Slot, read: Read, load: L) -> Result<Found, E>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    {
        loop {
            let stamp = self.0.epochs.stamp(&slot.region, &slot.key);
            let waiter = match self.0.flights.join(&slot.key, stamp) {
                Role::Leader(flight) => {
                    let region = slot.region.clone();
                    return self.lead(slot, read, flight, load).await.map(|found| answer(&region, found, false));
                }
                Role::Waiter(waiter) => waiter,
            };
            match waiter.wait().await {
                // The leader may have asked for less than this reader does.
                Some(Ok(landed)) if !read.accepts(landed.value.as_ref()) => {
                    let value = counted(&slot.region, load()).await?;
                    let source = Source::Loaded { stored: false };
                    return Ok(answer(&slot.region, Found { value, source }, false));
                }
                Some(landed) => return Ok(answer(&slot.region, landed?, true)),
                None => {}
            }
        }
    }

    async fn lead<L, F>(&self, slot: Slot, read: Read, flight: Flight<E>, load: L) -> Result<Found, E>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    {
        // If this caller goes away meanwhile, the flight is dropped and a waiter takes the lead. From the moment that
        // there is something to load, it no longer matters who goes.
        let claims = match self.consult(&slot, read, Duration::ZERO).await {
            Consulted::Hit(hit) => {
                let due = is_due(&slot.region, &hit);
                let found = found(hit);
                flight.land(Ok(found.clone()));
                if due {
                    self.refresh(slot, load);
                }
                return Ok(found);
            }
            Consulted::Miss(claims) => claims,
        };
        let cache = self.clone();
        let loading = self.0.tasks.spawn(async move {
            let mut landed = cache.load_and_fill(&slot, claims, load).await;
            if landed.is_err()
                && let Some(found) = cache.overdue(&slot, read).await
            {
                landed = Ok(found);
            }
            flight.land(landed.clone());
            landed
        });
        match loading.await.map_err(JoinError::try_into_panic) {
            Ok(landed) => landed,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // Cancelled: the runtime is going down, and this task with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    /// Loads an entry ahead of its end, in the background and once at a time, unless another process has done so.
    fn refresh<L, F>(&self, slot: Slot, load: L)
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    {
        let stamp = self.0.epochs.stamp(&slot.region, &slot.key);
        let Role::Leader(flight) = self.0.refreshes.join(&slot.key, stamp) else { return };
        let cache = self.clone();
        self.0.tasks.spawn(async move {
            let fresh_for = slot.region.refresh_ahead();
            if let Consulted::Miss(claims) = cache.consult(&slot, Read::default(), fresh_for).await {
                slot.region.counters().refreshes.inc();
                // On a failure, the entry goes on to live as long as it would have.
                let _ = cache.load_and_fill(&slot, claims, load).await;
            }
            drop(flight);
        });
    }

    /// What a tier holds past the end of its life, within the grace, when it could not be loaded again.
    async fn overdue(&self, slot: &Slot, read: Read) -> Option<Found> {
        for tier in &self.0.tiers {
            if let Some((value, overdue)) = tier.overdue(slot).await
                && read.accepts(Some(&value))
            {
                return Some(Found { value: Some(value), source: Source::Stale { overdue } });
            }
        }
        None
    }

    /// Asks one tier after the other; what a farther one has is copied to the nearer ones.
    async fn consult(&self, slot: &Slot, read: Read, fresh_for: Duration) -> Consulted {
        let mut claims = Vec::with_capacity(self.0.tiers.len());
        for tier in &self.0.tiers {
            match tier.lookup(slot, fresh_for).await {
                Lookup::Hit(hit) if read.accepts(hit.value.as_ref()) => {
                    for (nearer, claim) in claims {
                        let nearer: Arc<dyn Tier> = nearer;
                        nearer.fill(slot, claim, hit.value.as_ref(), hit.ttl).await;
                    }
                    self.0.sample.add(slot);
                    return Consulted::Hit(hit);
                }
                Lookup::Hit(_) | Lookup::Miss(None) => {}
                Lookup::Miss(Some(claim)) => claims.push((Arc::clone(tier), claim)),
            }
        }
        Consulted::Miss(claims)
    }

    /// Loads and gives the value to whichever tier still wants it.
    async fn load_and_fill<L, F>(&self, slot: &Slot, mut claims: Claims, load: L) -> Result<Found, E>
    where
        L: Fn() -> F + Send + Sync,
        F: Future<Output = Result<Option<Value>, E>> + Send,
    {
        let mut loaded = counted(&slot.region, load()).await;
        if matches!(loaded, Ok(None)) {
            // "Does not exist" is only as good as the generation that was read before the load.
            let mut again = false;
            for (tier, claim) in &mut claims {
                again |= tier.bind_to_collection(slot, claim).await;
            }
            if again {
                loaded = counted(&slot.region, load()).await;
            }
        }
        match loaded {
            Ok(value) => Ok(self.fill(slot, claims, value).await),
            Err(error) => {
                for (tier, claim) in claims {
                    tier.abandon(slot, claim).await;
                }
                Err(error)
            }
        }
    }

    /// Farthest first.
    async fn fill(&self, slot: &Slot, claims: Claims, value: Option<Value>) -> Found {
        let ttl = slot.region.next_ttl(value.is_none());
        let (mut stored, mut refused) = (false, false);
        for (tier, claim) in claims.into_iter().rev() {
            // Where others write, it is the fence in Redis that bars memory, too: it takes only what Redis has taken.
            if self.0.shared && matches!(claim, Claim::Memory(_)) && !stored {
                continue;
            }
            let fill = tier.fill(slot, claim, value.as_ref(), ttl).await;
            stored |= fill == Fill::Stored;
            refused |= fill == Fill::Refused;
        }
        if stored {
            self.0.sample.add(slot);
        }
        let counters = slot.region.counters();
        counters.sets.inc_by(u64::from(stored));
        counters.fills_refused.inc_by(u64::from(refused));
        Found { value, source: Source::Loaded { stored } }
    }

    /// Deletes the entries whose keys match, where `*` stands for any text and `?` for one character. Returns how many
    /// the tier that held most of them had. For operators: it walks over all keys, in batches.
    ///
    /// # Errors
    /// When Redis failed on the way; what had been deleted stays deleted.
    pub async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError> {
        let mut deleted = 0;
        for tier in self.0.tiers.iter().rev() {
            deleted = deleted.max(tier.delete_matching(pattern).await?);
        }
        Ok(deleted)
    }
}

async fn counted<E>(region: &Region, load: impl Future<Output = Result<Option<Value>, E>>) -> Result<Option<Value>, E> {
    let loaded = load.await;
    let counters = region.counters();
    match &loaded {
        Ok(Some(_)) => counters.loads_ok.inc(),
        Ok(None) => counters.loads_absent.inc(),
        Err(_) => counters.loads_error.inc(),
    }
    loaded
}

/// Whether the entry should be loaded again ahead of its end.
fn is_due(region: &Region, hit: &Hit) -> bool {
    hit.value.is_some() && hit.ttl < region.refresh_ahead()
}

fn found(hit: Hit) -> Found {
    Found { value: hit.value, source: (hit.source)(hit.ttl) }
}

/// Counts a lookup that was answered: exactly one hit or one miss.
fn answer(region: &Region, found: Found, waited: bool) -> Found {
    let counters = region.counters();
    match found.source {
        Source::L1 { .. } => counters.hits_l1.inc(),
        Source::L2 { .. } => counters.hits_l2.inc(),
        Source::Stale { .. } => counters.stale_if_error.inc(),
        Source::Loaded { .. } | Source::Bypassed => {
            counters.misses.inc();
            counters.coalesced.inc_by(u64::from(waited));
        }
    }
    found
}

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Tasks};
use hotshelf_stats::{L2State, Stats, TierGauges, TierLevels};
use tokio::task::JoinError;

use crate::epoch::EpochStore;
use crate::epochs::Epochs;
use crate::flights::{Flight, Flights, Role};
use crate::key::Key;
use crate::locks::KeyLocks;
use crate::memory::MemoryTier;
use crate::options::{CacheOptions, Tiers, WriteStrategy};
use crate::redis::RedisTier;
use crate::region::{Region, RegionOptions};
use crate::tier::{Claim, DeleteError, Fill, Hit, Lookup, Slot, Tier};
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
    redis: Option<Arc<RedisTier>>,
    pub(crate) epochs: Arc<Epochs>,
    flights: Flights<E>,
    pub(crate) locks: KeyLocks,
    pub(crate) write_strategy: WriteStrategy,
    epoch_store: Arc<dyn EpochStore>,
    tasks: Tasks,
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

enum Consulted {
    Hit(Found),
    /// With the claims of the tiers that may be filled.
    Miss(Vec<(Arc<dyn Tier>, Claim)>),
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// A working cache; Redis takes part from some time after [`start`](Cache::start).
    pub fn new(options: CacheOptions, epoch_store: Arc<dyn EpochStore>, stats: &Stats) -> Self {
        let epochs = Arc::new(Epochs::new());
        // In memory, nothing tells of the writes of other processes.
        let wants_memory = matches!(options.tiers, Tiers::Memory | Tiers::Tiered) && !options.shared_database;
        let memory = wants_memory.then(|| Arc::new(MemoryTier::new(options.memory_bytes, Arc::clone(&epochs))));
        let wants_redis = matches!(options.tiers, Tiers::Redis | Tiers::Tiered);
        let tasks = Tasks::default();
        let redis =
            wants_redis.then(|| RedisTier::new(options.redis, Arc::clone(&epoch_store), stats.clone(), tasks.clone()));

        let nearest = memory.into_iter().map(|memory| memory as Arc<dyn Tier>);
        let tiers: Vec<_> = nearest.chain(redis.clone().map(|redis| redis as Arc<dyn Tier>)).collect();
        stats.watch_tiers(Arc::new(Levels(tiers.clone())));
        Cache(Arc::new(CacheState {
            tiers,
            redis,
            epochs,
            flights: Flights::new(options.shared_database),
            locks: KeyLocks::default(),
            write_strategy: options.write_strategy,
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
            Some(redis) => redis.start(),
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
    /// is no such thing. Allocates nothing.
    pub fn peek(&self, region: &Region, key: &Key, read: Read) -> Option<(Value, Source)> {
        let Found { value, source } = self.look(region, key, read)?;
        let value = value?;
        region.counters().hits_l1.inc();
        Some((value, source))
    }

    fn look(&self, region: &Region, key: &Key, read: Read) -> Option<Found> {
        if read.bypass {
            return None;
        }
        let hit = self.0.tiers.iter().find_map(|tier| tier.peek(region, key))?;
        read.accepts(hit.value.as_ref()).then(|| found(hit))
    }

    /// What a tier holds under `key`, or else what `load` brings, which the tiers then keep.
    ///
    /// `load` reads the truth and never a cache; `None` from it means that there is no such thing, which is kept too,
    /// for a shorter time. Of concurrent lookups of one key one loads and the others wait for it. The load runs in a
    /// task of its own: it goes on when the caller goes away. It may be called a second time.
    ///
    /// A hit in memory is answered without waiting and costs about as much as looking it up.
    ///
    /// # Errors
    /// What `load` failed with, for all that waited for it. Failures are not kept. A panic in `load` is passed on.
    pub async fn get_or_load<L, F>(&self, region: &Region, key: Key, read: Read, load: L) -> Result<Found, E>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, E>> + Send + 'static,
    {
        if let Some(found) = self.look(region, &key, read) {
            return Ok(answer(region, found, false));
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
        let claims = match self.consult(&slot, read).await {
            Consulted::Hit(found) => {
                flight.land(Ok(found.clone()));
                return Ok(found);
            }
            Consulted::Miss(claims) => claims,
        };
        let loading = self.0.tasks.spawn(async move {
            let landed = load_and_fill(&slot, claims, load).await;
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

    /// Asks one tier after the other; what a farther one has is copied to the nearer ones.
    async fn consult(&self, slot: &Slot, read: Read) -> Consulted {
        let mut claims = Vec::with_capacity(self.0.tiers.len());
        for tier in &self.0.tiers {
            match tier.lookup(slot).await {
                Lookup::Hit(hit) if read.accepts(hit.value.as_ref()) => {
                    for (nearer, claim) in claims {
                        let nearer: Arc<dyn Tier> = nearer;
                        nearer.fill(slot, claim, hit.value.as_ref(), hit.ttl).await;
                    }
                    return Consulted::Hit(found(hit));
                }
                Lookup::Hit(_) | Lookup::Miss(None) => {}
                Lookup::Miss(Some(claim)) => claims.push((Arc::clone(tier), claim)),
            }
        }
        Consulted::Miss(claims)
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

/// Loads and gives the value to whichever tier still wants it.
async fn load_and_fill<E, L, F>(slot: &Slot, mut claims: Vec<(Arc<dyn Tier>, Claim)>, load: L) -> Result<Found, E>
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
    let value = match loaded {
        Ok(value) => value,
        Err(error) => {
            for (tier, claim) in claims {
                tier.abandon(slot, claim).await;
            }
            return Err(error);
        }
    };
    let ttl = slot.region.next_ttl(value.is_none());
    let (mut stored, mut refused) = (false, false);
    for (tier, claim) in claims.into_iter().rev() {
        let fill = tier.fill(slot, claim, value.as_ref(), ttl).await;
        stored |= fill == Fill::Stored;
        refused |= fill == Fill::Refused;
    }
    let counters = slot.region.counters();
    counters.sets.inc_by(u64::from(stored));
    counters.fills_refused.inc_by(u64::from(refused));
    Ok(Found { value, source: Source::Loaded { stored } })
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

fn found(hit: Hit) -> Found {
    Found { value: hit.value, source: (hit.source)(hit.ttl) }
}

/// Counts a lookup that was answered: exactly one hit or one miss.
fn answer(region: &Region, found: Found, waited: bool) -> Found {
    let counters = region.counters();
    match found.source {
        Source::L1 { .. } => counters.hits_l1.inc(),
        Source::L2 { .. } => counters.hits_l2.inc(),
        Source::Loaded { .. } | Source::Bypassed => {
            counters.misses.inc();
            counters.coalesced.inc_by(u64::from(waited));
        }
    }
    found
}

use std::sync::Arc;
use std::time::Duration;

use hotshelf_lifecycle::{Failure, Tasks};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::audit::Sample;
use crate::coherence::Coherence;
use crate::condition::Condition;
use crate::counters::{RedisCounters, RedisState, Statistics};
use crate::epoch::EpochStore;
use crate::flights::{Flights, Joining};
use crate::instances::{Instances, Leases};
use crate::key_space::NamespaceError;
use crate::lease::Lease;
use crate::locks::KeyLocks;
use crate::memory::MemoryTier;
use crate::namespace::{EntryRef, Namespace, NamespaceOptions};
use crate::options::{CacheOptions, Consistency, OptionsError, Tiers, WriteStrategy};
use crate::redis::{Connector, FredConnector, Names, RedisSetup, RedisTier, Seal, SealKey, UNTOLD};
use crate::rng;
use crate::tier::{Copy, DeleteError, TierName};
use crate::write_counters::WriteCounters;

/// The part of the time for a stop that writes under way may take.
const FOR_WRITES: f64 = 0.8;
/// Between two looks for another process on the database.
const LOOK_FOR_OTHERS: Duration = Duration::from_millis(250);

/// The cache: tiers, single flight and the write protocol around a loader. A cheap handle; `E` is what loads fail with.
///
/// Reads are [`get_or_load`](Cache::get_or_load), writes are [`write`](Cache::write). No read that starts after a write
/// was acknowledged returns what was there before it. See the crate's documentation for an example.
pub struct Cache<E>(pub(crate) Arc<CacheState<E>>);

impl<E> Clone for Cache<E> {
    fn clone(&self) -> Self {
        Cache(Arc::clone(&self.0))
    }
}

pub(crate) struct CacheState<E> {
    pub(crate) memory: Option<Arc<MemoryTier>>,
    pub(crate) redis: Option<Arc<RedisTier>>,
    /// Other processes write to the same database.
    pub(crate) shared: bool,
    /// Those, if an acknowledged write is to be seen by all of them.
    pub(crate) instances: Option<Arc<Instances>>,
    pub(crate) write_counters: Arc<WriteCounters>,
    pub(crate) coherence: Arc<Coherence>,
    pub(crate) flights: Flights<E>,
    /// Loads of entries that are about to expire.
    pub(crate) refreshes: Flights<E>,
    pub(crate) locks: KeyLocks,
    pub(crate) write_strategy: WriteStrategy,
    pub(crate) sample: Sample,
    epoch_store: Arc<dyn EpochStore>,
    /// Of a failed commit: whether the database is certain to be as it was.
    pub(crate) changed_nothing: fn(&E) -> bool,
    /// Writes from their fences to their end.
    pub(crate) writes: Tasks,
    pub(crate) tasks: Tasks,
    statistics: Statistics,
}

/// Without Redis, a process that believes to be alone on the database finds there that another one has come.
async fn watch_for_others<E: Send + Sync + 'static>(cache: Cache<E>, name: String, stopping: CancellationToken) {
    let mut looks = interval(LOOK_FOR_OTHERS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopping.run_until_cancelled(looks.tick()).await.is_some() {
        // A database that does not answer says nothing about others.
        if let Ok((_, server)) = cache.0.epoch_store.current().await
            && server != name
        {
            cache.0.coherence.end(UNTOLD);
        }
    }
}

/// Without a link to Redis, whose heartbeats tell the others of this process, keeps what others have to know of its
/// writes.
async fn beat_without_redis<E: Clone + Send + Sync + 'static>(
    cache: Cache<E>,
    instances: Arc<Instances>,
    stopping: CancellationToken,
) {
    let mut beats = interval(LOOK_FOR_OTHERS);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopping.run_until_cancelled(beats.tick()).await.is_some() {
        if cache.redis_state() != RedisState::Up
            && let Err(error) = instances.beat_unlinked().await
        {
            tracing::debug!(%error, "the row of this instance could not be written");
        }
    }
    // Nobody waits for a process that has ended.
    let _ = instances.withdraw().await;
}

impl<E> CacheState<E> {
    /// Whether anything is kept at all.
    pub(crate) fn has_tiers(&self) -> bool {
        self.memory.is_some() || self.redis.is_some()
    }

    /// The copy in that tier that a lookup would be answered with.
    pub(crate) async fn inspect(&self, tier: TierName, entry: &EntryRef) -> Option<Copy> {
        match tier {
            TierName::Memory => self.memory.as_ref()?.inspect(entry),
            TierName::Redis => self.redis.as_ref()?.inspect(entry).await,
        }
    }

    /// Removes that copy, and in Redis no newer one.
    pub(crate) async fn discard(&self, entry: &EntryRef, copy: &Copy) {
        match (copy.tier, &self.memory, &self.redis) {
            (TierName::Memory, Some(memory), _) => memory.forget(&entry.key),
            (TierName::Redis, _, Some(redis)) => redis.discard(entry, copy).await,
            _ => {}
        }
    }
}

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// A working cache; Redis takes part from some time after [`start`](Cache::start).
    /// `changed_nothing` says of a failed commit whether the database is certain to be as it was; if not, the write
    /// counts as one that may have happened.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn new(
        options: CacheOptions,
        epoch_store: Arc<dyn EpochStore>,
        changed_nothing: fn(&E) -> bool,
    ) -> Result<Self, OptionsError> {
        options.check()?;
        let (redis, prefix, counters) = (options.redis.clone(), options.key_prefix.clone(), Arc::default());
        let connector = FredConnector::new(redis, prefix, options.shared_database, Arc::clone(&counters));
        Ok(Self::with_connector(options, Box::new(connector), epoch_store, changed_nothing, counters))
    }

    pub(crate) fn with_connector(
        options: CacheOptions,
        connector: Box<dyn Connector>,
        epoch_store: Arc<dyn EpochStore>,
        changed_nothing: fn(&E) -> bool,
        counters: Arc<RedisCounters>,
    ) -> Self {
        let shared = options.shared_database;
        let wants_memory = matches!(options.tiers, Tiers::Memory | Tiers::Tiered);
        let wants_redis = options.tiers.have_redis();
        let (write_counters, tasks) = (Arc::new(WriteCounters::new()), Tasks::default());
        let linearizable = shared && options.consistency == Consistency::Linearizable;
        let lease_if = |needed: bool| Arc::new(if needed { Lease::none() } else { Lease::endless() });
        let (lease, redis_lease) = (lease_if(shared), lease_if(linearizable));
        let name: String = rng::bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let leases = Leases { redis: Arc::clone(&redis_lease), memory: wants_memory.then(|| Arc::clone(&lease)) };
        let instances = linearizable.then(|| Instances::new(Arc::clone(&epoch_store), name.clone(), leases));
        let memory = wants_memory.then(|| {
            let (write_counters, lease) = (Arc::clone(&write_counters), Arc::clone(&lease));
            Arc::new(MemoryTier::new(options.memory_bytes, write_counters, lease, shared, wants_redis))
        });
        let coherence = Arc::new(Coherence::new(Arc::clone(&write_counters), Arc::clone(&lease), memory.clone()));
        let redis = wants_redis.then(|| {
            let seal_key = options.seal_key.unwrap_or_else(SealKey::random);
            let setup = RedisSetup {
                names: Names::new(options.key_prefix.clone()),
                seal: Seal::new(&seal_key),
                instance: name,
                shared,
                instances: instances.clone(),
                has_memory: wants_memory,
                lease: redis_lease,
                epoch_store: Arc::clone(&epoch_store),
                coherence: Arc::clone(&coherence),
                counters: Arc::clone(&counters),
                tasks: tasks.clone(),
            };
            RedisTier::new(connector, setup)
        });

        let joining = match (shared, linearizable) {
            (false, _) => Joining::AtAnyAge,
            (true, false) => Joining::Young,
            (true, true) => Joining::NotStarted,
        };
        let (key_spaces, redis_counters) = (Arc::default(), counters);
        let statistics = Statistics { key_spaces, redis_counters, memory: memory.clone(), redis: redis.clone() };
        Cache(Arc::new(CacheState {
            memory,
            redis,
            shared,
            instances,
            write_counters,
            coherence,
            flights: Flights::new(joining),
            refreshes: Flights::new(Joining::AtAnyAge),
            locks: KeyLocks::default(),
            write_strategy: options.write_strategy,
            sample: Sample::default(),
            epoch_store,
            changed_nothing,
            writes: Tasks::default(),
            tasks,
            statistics,
        }))
    }

    /// Connects to Redis in the background, or, in a configuration without Redis, invalidates what some Redis may still
    /// hold from earlier: nobody will tell it of the writes to come.
    ///
    /// # Errors
    /// When the epoch could not be advanced.
    pub async fn start(&self) -> Result<(), Failure> {
        if let Some(instances) = &self.0.instances {
            let beats = beat_without_redis(self.clone(), Arc::clone(instances), self.0.tasks.stopping());
            self.0.tasks.spawn_loop("cache revocations", beats);
        }
        match &self.0.redis {
            Some(redis) => Arc::clone(redis).start(),
            // With each write, if others have one.
            None if self.0.shared => {}
            // Nothing here could be old.
            None if !self.0.has_tiers() => {
                self.0.epoch_store.reconcile("").await?;
            }
            None => {
                let name = format!("none, but the memory of process {:032x}", u128::from_ne_bytes(rng::bytes()));
                self.0.epoch_store.reconcile(&name).await?;
                let watch = watch_for_others(self.clone(), name, self.0.tasks.stopping());
                self.0.tasks.spawn_loop("cache heartbeat", watch);
            }
        }
        Ok(())
    }

    /// Serves no entry any more, until the process ends: lookups load. For a database that was found
    /// not to be the one that was opened. `reason` goes into the log and the health report.
    pub fn end_service(&self, reason: &str) {
        self.0.coherence.end(reason);
        self.0.redis.iter().for_each(|redis| redis.end_service());
    }

    /// Waits for writes and loads under way and closes the connection. `false` when that took longer than `timeout`.
    pub async fn stop(&self, timeout: Duration) -> bool {
        let give_up = Instant::now() + timeout;
        // Writes first: they still need the connection. Not for all of the time: what runs in the background ends in
        // any case, and tells Redis how far the database has come.
        let written = self.0.writes.stop(timeout.mul_f64(FOR_WRITES)).await;
        self.0.tasks.stop(give_up.saturating_duration_since(Instant::now())).await && written
    }

    /// A namespace for entries of one kind, whose keys are no other namespace's. Namespaces of one name are the same
    /// namespace, with TTLs that may differ.
    ///
    /// # Errors
    /// When some key could be one of another namespace as well, or one that the cache itself has in Redis.
    pub fn namespace(&self, options: NamespaceOptions) -> Result<Namespace, NamespaceError> {
        let key_space = self.0.statistics.key_spaces.register(&options)?;
        Ok(Namespace::new(options, key_space))
    }

    /// What finished writes leave.
    pub fn write_strategy(&self) -> WriteStrategy {
        self.0.write_strategy
    }

    /// Whether some tier has a copy that a lookup would be answered with. Costs a round trip to Redis where there is
    /// one and memory has none.
    pub async fn holds(&self, entry: &EntryRef) -> bool {
        self.0.inspect(TierName::Memory, entry).await.is_some()
            || self.0.inspect(TierName::Redis, entry).await.is_some()
    }

    /// What is counted, and what the tiers hold.
    pub fn statistics(&self) -> Statistics {
        self.0.statistics.clone()
    }

    /// Whether Redis takes part just now.
    pub fn redis_state(&self) -> RedisState {
        self.0.redis.as_ref().map_or(RedisState::Off, |redis| redis.state())
    }

    /// How the tiers are. Looks at memory only.
    pub fn condition(&self) -> Condition {
        if let Some(task) = self.0.tasks.ended_early().first() {
            return Condition::TaskDied { task };
        }
        if let Some(reason) = self.0.coherence.ended() {
            return Condition::ServiceEnded { reason: reason.to_owned() };
        }
        match &self.0.redis {
            Some(redis) => redis.condition(),
            None if self.0.memory.is_some() => Condition::InMemory,
            None => Condition::Off,
        }
    }

    /// Deletes the entries whose keys match, where `*` stands for any text and `?` for one character. Returns how many
    /// the tier that held most of them had. For operators: it walks over all keys, in batches. If Redis cannot be
    /// reached, all that it holds is invalidated.
    ///
    /// # Errors
    /// When the epoch could not be advanced in that case; what had been deleted stays deleted.
    pub async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError> {
        // Redis first: what memory copies from it meanwhile goes with the rest.
        let in_redis = match &self.0.redis {
            Some(redis) => Some((redis, redis.delete_matching(pattern).await)),
            None => None,
        };
        let in_memory = match &self.0.memory {
            Some(memory) => memory.delete_matching(pattern).await,
            None => Ok(0),
        };
        match in_redis {
            None => in_memory,
            Some((_, Ok(in_redis))) => Ok(in_memory?.max(in_redis)),
            Some((redis, Err(error))) => {
                tracing::warn!(%error, "entries in Redis are invalidated instead of being deleted");
                let epoch = self.0.epoch_store.advance().await.map_err(|error| DeleteError(error.to_string()))?;
                redis.adopt(epoch);
                in_memory
            }
        }
    }
}

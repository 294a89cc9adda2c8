//! What the cache counts. Each number only grows, and counting a lookup costs one relaxed increment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::key_space::KeySpaces;
use crate::memory::MemoryTier;
use crate::redis::RedisTier;

/// What is counted for each namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A lookup that the memory of this process answered.
    HitL1,
    /// A lookup that Redis answered.
    HitL2,
    /// A lookup that no tier answered.
    Miss,
    /// A lookup that asked memory and got no answer.
    MissL1,
    /// A lookup that asked Redis and got no answer.
    MissL2,
    /// A lookup that waited for the load of another one.
    Coalesced,
    /// A load that found a value.
    LoadOk,
    /// A load that found that there is no such thing.
    LoadAbsent,
    /// A load that failed.
    LoadError,
    /// A value that a tier stored.
    Set,
    /// An entry that a write deleted.
    Delete,
    /// A loaded value that no tier stored, because a write came in between.
    FillRefused,
    /// A value that no tier stored, because it is too large.
    TooLarge,
    /// An entry that a write of this process invalidated.
    InvalidationLocal,
    /// An entry that a write of another process invalidated.
    InvalidationPush,
    /// An entry that was found to be of an old epoch.
    InvalidationEpoch,
    /// An entry that left memory because of its bound.
    Eviction,
    /// An entry that was loaded again before it expired.
    Refresh,
    /// A lookup that an expired entry answered, because its load failed or took too long.
    StaleIfError,
    /// A cached value that the audit compared with the database.
    AuditCheck,
    /// A cached value that the audit found stale.
    AuditStale,
}

const EVENTS: usize = Event::AuditStale as usize + 1;

impl Event {
    /// Whether it is the outcome of a lookup, and not of what was done for one.
    pub(crate) fn is_lookup(self) -> bool {
        use Event::{Coalesced, HitL1, HitL2, Miss, MissL1, MissL2};
        matches!(self, HitL1 | HitL2 | Miss | MissL1 | MissL2 | Coalesced)
    }
}

/// The counters of one namespace. On cache lines of their own: every hit on every core writes here, and must not take
/// away the lines that it reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counters([AtomicU64; EVENTS]);

impl Counters {
    pub(crate) fn add(&self, event: Event, count: u64) {
        self.0[event as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        Counts(std::array::from_fn(|event| self.0[event].load(Ordering::Relaxed)))
    }
}

/// How often each event has occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; EVENTS]);

impl Counts {
    /// How often that event has occurred.
    pub fn get(&self, event: Event) -> u64 {
        self.0[event as usize]
    }

    /// What has occurred since these counts were read.
    pub fn since(&self, earlier: &Counts) -> Counts {
        Counts(std::array::from_fn(|event| self.0[event].saturating_sub(earlier.0[event])))
    }

    /// The sums of both.
    pub fn plus(&self, other: &Counts) -> Counts {
        Counts(std::array::from_fn(|event| self.0[event] + other.0[event]))
    }
}

/// Upper bounds of the buckets of [`Durations`], in microseconds: closest around 1 ms, which a command should not take.
const BUCKETS: [u64; 16] =
    [25, 50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_500, 5_000, 10_000, 25_000, 100_000, 250_000, 1_000_000];

/// The commands of Redis that are timed.
const COMMANDS: [&str; 13] = [
    "lookup",
    "get",
    "get_many",
    "fill",
    "fence",
    "release",
    "generations",
    "void",
    "wait",
    "mark",
    "epoch",
    "scan",
    "unlink",
];

/// A histogram of how long a command took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Durations {
    /// The last one has no upper bound.
    buckets: [u64; BUCKETS.len() + 1],
    /// The sum of all.
    pub total: Duration,
}

impl Durations {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Upper bounds, in their order, each with how many took no longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let within = self.buckets.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BUCKETS.iter().map(|bound| Duration::from_micros(*bound)).zip(within)
    }
}

#[derive(Debug, Default)]
struct AtomicDurations {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl AtomicDurations {
    fn observe(&self, taken: Duration) {
        let bucket = BUCKETS.partition_point(|bound| Duration::from_micros(*bound) < taken);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(taken.as_nanos() as u64, Ordering::Relaxed);
    }

    fn read(&self) -> Durations {
        Durations {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed)),
            total: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

/// What is counted of the work with Redis.
pub(crate) struct RedisCounters {
    /// By operation.
    errors: Mutex<BTreeMap<&'static str, u64>>,
    commands: BTreeMap<&'static str, AtomicDurations>,
}

impl Default for RedisCounters {
    fn default() -> Self {
        RedisCounters {
            // Shown before the first failure, so that there is something to watch.
            errors: Mutex::new(BTreeMap::from([("lookup", 0), ("seal", 0)])),
            commands: COMMANDS.map(|command| (command, AtomicDurations::default())).into(),
        }
    }
}

impl RedisCounters {
    pub(crate) fn count_error(&self, operation: &'static str) {
        *self.errors.lock().entry(operation).or_default() += 1;
    }

    /// Times a command for as long as somebody waits for it: one that ends in a timeout counts as well.
    pub(crate) fn timer(&self, command: &'static str) -> CommandTimer<'_> {
        CommandTimer { durations: self.commands.get(command), begin: Instant::now() }
    }
}

/// Dropped, it counts the time that has passed.
pub(crate) struct CommandTimer<'a> {
    durations: Option<&'a AtomicDurations>,
    begin: Instant,
}

impl Drop for CommandTimer<'_> {
    fn drop(&mut self) {
        self.durations.iter().for_each(|durations| durations.observe(self.begin.elapsed()));
    }
}

/// What the tiers hold now, as opposed to what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierLevels {
    /// Entries in memory.
    pub l1_entries: u64,
    /// Their size in bytes, keys and bookkeeping included.
    pub l1_bytes: u64,
    /// The bound of `l1_bytes`; 0 without a tier in memory.
    pub l1_limit_bytes: u64,
    /// Whether Redis takes part.
    pub l2: RedisState,
    /// What Redis says about its memory. All 0 while it does not take part.
    pub l2_memory: ServerMemory,
}

/// The memory of a Redis server, whoever fills it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerMemory {
    /// Bytes in use.
    pub used_bytes: u64,
    /// `maxmemory`; 0 without a limit.
    pub limit_bytes: u64,
    /// Keys that were evicted because of the limit, since the server started.
    pub evicted_keys: u64,
}

/// Whether Redis takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedisState {
    /// Not configured.
    #[default]
    Off,
    /// Connected, and what it holds is trusted.
    Up,
    /// Unreachable, too slow, or not trusted yet.
    Down,
}

impl RedisState {
    /// `off`, `up` or `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            RedisState::Off => "off",
            RedisState::Up => "up",
            RedisState::Down => "down",
        }
    }
}

/// Reads what a cache has counted, and what it holds. A cheap handle.
#[derive(Clone)]
pub struct Statistics {
    pub(crate) key_spaces: Arc<KeySpaces>,
    pub(crate) redis_counters: Arc<RedisCounters>,
    pub(crate) memory: Option<Arc<MemoryTier>>,
    pub(crate) redis: Option<Arc<RedisTier>>,
}

impl Statistics {
    /// The counts of each namespace, by its name.
    pub fn namespaces(&self) -> BTreeMap<&'static str, Counts> {
        self.key_spaces.counts()
    }

    /// How often each operation in Redis has failed. Requests went on without it.
    pub fn redis_errors(&self) -> BTreeMap<&'static str, u64> {
        self.redis_counters.errors.lock().clone()
    }

    /// How long each command of Redis took; none where there is no Redis.
    pub fn redis_commands(&self) -> impl Iterator<Item = (&'static str, Durations)> {
        let commands = self.redis.iter().flat_map(|_| &self.redis_counters.commands);
        commands.map(|(command, durations)| (*command, durations.read()))
    }

    /// What the tiers hold now. Does the pending work of memory first, so call it for each scrape and no more often.
    pub fn levels(&self) -> TierLevels {
        let mut levels = TierLevels::default();
        self.memory.iter().for_each(|memory| memory.report(&mut levels));
        self.redis.iter().for_each(|redis| redis.report(&mut levels));
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_up_to_the_bounds_of_their_buckets() {
        let durations = AtomicDurations::default();
        for micros in [1, 25, 26, 1_000_000, 1_000_001] {
            durations.observe(Duration::from_micros(micros));
        }
        let read = durations.read();
        let within: Vec<_> = read.cumulative().map(|(bound, count)| (bound.as_micros(), count)).collect();
        assert_eq!((within[0], within[1], within[15]), ((25, 2), (50, 3), (1_000_000, 4)));
        assert_eq!((read.count(), read.total), (5, Duration::from_micros(2_000_053)));
    }

    #[test]
    fn each_command_is_timed_until_its_timer_is_dropped() {
        let counters = RedisCounters::default();
        drop(COMMANDS.map(|command| counters.timer(command)));
        assert!(counters.commands.values().all(|durations| durations.read().count() == 1));
    }
}

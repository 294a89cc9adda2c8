//! The statistics of the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotshelf_cache::{Counts, Event, Statistics};
use parking_lot::Mutex;
use serde::Serialize;

/// What the caches did since the last reset, in the shape of the statistics endpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatsSnapshot {
    /// Lookups answered by a tier.
    pub hits: u64,
    /// Lookups answered by no tier.
    pub misses: u64,
    /// Values stored.
    pub sets: u64,
    /// Entries deleted.
    pub deletes: u64,
    /// Cache operations that failed and were survived.
    pub errors: u64,
    /// `hits / (hits + misses)` to three decimals, 0 when there were none.
    pub hit_rate: f64,
    /// The in-process tier.
    pub l1: L1Snapshot,
    /// Redis.
    pub l2: L2Snapshot,
    /// What the self-audit has found.
    pub audit: AuditSnapshot,
    /// Each cache by its name.
    pub caches: BTreeMap<&'static str, CacheSnapshot>,
}

/// The in-process tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct L1Snapshot {
    /// Lookups it answered.
    pub hits: u64,
    /// Lookups it was asked for and did not answer.
    pub misses: u64,
    /// Entries it holds now.
    pub entries: u64,
    /// Bytes it holds now, keys and bookkeeping included.
    pub bytes: u64,
    /// Entries that left because of its bound.
    pub evictions: u64,
}

/// Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct L2Snapshot {
    /// Lookups it answered.
    pub hits: u64,
    /// Lookups it was asked for and did not answer.
    pub misses: u64,
    /// Whether it takes part: `off`, `up` or `down`.
    pub state: &'static str,
}

/// What the self-audit has found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AuditSnapshot {
    /// Cached values compared with the database.
    pub checks: u64,
    /// Those that were older than it for longer than the bound.
    pub stale: u64,
    /// The share of those that were not: 1 when there was nothing to find.
    pub consistency: f64,
}

/// One named cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CacheSnapshot {
    /// Lookups answered by a tier.
    pub hits: u64,
    /// Lookups answered by no tier.
    pub misses: u64,
}

/// Shows what a cache has counted since the last reset. A cheap handle.
#[derive(Clone)]
pub struct CacheStatistics(Arc<Inner>);

struct Inner {
    engine: Statistics,
    /// What the counters showed at the last reset. They only grow, as those of Prometheus must, so a reset moves this.
    baseline: Mutex<Baseline>,
}

#[derive(Default)]
struct Baseline {
    namespaces: BTreeMap<&'static str, Counts>,
    errors: u64,
}

impl CacheStatistics {
    pub(crate) fn new(engine: Statistics) -> Self {
        CacheStatistics(Arc::new(Inner { engine, baseline: Mutex::default() }))
    }

    /// The statistics since the start or the last reset.
    pub fn snapshot(&self) -> StatsSnapshot {
        let Baseline { mut namespaces, mut errors } = self.counted();
        {
            let baseline = self.0.baseline.lock();
            for (name, counts) in &mut namespaces {
                *counts = counts.since(&baseline.namespaces.get(name).copied().unwrap_or_default());
            }
            errors = errors.saturating_sub(baseline.errors);
        }
        let sum = namespaces.values().fold(Counts::default(), |sum, counts| sum.plus(counts));
        let (levels, CacheSnapshot { hits, misses }) = (self.0.engine.levels(), hits_and_misses(&sum));
        let (checks, stale) = (sum.get(Event::AuditCheck), sum.get(Event::AuditStale));
        StatsSnapshot {
            hits,
            misses,
            sets: sum.get(Event::Set),
            deletes: sum.get(Event::Delete),
            errors,
            hit_rate: rate(hits, misses),
            l1: L1Snapshot {
                hits: sum.get(Event::HitL1),
                misses: sum.get(Event::MissL1),
                entries: levels.l1_entries,
                bytes: levels.l1_bytes,
                evictions: sum.get(Event::Eviction),
            },
            l2: L2Snapshot { hits: sum.get(Event::HitL2), misses: sum.get(Event::MissL2), state: levels.l2.as_str() },
            audit: AuditSnapshot { checks, stale, consistency: consistency(checks, stale) },
            caches: namespaces.iter().map(|(name, counts)| (*name, hits_and_misses(counts))).collect(),
        }
    }

    /// Lets the next snapshot start from 0. The metrics go on growing.
    pub fn reset(&self) {
        *self.0.baseline.lock() = self.counted();
    }

    fn counted(&self) -> Baseline {
        let errors = self.0.engine.redis_errors().values().sum();
        Baseline { namespaces: self.0.engine.namespaces(), errors }
    }
}

fn hits_and_misses(counts: &Counts) -> CacheSnapshot {
    let hits = [Event::HitL1, Event::HitL2, Event::StaleIfError].map(|event| counts.get(event)).iter().sum();
    CacheSnapshot { hits, misses: counts.get(Event::Miss) }
}

fn consistency(checks: u64, stale: u64) -> f64 {
    if checks == 0 { 1.0 } else { 1.0 - stale as f64 / checks as f64 }
}

fn rate(hits: u64, misses: u64) -> f64 {
    let lookups = hits + misses;
    if lookups == 0 { 0.0 } else { (hits as f64 / lookups as f64 * 1_000.0).round() / 1_000.0 }
}

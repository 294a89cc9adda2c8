use std::collections::BTreeMap;

use serde::Serialize;

use crate::cache::{CacheCounters, L2State, TierLevels};

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
    /// Whether it takes part.
    pub state: L2State,
}

/// What the self-audit has found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AuditSnapshot {
    /// Copies compared with the database.
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

/// The counters of one cache at one moment.
#[derive(Clone, Copy, Default)]
struct CacheCounts {
    hits_l1: u64,
    hits_l2: u64,
    misses: u64,
    misses_l1: u64,
    misses_l2: u64,
    sets: u64,
    deletes: u64,
    evictions: u64,
    stale_if_error: u64,
    audit_checks: u64,
    audit_stale: u64,
}

/// All counters at one moment.
#[derive(Default)]
pub(crate) struct Counts {
    caches: BTreeMap<&'static str, CacheCounts>,
    errors: u64,
}

impl Counts {
    pub(crate) fn read(caches: &BTreeMap<&'static str, CacheCounters>, errors: u64) -> Self {
        let read = |counters: &CacheCounters| CacheCounts {
            hits_l1: counters.hits_l1.get(),
            hits_l2: counters.hits_l2.get(),
            misses: counters.misses.get(),
            misses_l1: counters.misses_l1.get(),
            misses_l2: counters.misses_l2.get(),
            sets: counters.sets.get(),
            deletes: counters.deletes.get(),
            evictions: counters.evictions.get(),
            stale_if_error: counters.stale_if_error.get(),
            audit_checks: counters.audit_checks.get(),
            audit_stale: counters.audit_stale.get(),
        };
        Counts { caches: caches.iter().map(|(name, counters)| (*name, read(counters))).collect(), errors }
    }

    pub(crate) fn since(mut self, baseline: &Counts) -> Self {
        for (name, counts) in &mut self.caches {
            *counts = counts.combine(baseline.caches.get(name).copied().unwrap_or_default(), u64::saturating_sub);
        }
        self.errors = self.errors.saturating_sub(baseline.errors);
        self
    }

    pub(crate) fn into_snapshot(self, levels: TierLevels) -> StatsSnapshot {
        let sum =
            self.caches.values().fold(CacheCounts::default(), |sum, counts| sum.combine(*counts, u64::saturating_add));
        let hits = sum.hits();
        StatsSnapshot {
            hits,
            misses: sum.misses,
            sets: sum.sets,
            deletes: sum.deletes,
            errors: self.errors,
            hit_rate: rate(hits, sum.misses),
            l1: L1Snapshot {
                hits: sum.hits_l1,
                misses: sum.misses_l1,
                entries: levels.l1_entries,
                bytes: levels.l1_bytes,
                evictions: sum.evictions,
            },
            l2: L2Snapshot { hits: sum.hits_l2, misses: sum.misses_l2, state: levels.l2 },
            audit: AuditSnapshot {
                checks: sum.audit_checks,
                stale: sum.audit_stale,
                consistency: consistency(sum.audit_checks, sum.audit_stale),
            },
            caches: self.caches.iter().map(|(name, counts)| (*name, counts.snapshot())).collect(),
        }
    }
}

impl CacheCounts {
    fn combine(self, other: CacheCounts, with: impl Fn(u64, u64) -> u64) -> CacheCounts {
        CacheCounts {
            hits_l1: with(self.hits_l1, other.hits_l1),
            hits_l2: with(self.hits_l2, other.hits_l2),
            misses: with(self.misses, other.misses),
            misses_l1: with(self.misses_l1, other.misses_l1),
            misses_l2: with(self.misses_l2, other.misses_l2),
            sets: with(self.sets, other.sets),
            deletes: with(self.deletes, other.deletes),
            evictions: with(self.evictions, other.evictions),
            stale_if_error: with(self.stale_if_error, other.stale_if_error),
            audit_checks: with(self.audit_checks, other.audit_checks),
            audit_stale: with(self.audit_stale, other.audit_stale),
        }
    }

    fn hits(&self) -> u64 {
        self.hits_l1 + self.hits_l2 + self.stale_if_error
    }

    fn snapshot(&self) -> CacheSnapshot {
        CacheSnapshot { hits: self.hits(), misses: self.misses }
    }
}

fn consistency(checks: u64, stale: u64) -> f64 {
    if checks == 0 { 1.0 } else { 1.0 - stale as f64 / checks as f64 }
}

fn rate(hits: u64, misses: u64) -> f64 {
    let lookups = hits + misses;
    if lookups == 0 { 0.0 } else { (hits as f64 / lookups as f64 * 1_000.0).round() / 1_000.0 }
}

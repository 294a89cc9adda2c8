use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::metrics::MetricsError;

/// The counters of one named cache. Every field is an atomic that only grows; incrementing is the whole interface.
#[derive(Clone, Debug)]
pub struct CacheCounters {
    /// Lookups answered from this process' memory.
    pub hits_l1: IntCounter,
    /// Lookups answered by Redis.
    pub hits_l2: IntCounter,
    /// Lookups answered by no tier.
    pub misses: IntCounter,
    /// Lookups that memory was asked for and did not answer.
    pub misses_l1: IntCounter,
    /// Lookups that Redis was asked for and did not answer.
    pub misses_l2: IntCounter,
    /// Loads that found a value in the database.
    pub loads_ok: IntCounter,
    /// Loads that found that there is no such thing.
    pub loads_absent: IntCounter,
    /// Loads that failed.
    pub loads_error: IntCounter,
    /// Lookups that waited for the load of another.
    pub coalesced: IntCounter,
    /// Values stored, in whichever tiers.
    pub sets: IntCounter,
    /// Entries deleted, by a write or by an operator.
    pub deletes: IntCounter,
    /// Loaded values that were kept nowhere because a write came in between.
    pub fills_refused: IntCounter,
    /// Values that were kept nowhere because they are too large.
    pub too_large: IntCounter,
    /// Entries invalidated by a write of this process.
    pub invalidations_local: IntCounter,
    /// Entries invalidated because another process has written them.
    pub invalidations_push: IntCounter,
    /// Entries found void because the epoch had advanced.
    pub invalidations_epoch: IntCounter,
    /// Entries that left memory because of its bound.
    pub evictions: IntCounter,
    /// Entries loaded again ahead of the end of their lives.
    pub refreshes: IntCounter,
    /// Lookups answered by an entry past its life, because the load had failed.
    pub stale_if_error: IntCounter,
    /// Copies compared with the database by the self-audit.
    pub audit_checks: IntCounter,
    /// Copies that the self-audit found older than the database for longer than the bound.
    pub audit_stale: IntCounter,
}

impl CacheCounters {
    /// The same, except that hits and misses are shown nowhere.
    pub fn without_lookups(&self) -> Self {
        let unseen = || IntCounter::new("unseen", "unseen").unwrap_or_else(|_| self.misses.clone());
        CacheCounters {
            hits_l1: unseen(),
            hits_l2: unseen(),
            misses: unseen(),
            misses_l1: unseen(),
            misses_l2: unseen(),
            coalesced: unseen(),
            ..self.clone()
        }
    }
}

/// What the tiers hold right now, as opposed to what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierLevels {
    /// Entries in memory.
    pub l1_entries: u64,
    /// Their size in bytes, keys and bookkeeping included.
    pub l1_bytes: u64,
    /// What that may be at most, 0 without a tier in memory.
    pub l1_limit_bytes: u64,
    /// Whether Redis is trusted.
    pub l2: L2State,
    /// What Redis says about its memory. All 0 while it is not trusted.
    pub l2_memory: ServerMemory,
}

/// The memory of a Redis server, whoever fills it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerMemory {
    /// Bytes in use.
    pub used_bytes: u64,
    /// `maxmemory`, 0 when it has no limit.
    pub limit_bytes: u64,
    /// Keys that have left because of the limit, since the server started.
    pub evicted_keys: u64,
}

/// Whether the second tier takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum L2State {
    /// Not configured.
    #[default]
    Off,
    /// Connected, and what it holds is trusted.
    Up,
    /// Unreachable, too slow, or not trusted yet.
    Down,
}

/// Implemented by the cache: tells the levels when somebody looks.
pub trait TierGauges: Send + Sync {
    /// The levels now. Called for each snapshot and each scrape.
    fn levels(&self) -> TierLevels;
}

/// The labelled families from which [`CacheCounters`] are made.
pub(crate) struct CacheFamilies {
    hits: IntCounterVec,
    misses: IntCounterVec,
    tier_misses: IntCounterVec,
    loads: IntCounterVec,
    coalesced: IntCounterVec,
    sets: IntCounterVec,
    deletes: IntCounterVec,
    fills_refused: IntCounterVec,
    too_large: IntCounterVec,
    invalidations: IntCounterVec,
    evictions: IntCounterVec,
    refreshes: IntCounterVec,
    stale_if_error: IntCounterVec,
    audit_checks: IntCounterVec,
    audit_stale: IntCounterVec,
    pub(crate) errors: IntCounterVec,
}

pub(crate) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, MetricsError> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

impl CacheFamilies {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let family = |name, help, labels: &[&str]| counters(registry, name, help, labels);
        let errors =
            family("cache_errors_total", "Cache operations that failed and were survived", &["tier", "operation"])?;
        // A family shows from its first series on; a dashboard should not have to wait for the first failure.
        errors.with_label_values(&["l2", "lookup"]);
        Ok(CacheFamilies {
            errors,
            hits: family("cache_hits_total", "Lookups answered by that tier", &["type", "tier"])?,
            misses: family("cache_misses_total", "Lookups answered by no tier", &["type"])?,
            tier_misses: family("cache_tier_misses_total", "Lookups that tier did not answer", &["type", "tier"])?,
            loads: family("cache_loads_total", "Loads that went to the database", &["type", "outcome"])?,
            coalesced: family("cache_coalesced_total", "Lookups that waited for another's load", &["type"])?,
            sets: family("cache_sets_total", "Values stored", &["type"])?,
            deletes: family("cache_deletes_total", "Entries deleted", &["type"])?,
            fills_refused: family("cache_fills_refused_total", "Fills a write came in between", &["type"])?,
            too_large: family("cache_too_large_total", "Values too large to be kept", &["type"])?,
            invalidations: family("cache_invalidations_total", "Entries invalidated", &["type", "source"])?,
            evictions: family("cache_evictions_total", "Entries evicted from memory", &["type"])?,
            refreshes: family("cache_refreshes_total", "Entries loaded again ahead of their end", &["type"])?,
            stale_if_error: family("cache_stale_if_error_total", "Lookups answered past the end of a life", &["type"])?,
            audit_checks: family("cache_audit_checks_total", "Copies compared with the database", &["type"])?,
            audit_stale: family("cache_audit_stale_total", "Copies found older than the bound", &["type"])?,
        })
    }

    pub(crate) fn counters_of(&self, cache: &str) -> CacheCounters {
        let invalidated = |source| self.invalidations.with_label_values(&[cache, source]);
        let loaded = |outcome| self.loads.with_label_values(&[cache, outcome]);
        CacheCounters {
            hits_l1: self.hits.with_label_values(&[cache, "l1"]),
            hits_l2: self.hits.with_label_values(&[cache, "l2"]),
            misses: self.misses.with_label_values(&[cache]),
            misses_l1: self.tier_misses.with_label_values(&[cache, "l1"]),
            misses_l2: self.tier_misses.with_label_values(&[cache, "l2"]),
            loads_ok: loaded("ok"),
            loads_absent: loaded("absent"),
            loads_error: loaded("error"),
            coalesced: self.coalesced.with_label_values(&[cache]),
            sets: self.sets.with_label_values(&[cache]),
            deletes: self.deletes.with_label_values(&[cache]),
            fills_refused: self.fills_refused.with_label_values(&[cache]),
            too_large: self.too_large.with_label_values(&[cache]),
            invalidations_local: invalidated("local"),
            invalidations_push: invalidated("push"),
            invalidations_epoch: invalidated("epoch"),
            evictions: self.evictions.with_label_values(&[cache]),
            refreshes: self.refreshes.with_label_values(&[cache]),
            stale_if_error: self.stale_if_error.with_label_values(&[cache]),
            audit_checks: self.audit_checks.with_label_values(&[cache]),
            audit_stale: self.audit_stale.with_label_values(&[cache]),
        }
    }
}

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use prometheus::{Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntGauge, Registry, TextEncoder};

use crate::cache::{CacheCounters, CacheFamilies, L2State, TierGauges, TierLevels};
use crate::http::{BUCKETS, HttpMetrics};
use crate::snapshot::{Counts, StatsSnapshot};
use crate::warming::WarmCounters;

/// A metric could not be registered or written: two of the same name, or a label that does not fit.
pub type MetricsError = prometheus::Error;

/// All that is counted. A cheap handle; clones count together.
#[derive(Clone)]
pub struct Stats(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: CacheFamilies,
    caches: Mutex<BTreeMap<&'static str, CacheCounters>>,
    /// What the counters showed at the last reset. Prometheus counters must only grow, so a reset moves this
    /// instead of them.
    baseline: Mutex<Counts>,
    http: HttpMetrics,
    db_queries: HistogramVec,
    warming: WarmCounters,
    l1_entries: IntGauge,
    l1_bytes: IntGauge,
    l2_up: IntGauge,
    gauges: OnceLock<Arc<dyn TierGauges>>,
}

impl Stats {
    /// A registry of its own with every family in it.
    ///
    /// # Errors
    /// Never for the families of this crate; the signature is that of the library underneath.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, MetricsError>(gauge)
        };
        let l1_entries = gauge("cache_l1_entries", "Entries in the in-process tier")?;
        let l1_bytes = gauge("cache_l1_bytes", "Bytes in the in-process tier")?;
        let l2_up = gauge("cache_l2_up", "1 while Redis is trusted, else 0")?;
        let options = HistogramOpts::new("db_query_duration_seconds", "Time of a database operation");
        let db_queries = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["operation"])?;
        registry.register(Box::new(db_queries.clone()))?;
        Ok(Stats(Arc::new(Inner {
            families: CacheFamilies::register(&registry)?,
            http: HttpMetrics::register(&registry)?,
            warming: WarmCounters::register(&registry)?,
            registry,
            caches: Mutex::default(),
            baseline: Mutex::default(),
            db_queries,
            l1_entries,
            l1_bytes,
            l2_up,
            gauges: OnceLock::new(),
        })))
    }

    /// The counters of the cache called `name`, the same ones each time.
    pub fn cache(&self, name: &'static str) -> CacheCounters {
        let mut caches = self.0.caches.lock();
        caches.entry(name).or_insert_with(|| self.0.families.counters_of(name)).clone()
    }

    /// Counts the failures of one operation of one tier (`l1`, `l2`).
    pub fn cache_errors(&self, tier: &str, operation: &str) -> IntCounter {
        self.0.families.errors.with_label_values(&[tier, operation])
    }

    /// The metrics of the HTTP server.
    pub fn http(&self) -> HttpMetrics {
        self.0.http.clone()
    }

    /// The duration, in seconds, of one kind of database operation.
    pub fn db_query(&self, operation: &str) -> Histogram {
        self.0.db_queries.with_label_values(&[operation])
    }

    /// The counters of the warming.
    pub fn warming(&self) -> WarmCounters {
        self.0.warming.clone()
    }

    /// Whether Redis takes part just now.
    pub fn l2(&self) -> L2State {
        self.levels().l2
    }

    /// Names the source of the tiers' levels. The first one named stays.
    pub fn watch_tiers(&self, gauges: Arc<dyn TierGauges>) {
        let _ = self.0.gauges.set(gauges);
    }

    /// The cache statistics since the start or the last reset.
    pub fn snapshot(&self) -> StatsSnapshot {
        self.counts().since(&self.0.baseline.lock()).into_snapshot(self.levels())
    }

    /// Lets the next snapshot start from 0. What [`prometheus`](Stats::prometheus) shows goes on growing.
    pub fn reset(&self) {
        *self.0.baseline.lock() = self.counts();
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// When the encoder refuses a family, which would be a defect of this crate.
    pub fn prometheus(&self) -> Result<String, MetricsError> {
        let levels = self.levels();
        self.0.l1_entries.set(levels.l1_entries.try_into().unwrap_or(i64::MAX));
        self.0.l1_bytes.set(levels.l1_bytes.try_into().unwrap_or(i64::MAX));
        self.0.l2_up.set(i64::from(levels.l2 == L2State::Up));
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.0.registry.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    fn levels(&self) -> TierLevels {
        self.0.gauges.get().map(|gauges| gauges.levels()).unwrap_or_default()
    }

    fn counts(&self) -> Counts {
        let caches = self.0.caches.lock();
        let errors = prometheus::core::Collector::collect(&self.0.families.errors);
        let errors =
            errors.iter().flat_map(|family| family.get_metric()).map(|metric| metric.get_counter().get_value() as u64);
        Counts::read(&caches, errors.sum())
    }
}

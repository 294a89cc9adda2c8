use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, TextEncoder,
};

use crate::access::AccessMetrics;
use crate::cache::{CacheCounters, CacheFamilies, L2State, TierGauges, TierLevels, counters};
use crate::http::{BUCKETS, HttpMetrics};
use crate::levels::{LevelGauges, signed};
use crate::process::register_process;
use crate::snapshot::{Counts, StatsSnapshot};
use crate::warming::WarmCounters;

/// A metric could not be registered or written: two of the same name, or a label that does not fit.
pub type MetricsError = prometheus::Error;

/// 25 µs to 1 s, closest around 1 ms, which a command should not take.
const REDIS_BUCKETS: [f64; 16] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.000_75, 0.001, 0.001_5, 0.002_5, 0.005, 0.01, 0.025,
    0.1, 0.25, 1.0,
];

/// All that is counted. A cheap handle; clones count together.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    registry: prometheus::Registry,
    families: CacheFamilies,
    caches: Mutex<BTreeMap<&'static str, CacheCounters>>,
    /// What the counters showed at the last reset. Prometheus counters must only grow, so a reset moves this
    /// instead of them.
    baseline: Mutex<Counts>,
    http: HttpMetrics,
    access: AccessMetrics,
    db_queries: HistogramVec,
    db_errors: IntCounterVec,
    db_reads_refused: IntCounterVec,
    redis_commands: HistogramVec,
    warming: WarmCounters,
    levels: LevelGauges,
    tiers: OnceLock<Arc<dyn TierGauges>>,
    watched: Mutex<Vec<Watched>>,
}

/// A gauge and where its value comes from.
struct Watched {
    gauge: IntGauge,
    read: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Registry {
    /// A registry of its own with every family in it.
    ///
    /// # Errors
    /// Never for the families of this crate; the signature is that of the library underneath.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = prometheus::Registry::new();
        let options = HistogramOpts::new("db_query_duration_seconds", "Time of a database operation");
        let db_queries = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["operation"])?;
        registry.register(Box::new(db_queries.clone()))?;
        let db_errors = counters(&registry, "db_errors_total", "Database operations that failed", &["operation"])?;
        let help = "Reads that the database did not finish, because of other reads or their own length";
        let db_reads_refused = counters(&registry, "db_reads_refused_total", help, &["lane", "reason"])?;
        let options = HistogramOpts::new("cache_redis_command_duration_seconds", "Time of a Redis command")
            .buckets(REDIS_BUCKETS.to_vec());
        let redis_commands = HistogramVec::new(options, &["command"])?;
        registry.register(Box::new(redis_commands.clone()))?;
        register_process(&registry)?;
        Ok(Registry(Arc::new(Inner {
            families: CacheFamilies::register(&registry)?,
            http: HttpMetrics::register(&registry)?,
            access: AccessMetrics::register(&registry)?,
            warming: WarmCounters::register(&registry)?,
            levels: LevelGauges::register(&registry)?,
            registry,
            caches: Mutex::default(),
            baseline: Mutex::default(),
            db_queries,
            db_errors,
            db_reads_refused,
            redis_commands,
            tiers: OnceLock::new(),
            watched: Mutex::default(),
        })))
    }

    /// Registers a counter.
    ///
    /// # Errors
    /// When there is another metric of that name.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
        let counter = IntCounter::new(name, help)?;
        self.0.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    /// Registers a family of counters that these labels tell apart.
    ///
    /// # Errors
    /// When there is another metric of that name.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, MetricsError> {
        counters(&self.0.registry, name, help, labels)
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

    /// The metrics of logins and sessions.
    pub fn access(&self) -> AccessMetrics {
        self.0.access.clone()
    }

    /// The duration, in seconds, of one kind of database operation.
    pub fn db_query(&self, operation: &str) -> Histogram {
        self.0.db_queries.with_label_values(&[operation])
    }

    /// Counts the failures of one kind of database operation.
    pub fn db_errors(&self, operation: &str) -> IntCounter {
        self.0.db_errors.with_label_values(&[operation])
    }

    /// Counts the reads of one lane of the database that were not finished, by the reason.
    pub fn db_reads_refused(&self, lane: &str, reason: &str) -> IntCounter {
        self.0.db_reads_refused.with_label_values(&[lane, reason])
    }

    /// The duration, in seconds, of one kind of Redis command.
    pub fn redis_command(&self, command: &str) -> Histogram {
        self.0.redis_commands.with_label_values(&[command])
    }

    /// Shows what `read` returns, at each scrape, as a gauge of that name with these labels; others of the name have
    /// the same labels with other values. `read` must be quick. The first one named stays.
    pub fn watch_gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        let gauge = IntGauge::with_opts(Opts::new(name, help).const_labels(labels.collect()));
        let registered = gauge.and_then(|gauge| {
            self.0.registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        });
        if let Ok(gauge) = registered {
            self.0.watched.lock().push(Watched { gauge, read: Box::new(read) });
        }
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
        let _ = self.0.tiers.set(gauges);
    }

    /// The cache statistics since the start or the last reset.
    pub fn snapshot(&self) -> StatsSnapshot {
        self.counts().since(&self.0.baseline.lock()).into_snapshot(self.levels())
    }

    /// Lets the next snapshot start from 0. What [`page`](Registry::page) shows goes on growing.
    pub fn reset(&self) {
        *self.0.baseline.lock() = self.counts();
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// When the encoder refuses a family, which would be a defect of this crate.
    pub fn page(&self) -> Result<String, MetricsError> {
        self.0.levels.set(&self.levels());
        for Watched { gauge, read } in &*self.0.watched.lock() {
            gauge.set(signed(read()));
        }
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.0.registry.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    fn levels(&self) -> TierLevels {
        self.0.tiers.get().map(|gauges| gauges.levels()).unwrap_or_default()
    }

    fn counts(&self) -> Counts {
        let caches = self.0.caches.lock();
        let errors = prometheus::core::Collector::collect(&self.0.families.errors);
        let errors =
            errors.iter().flat_map(|family| family.get_metric()).map(|metric| metric.get_counter().get_value() as u64);
        Counts::read(&caches, errors.sum())
    }
}

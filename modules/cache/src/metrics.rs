//! What the engine counts, as families of Prometheus.

use hotshelf_cache::Event::*;
use hotshelf_cache::{Durations, Event, RedisState, Statistics};
use hotshelf_stats::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use hotshelf_stats::{Collector, Desc};

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

/// What is counted in one family, told apart by a label that comes before `type`.
type Events = &'static [(Event, Option<Label<'static>>)];

/// The families that each namespace has series in: the name, the help text, and the events.
const OF_NAMESPACES: [(&str, &str, Events); 15] = [
    (
        "cache_hits_total",
        "Lookups answered by that tier",
        &[(HitL1, Some(("tier", "l1"))), (HitL2, Some(("tier", "l2")))],
    ),
    ("cache_misses_total", "Lookups answered by no tier", &[(Miss, None)]),
    (
        "cache_tier_misses_total",
        "Lookups that tier did not answer",
        &[(MissL1, Some(("tier", "l1"))), (MissL2, Some(("tier", "l2")))],
    ),
    (
        "cache_loads_total",
        "Loads that went to the database",
        &[
            (LoadOk, Some(("outcome", "ok"))),
            (LoadAbsent, Some(("outcome", "absent"))),
            (LoadError, Some(("outcome", "error"))),
        ],
    ),
    ("cache_coalesced_total", "Lookups that waited for another's load", &[(Coalesced, None)]),
    ("cache_sets_total", "Values stored", &[(Set, None)]),
    ("cache_deletes_total", "Entries deleted", &[(Delete, None)]),
    ("cache_fills_refused_total", "Fills a write came in between", &[(FillRefused, None)]),
    ("cache_too_large_total", "Values too large to be kept", &[(TooLarge, None)]),
    (
        "cache_invalidations_total",
        "Entries invalidated",
        &[
            (InvalidationLocal, Some(("source", "local"))),
            (InvalidationPush, Some(("source", "push"))),
            (InvalidationEpoch, Some(("source", "epoch"))),
        ],
    ),
    ("cache_evictions_total", "Entries evicted from memory", &[(Eviction, None)]),
    ("cache_refreshes_total", "Entries loaded again before they expired", &[(Refresh, None)]),
    ("cache_stale_if_error_total", "Lookups answered by expired entries within their grace", &[(StaleIfError, None)]),
    ("cache_audit_checks_total", "Cached values compared with the database", &[(AuditCheck, None)]),
    ("cache_audit_stale_total", "Cached values found older than the bound", &[(AuditStale, None)]),
];

/// Makes the metrics of a cache at each scrape.
pub(crate) struct CacheCollector(pub(crate) Statistics);

impl Collector for CacheCollector {
    /// None: which series there are is not known beforehand.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // First: it also lets memory evict what it has to, which the namespaces count.
        let levels = self.levels();
        let mut families = self.of_namespaces();
        let errors = self.0.redis_errors();
        let errors = errors.iter().map(|(name, count)| counter(&[("operation", *name), ("tier", "l2")], *count));
        let help = "Cache operations that failed and were survived";
        families.push(family("cache_errors_total", help, MetricType::COUNTER, errors.collect()));
        let commands = self.0.redis_commands().map(|(name, durations)| histogram(&[("command", name)], durations));
        let name = "cache_redis_command_duration_seconds";
        families.push(family(name, "Time of a Redis command", MetricType::HISTOGRAM, commands.collect()));
        families.extend(levels);
        families
    }
}

impl CacheCollector {
    fn of_namespaces(&self) -> Vec<MetricFamily> {
        let namespaces = self.0.namespaces();
        let of_namespaces = OF_NAMESPACES.iter().map(|(name, help, events)| {
            let series = namespaces.iter().flat_map(|(namespace, counts)| {
                events.iter().map(|(event, label)| {
                    let labels: Vec<Label> = label.iter().copied().chain([("type", *namespace)]).collect();
                    counter(&labels, counts.get(*event))
                })
            });
            family(name, help, MetricType::COUNTER, series.collect())
        });
        of_namespaces.collect()
    }

    fn levels(&self) -> impl Iterator<Item = MetricFamily> {
        let levels = self.0.levels();
        let (up, configured) = (levels.l2 == RedisState::Up, levels.l2 != RedisState::Off);
        let gauges = [
            ("cache_l1_entries", "Entries in the in-process tier", levels.l1_entries),
            ("cache_l1_bytes", "Bytes in the in-process tier", levels.l1_bytes),
            ("cache_l1_limit_bytes", "Bytes that the in-process tier may hold", levels.l1_limit_bytes),
            ("cache_l2_up", "1 while Redis is trusted, else 0", u64::from(up)),
            ("cache_l2_configured", "1 when the configuration has Redis, else 0", u64::from(configured)),
            ("cache_l2_bytes", "Memory in use by Redis, whoever fills it", levels.l2_memory.used_bytes),
            ("cache_l2_limit_bytes", "maxmemory of Redis, 0 without a limit", levels.l2_memory.limit_bytes),
            ("cache_l2_evicted_keys", "Keys evicted by Redis since it started", levels.l2_memory.evicted_keys),
        ];
        gauges.into_iter().map(|(name, help, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value as f64);
            family(name, help, MetricType::GAUGE, vec![Metric::from_gauge(gauge)])
        })
    }
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// `labels` are sorted by their names, as those of the library are.
fn labelled(labels: &[Label]) -> Metric {
    let pair = |(name, value): &Label| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

fn counter(labels: &[Label], value: u64) -> Metric {
    let (mut metric, mut counter) = (labelled(labels), Counter::default());
    counter.set_value(value as f64);
    metric.set_counter(counter);
    metric
}

fn histogram(labels: &[Label], durations: Durations) -> Metric {
    let (mut metric, mut histogram) = (labelled(labels), Histogram::default());
    let bucket = |(bound, count): (std::time::Duration, u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(count);
        bucket
    };
    histogram.set_bucket(durations.cumulative().map(bucket).collect());
    histogram.set_sample_count(durations.count());
    histogram.set_sample_sum(durations.total.as_secs_f64());
    metric.set_histogram(histogram);
    metric
}

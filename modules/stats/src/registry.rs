use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, TextEncoder};

/// A metric could not be registered or written: two of the same name, or a label that does not fit.
pub type MetricsError = prometheus::Error;

/// 50 µs to 10 s, roughly two steps to each doubling of what a person would notice.
const LATENCY_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of a process. A cheap handle.
///
/// Each method that registers a metric fails when there is another one of that name.
#[derive(Clone)]
pub struct Registry(prometheus::Registry);

/// A gauge and where its value comes from.
struct Watched<F> {
    gauge: IntGauge,
    read: F,
}

impl<F: Fn() -> u64 + Send + Sync> Collector for Watched<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set(i64::try_from((self.read)()).unwrap_or(i64::MAX));
        self.gauge.collect()
    }
}

/// Labels that change, on a gauge that is always 1.
struct Info<F> {
    /// Its name and help. The values of the labels are not known beforehand.
    desc: Desc,
    read: F,
}

impl<F: Fn() -> Vec<(&'static str, String)> + Send + Sync> Collector for Info<F> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let labels = (self.read)().into_iter().map(|(label, value)| (label.to_owned(), value));
        let gauge = IntGauge::with_opts(Opts::new(&self.desc.fq_name, &self.desc.help).const_labels(labels.collect()));
        gauge
            .map(|gauge| {
                gauge.set(1);
                gauge.collect()
            })
            .unwrap_or_default()
    }
}

impl Registry {
    /// With what the system knows about the process (CPU time, memory, open files), and which release it is.
    ///
    /// # Errors
    /// Never for these metrics; the signature is that of the library underneath.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry(prometheus::Registry::new());
        #[cfg(target_os = "linux")]
        crate::process::register(&registry)?;
        let options = Opts::new("hotshelf_build_info", "Always 1; the release is the label");
        let release = IntGauge::with_opts(options.const_label("version", env!("CARGO_PKG_VERSION")))?;
        registry.registered(release)?.set(1);
        Ok(registry)
    }

    /// Registers a counter.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
        self.registered(IntCounter::new(name, help)?)
    }

    /// Registers a family of counters that these labels tell apart.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, MetricsError> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// Registers a gauge.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, MetricsError> {
        self.registered(IntGauge::new(name, help)?)
    }

    /// Registers a family of histograms, of seconds from 50 µs to 10 s, that these labels tell apart.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn latencies(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
        self.registered(HistogramVec::new(options, labels)?)
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
        let _ = gauge.and_then(|gauge| self.collector(Watched { gauge, read }));
    }

    /// Shows what `read` returns, at each scrape, as the labels of a gauge of that name, whose value is always 1. `read`
    /// must be quick.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn watch_info(
        &self,
        name: &str,
        help: &str,
        read: impl Fn() -> Vec<(&'static str, String)> + Send + Sync + 'static,
    ) -> Result<(), MetricsError> {
        let desc = Desc::new(name.to_owned(), help.to_owned(), Vec::new(), HashMap::new())?;
        self.collector(Info { desc, read })
    }

    /// Registers what makes its metrics at each scrape.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn collector(&self, collector: impl Collector + 'static) -> Result<(), MetricsError> {
        self.0.register(Box::new(collector))
    }

    /// All metrics in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// When the encoder refuses a family, which would be a defect of whoever registered it.
    pub fn page(&self) -> Result<String, MetricsError> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }

    fn registered<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, MetricsError> {
        self.collector(metric.clone())?;
        Ok(metric)
    }
}

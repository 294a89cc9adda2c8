use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Registry};

use crate::cache::counters;
use crate::metrics::MetricsError;

/// 50 µs to 10 s, roughly two steps to each doubling of what a person would notice.
pub(crate) const BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counts and times HTTP requests. A cheap handle.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let labels = ["method", "route", "status"];
        let requests = counters(registry, "http_requests_total", "Requests answered", &labels)?;
        let options = HistogramOpts::new("http_request_duration_seconds", "Time from request to response")
            .buckets(BUCKETS.to_vec());
        let durations = HistogramVec::new(options, &labels)?;
        registry.register(Box::new(durations.clone()))?;
        Ok(HttpMetrics { requests, durations })
    }

    /// The series of one route and status, for requests too quick to look it up each time.
    pub fn series(&self, method: &str, route: &str, status: &str) -> HttpSeries {
        let labels = [method, route, status];
        let requests = self.requests.with_label_values(&labels);
        HttpSeries { requests, durations: self.durations.with_label_values(&labels) }
    }

    /// Records one answered request. `route` is the pattern (`/products/{id}`), never the path, so that the number of
    /// series stays bounded.
    pub fn record(&self, method: &str, route: &str, status: &str, taken: Duration) {
        self.series(method, route, status).record(taken);
    }
}

/// Counts and times the requests of one method, route and status.
#[derive(Clone)]
pub struct HttpSeries {
    requests: IntCounter,
    durations: Histogram,
}

impl HttpSeries {
    /// Records one answered request.
    pub fn record(&self, taken: Duration) {
        self.requests.inc();
        self.durations.observe(taken.as_secs_f64());
    }
}

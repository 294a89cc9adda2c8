//! The metrics of the HTTP server.

use std::time::Duration;

use hotshelf_stats::{Histogram, HistogramVec, IntCounter, IntCounterVec, MetricsError, Registry};

/// Counts and times HTTP requests. A cheap handle.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl HttpMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let labels = ["method", "route", "status"];
        Ok(HttpMetrics {
            requests: registry.counters("http_requests_total", "Requests answered", &labels)?,
            durations: registry.latencies("http_request_duration_seconds", "Time from request to response", &labels)?,
        })
    }

    /// The series of one route and status, for requests too quick to look it up each time.
    pub(crate) fn series(&self, method: &str, route: &str, status: &str) -> HttpSeries {
        let labels = [method, route, status];
        let requests = self.requests.with_label_values(&labels);
        HttpSeries { requests, durations: self.durations.with_label_values(&labels) }
    }

    /// Records one answered request. `route` is the pattern (`/products/{id}`), never the path, so that the number of
    /// series stays bounded.
    pub(crate) fn record(&self, method: &str, route: &str, status: &str, taken: Duration) {
        self.series(method, route, status).record(taken);
    }
}

/// Counts and times the requests of one method, route and status.
#[derive(Clone)]
pub(crate) struct HttpSeries {
    requests: IntCounter,
    durations: Histogram,
}

impl HttpSeries {
    /// Records one answered request.
    pub(crate) fn record(&self, taken: Duration) {
        self.requests.inc();
        self.durations.observe(taken.as_secs_f64());
    }
}

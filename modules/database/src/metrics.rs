use std::sync::Arc;

use hotshelf_stats::{Histogram, HistogramVec, IntCounter, IntCounterVec, MetricsError, Registry};

use crate::backend::Backend;

/// Counts and times what the database is asked for.
pub(crate) struct DatabaseMetrics {
    /// For the gauges of the lanes.
    pub(crate) registry: Registry,
    /// The database, by the names of OpenTelemetry.
    pub(crate) system: &'static str,
    queries: HistogramVec,
    errors: IntCounterVec,
    reads_refused: IntCounterVec,
}

impl DatabaseMetrics {
    pub(crate) fn register(registry: &Registry, system: &'static str) -> Result<Self, MetricsError> {
        let refused = "Reads that the database did not finish, because of other reads or their own length";
        Ok(DatabaseMetrics {
            registry: registry.clone(),
            system,
            queries: registry.latencies("db_query_duration_seconds", "Time of a database operation", &["operation"])?,
            errors: registry.counters("db_errors_total", "Database operations that failed", &["operation"])?,
            reads_refused: registry.counters("db_reads_refused_total", refused, &["lane", "reason"])?,
        })
    }

    /// The duration of one kind of operation.
    pub(crate) fn queries(&self, operation: &str) -> Histogram {
        self.queries.with_label_values(&[operation])
    }

    /// Counts the failures of one kind of operation.
    pub(crate) fn errors(&self, operation: &str) -> IntCounter {
        self.errors.with_label_values(&[operation])
    }

    /// Counts the reads of one lane that were not finished, by the reason.
    pub(crate) fn reads_refused(&self, lane: &str, reason: &str) -> IntCounter {
        self.reads_refused.with_label_values(&[lane, reason])
    }

    /// Shows which database this is, and in which history. Fails when that is shown already.
    pub(crate) fn watch_database(&self, backend: Arc<dyn Backend>) -> Result<(), MetricsError> {
        let help = "The database in use: always 1, with what it is in the labels";
        self.registry.watch_info("db_info", help, move || {
            vec![
                ("system", backend.system().to_owned()),
                ("database", backend.location()),
                // Nothing is read from others.
                ("role", "primary".to_owned()),
                ("timeline", backend.timeline().to_string()),
                ("history", backend.progress().0.to_string()),
            ]
        })
    }

    /// Shows how many reads wait in a lane.
    pub(crate) fn watch_waiting(&self, lane: &str, waiting: impl Fn() -> u64 + Send + Sync + 'static) {
        self.registry.watch_gauge("db_reads_waiting", "Reads that wait for their turn", &[("lane", lane)], waiting);
    }
}

#[cfg(test)]
impl DatabaseMetrics {
    pub(crate) fn unseen() -> Self {
        Self::register(&Registry::new().unwrap(), "sqlite").unwrap()
    }
}

//! One kind of operation of the database, as it shows in metrics and traces.

use std::future::Future;

use hotshelf_domain::StoreError;
use hotshelf_lifecycle::TRACED;
use hotshelf_stats::{Histogram, IntCounter};
use tracing::Instrument;
use tracing::field::Empty;

use crate::metrics::DatabaseMetrics;

/// Times the operations of one kind and counts those that fail for the database's own reasons. A cheap handle.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) durations: Histogram,
    errors: IntCounter,
    name: &'static str,
    system: &'static str,
}

impl Operation {
    pub(crate) fn new(metrics: &DatabaseMetrics, name: &'static str) -> Self {
        Operation { durations: metrics.queries(name), errors: metrics.errors(name), name, system: metrics.system }
    }

    /// Runs and times one.
    pub(crate) async fn of<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let _timer = self.durations.start_timer();
        self.shared(work).await
    }

    /// Runs one that is done together with others, and is timed there.
    pub(crate) async fn shared<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let span = tracing::info_span!(
            target: TRACED,
            "database",
            otel.name = self.name,
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = self.system,
            db.operation.name = self.name,
        );
        let result = work.instrument(span.clone()).await;
        if let Err(error) = &result
            && error.is_failure()
        {
            self.errors.inc();
            span.record("otel.status_code", "ERROR");
        }
        result
    }
}

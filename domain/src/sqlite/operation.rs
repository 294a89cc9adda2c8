//! One kind of work that the database is asked for, as it shows in the metrics.

use std::future::Future;

use hotshelf_stats::{Histogram, IntCounter, Stats};

use crate::error::StoreError;

/// Times the work and counts what fails for the database's own reasons. A cheap handle.
#[derive(Clone)]
pub(super) struct Operation {
    pub(super) durations: Histogram,
    errors: IntCounter,
}

impl Operation {
    pub(super) fn new(stats: &Stats, name: &str) -> Self {
        Operation { durations: stats.db_query(name), errors: stats.db_errors(name) }
    }

    /// Does the work.
    pub(super) async fn of<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let _timer = self.durations.start_timer();
        self.noting(work.await)
    }

    /// What came of work that somebody else has timed.
    pub(super) fn noting<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result
            && error.is_failure()
        {
            self.errors.inc();
        }
        result
    }
}

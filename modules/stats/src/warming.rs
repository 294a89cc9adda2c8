use prometheus::{IntCounter, Registry};

use crate::cache::counters;
use crate::metrics::MetricsError;

/// What the warming of the cache did.
#[derive(Clone, Debug)]
pub struct WarmCounters {
    /// Runs that came to their end.
    pub runs_ok: IntCounter,
    /// Runs that broke off.
    pub runs_error: IntCounter,
    /// Entries that had to be loaded.
    pub loaded: IntCounter,
    /// Entries that a tier had already.
    pub present: IntCounter,
}

impl WarmCounters {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let runs = counters(registry, "warm_runs_total", "Runs of the warming", &["outcome"])?;
        let entries = counters(registry, "warm_entries_total", "Entries that were looked at", &["outcome"])?;
        Ok(WarmCounters {
            runs_ok: runs.with_label_values(&["ok"]),
            runs_error: runs.with_label_values(&["error"]),
            loaded: entries.with_label_values(&["loaded"]),
            present: entries.with_label_values(&["present"]),
        })
    }
}

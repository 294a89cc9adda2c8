use hotshelf_stats::{IntCounter, MetricsError, Registry};

/// What the warming of the cache did.
#[derive(Clone, Debug)]
pub(crate) struct WarmCounters {
    /// Runs that came to their end.
    pub(crate) runs_ok: IntCounter,
    /// Runs that broke off.
    pub(crate) runs_error: IntCounter,
    /// Entries that had to be loaded.
    pub(crate) loaded: IntCounter,
    /// Entries that a tier had already.
    pub(crate) present: IntCounter,
}

impl WarmCounters {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let runs = registry.counters("warm_runs_total", "Runs of the warming", &["outcome"])?;
        let entries = registry.counters("warm_entries_total", "Entries that were looked at", &["outcome"])?;
        Ok(WarmCounters {
            runs_ok: runs.with_label_values(&["ok"]),
            runs_error: runs.with_label_values(&["error"]),
            loaded: entries.with_label_values(&["loaded"]),
            present: entries.with_label_values(&["present"]),
        })
    }
}

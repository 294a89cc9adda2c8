use prometheus::{IntGauge, Registry};

use crate::cache::{L2State, TierLevels};
use crate::metrics::MetricsError;

/// What the tiers hold, as gauges.
pub(crate) struct LevelGauges {
    l1_entries: IntGauge,
    l1_bytes: IntGauge,
    l1_limit_bytes: IntGauge,
    l2_up: IntGauge,
    l2_configured: IntGauge,
    l2_bytes: IntGauge,
    l2_limit_bytes: IntGauge,
    l2_evicted_keys: IntGauge,
}

impl LevelGauges {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, MetricsError>(gauge)
        };
        Ok(LevelGauges {
            l1_entries: gauge("cache_l1_entries", "Entries in the in-process tier")?,
            l1_bytes: gauge("cache_l1_bytes", "Bytes in the in-process tier")?,
            l1_limit_bytes: gauge("cache_l1_limit_bytes", "Bytes that the in-process tier may hold")?,
            l2_up: gauge("cache_l2_up", "1 while Redis is trusted, else 0")?,
            l2_configured: gauge("cache_l2_configured", "1 when the configuration has Redis, else 0")?,
            l2_bytes: gauge("cache_l2_bytes", "Memory in use by Redis, whoever fills it")?,
            l2_limit_bytes: gauge("cache_l2_limit_bytes", "maxmemory of Redis, 0 without a limit")?,
            l2_evicted_keys: gauge("cache_l2_evicted_keys", "Keys evicted by Redis since it started")?,
        })
    }

    pub(crate) fn set(&self, levels: &TierLevels) {
        self.l1_entries.set(signed(levels.l1_entries));
        self.l1_bytes.set(signed(levels.l1_bytes));
        self.l1_limit_bytes.set(signed(levels.l1_limit_bytes));
        self.l2_up.set(i64::from(levels.l2 == L2State::Up));
        self.l2_configured.set(i64::from(levels.l2 != L2State::Off));
        self.l2_bytes.set(signed(levels.l2_memory.used_bytes));
        self.l2_limit_bytes.set(signed(levels.l2_memory.limit_bytes));
        self.l2_evicted_keys.set(signed(levels.l2_memory.evicted_keys));
    }
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

use std::sync::{Arc, OnceLock};

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use crate::cache::counters;
use crate::metrics::MetricsError;

/// Counts the decisions of rate limits. A cheap handle.
#[derive(Clone)]
pub struct RateLimitMetrics {
    decisions: IntCounterVec,
    /// Times that Redis failed.
    pub errors: IntCounter,
    /// Steps in Redis.
    pub steps: IntCounter,
    subjects: IntGauge,
    known: Arc<OnceLock<Box<dyn Fn() -> usize + Send + Sync>>>,
}

/// The decisions under one limit.
#[derive(Clone, Debug)]
pub struct RateLimitCounters {
    /// Requests that were let through.
    pub allowed: IntCounter,
    /// Requests that were not, because the limit was used up.
    pub refused: IntCounter,
    /// Requests that were let through while nobody counted.
    pub uncounted: IntCounter,
    /// Requests that were not let through because nobody could count.
    pub unavailable: IntCounter,
}

impl RateLimitMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, MetricsError>(counter)
        };
        let subjects = IntGauge::new("ratelimit_subjects", "Subjects of rate limits that memory knows")?;
        registry.register(Box::new(subjects.clone()))?;
        Ok(RateLimitMetrics {
            decisions: counters(
                registry,
                "ratelimit_decisions_total",
                "Decisions of rate limits",
                &["scope", "outcome"],
            )?,
            errors: counter("ratelimit_errors_total", "Times that Redis failed to count for rate limits")?,
            steps: counter("ratelimit_redis_steps_total", "Steps in Redis, each for all who waited for one subject")?,
            subjects,
            known: Arc::default(),
        })
    }

    /// The decisions under the limit of that name.
    pub fn scope(&self, name: &str) -> RateLimitCounters {
        let outcome = |outcome| self.decisions.with_label_values(&[name, outcome]);
        RateLimitCounters {
            allowed: outcome("allowed"),
            refused: outcome("refused"),
            uncounted: outcome("uncounted"),
            unavailable: outcome("unavailable"),
        }
    }

    /// Names the source of the number of subjects, which is asked at each scrape. The first one named stays.
    pub fn watch_subjects(&self, known: Box<dyn Fn() -> usize + Send + Sync>) {
        let _ = self.known.set(known);
    }

    pub(crate) fn refresh(&self) {
        let known = self.known.get().map_or(0, |known| known());
        self.subjects.set(i64::try_from(known).unwrap_or(i64::MAX));
    }
}

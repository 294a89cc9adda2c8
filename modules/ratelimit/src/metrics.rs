use hotshelf_stats::{IntCounter, IntCounterVec, MetricsError, Registry};

/// Counts the decisions of rate limits.
pub(crate) struct RateLimitMetrics {
    decisions: IntCounterVec,
    /// Times that Redis failed.
    pub(crate) errors: IntCounter,
    /// Steps in Redis.
    pub(crate) steps: IntCounter,
    registry: Registry,
}

/// The decisions under one limit.
#[derive(Clone, Debug)]
pub(crate) struct RateLimitCounters {
    /// Requests that were let through.
    pub(crate) allowed: IntCounter,
    /// Requests that were not, because the limit was used up.
    pub(crate) refused: IntCounter,
    /// Requests that were let through while nobody counted.
    pub(crate) uncounted: IntCounter,
    /// Requests that were not let through because nobody could count.
    pub(crate) unavailable: IntCounter,
}

impl RateLimitMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let steps = "Steps in Redis, each for all who waited for one subject";
        Ok(RateLimitMetrics {
            decisions: registry.counters(
                "ratelimit_decisions_total",
                "Decisions of rate limits",
                &["scope", "outcome"],
            )?,
            errors: registry.counter("ratelimit_errors_total", "Times that Redis failed to count for rate limits")?,
            steps: registry.counter("ratelimit_redis_steps_total", steps)?,
            registry: registry.clone(),
        })
    }

    /// The decisions under the limit of that name.
    pub(crate) fn scope(&self, name: &str) -> RateLimitCounters {
        let outcome = |outcome| self.decisions.with_label_values(&[name, outcome]);
        RateLimitCounters {
            allowed: outcome("allowed"),
            refused: outcome("refused"),
            uncounted: outcome("uncounted"),
            unavailable: outcome("unavailable"),
        }
    }

    /// Names the source of the number of subjects, which is asked at each scrape. The first one named stays.
    pub(crate) fn watch_subjects(&self, known: Box<dyn Fn() -> usize + Send + Sync>) {
        let help = "Subjects of rate limits that memory knows";
        self.registry.watch_gauge("ratelimit_subjects", help, &[], move || known() as u64);
    }
}

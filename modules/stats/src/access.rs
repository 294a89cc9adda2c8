use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use crate::cache::counters;
use crate::metrics::MetricsError;

/// Counts who comes in, and who does not. A cheap handle.
#[derive(Clone)]
pub struct AccessMetrics {
    /// Sessions that have not ended, as of the last minute.
    pub sessions_live: IntGauge,
    /// Passwords that were compared with a hash, those of users who do not exist included.
    pub password_checks: IntCounter,
    /// Tokens that nobody has, or not any more.
    pub unknown_tokens: IntCounter,
    logins: IntCounterVec,
    mails: IntCounterVec,
}

impl AccessMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let sessions_live = IntGauge::new("sessions_live", "Sessions that have not ended, as of the last minute")?;
        let password_checks = IntCounter::new("auth_password_checks_total", "Passwords compared with a hash")?;
        let unknown_tokens = IntCounter::new("auth_unknown_tokens_total", "Tokens that nobody has")?;
        registry.register(Box::new(sessions_live.clone()))?;
        registry.register(Box::new(password_checks.clone()))?;
        registry.register(Box::new(unknown_tokens.clone()))?;
        let logins = counters(registry, "auth_logins_total", "Attempts to log in", &["outcome"])?;
        let mails = counters(registry, "auth_mails_total", "Mails to users", &["outcome"])?;
        // A family shows from its first series on.
        for outcome in ["ok", "refused"] {
            logins.with_label_values(&[outcome]);
        }
        for outcome in ["sent", "failed"] {
            mails.with_label_values(&[outcome]);
        }
        Ok(AccessMetrics { sessions_live, password_checks, unknown_tokens, logins, mails })
    }

    /// Counts an attempt to log in.
    pub fn login(&self, succeeded: bool) {
        self.logins.with_label_values(&[if succeeded { "ok" } else { "refused" }]).inc();
    }

    /// Counts a mail.
    pub fn mail(&self, sent: bool) {
        self.mails.with_label_values(&[if sent { "sent" } else { "failed" }]).inc();
    }
}

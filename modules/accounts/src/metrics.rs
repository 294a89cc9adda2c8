use hotshelf_stats::{IntCounter, IntCounterVec, IntGauge, MetricsError, Registry};

/// Counts who comes in, and who does not. A cheap handle.
#[derive(Clone)]
pub struct AccessMetrics {
    /// Sessions that have not ended, as of the last minute.
    pub(crate) sessions_live: IntGauge,
    /// Passwords that were compared with a hash, those of users who do not exist included.
    pub(crate) password_checks: IntCounter,
    /// Tokens that nobody has, or not any more.
    pub(crate) unknown_tokens: IntCounter,
    logins: IntCounterVec,
    mails: IntCounterVec,
}

impl AccessMetrics {
    /// Registers them. They show from then on, also where there are no users.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let logins = registry.counters("auth_logins_total", "Attempts to log in", &["outcome"])?;
        let mails = registry.counters("auth_mails_total", "Mails to users", &["outcome"])?;
        // A family shows from its first series on.
        for outcome in ["ok", "refused"] {
            logins.with_label_values(&[outcome]);
        }
        for outcome in ["sent", "failed"] {
            mails.with_label_values(&[outcome]);
        }
        Ok(AccessMetrics {
            sessions_live: registry.gauge("sessions_live", "Sessions that have not ended, as of the last minute")?,
            password_checks: registry.counter("auth_password_checks_total", "Passwords compared with a hash")?,
            unknown_tokens: registry.counter("auth_unknown_tokens_total", "Tokens that nobody has")?,
            logins,
            mails,
        })
    }

    /// Counts an attempt to log in.
    pub(crate) fn login(&self, succeeded: bool) {
        self.logins.with_label_values(&[if succeeded { "ok" } else { "refused" }]).inc();
    }

    /// Counts a mail.
    pub(crate) fn mail(&self, sent: bool) {
        self.mails.with_label_values(&[if sent { "sent" } else { "failed" }]).inc();
    }
}

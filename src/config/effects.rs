//! Settings that have no effect together with the others. The log at the start of the service and `check-config` name
//! them, but not those that ask for what is the case anyway, such as `METRICS_OPEN=true` without users. A contradiction
//! that would break a promise stops the start: see `options.rs`.

use std::time::Duration;

use hotshelf_cache::Tiers;

use super::settings::{ALL, Settings};
use super::sources::Values;

/// What a setting needs to have an effect.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    Cache,
    Redis,
    Memory,
    Users,
    Issuer,
    SqliteFile,
    Server,
    MailServer,
    NoMailServer,
    Limits,
    Traces,
    SampledByRatio,
}

impl Need {
    /// Why a setting with this need has no effect now, to follow "has no effect".
    fn unmet(self, settings: &Settings) -> Option<&'static str> {
        let unless = |met: bool, reason| (!met).then_some(reason);
        let tiers = settings.cache_backend;
        let cached = unless(tiers != Tiers::None, "with CACHE_BACKEND=none");
        let mail_server = settings.smtp_url.is_some();
        match self {
            Need::Cache => cached,
            Need::Redis => cached.or(unless(tiers != Tiers::Memory, "with CACHE_BACKEND=memory")),
            Need::Memory => cached.or(unless(tiers != Tiers::Redis, "with CACHE_BACKEND=redis")),
            Need::Users => unless(settings.auth, "without AUTH=on"),
            Need::Issuer => unless(settings.jwt_issuer.is_some(), "without JWT_ISSUER"),
            Need::SqliteFile => unless(settings.database_url.is_none(), "with DATABASE_URL"),
            Need::Server => unless(settings.database_url.is_some(), "without DATABASE_URL"),
            Need::MailServer => unless(mail_server, "without SMTP_URL"),
            Need::NoMailServer => unless(!mail_server, "with SMTP_URL"),
            Need::Limits => unless(settings.rate_limit, "without RATE_LIMIT=on"),
            Need::Traces => {
                unless(settings.otel_exporter_otlp_endpoint.is_some(), "without OTEL_EXPORTER_OTLP_ENDPOINT")
            }
            Need::SampledByRatio => {
                let by_ratio = settings.otel_traces_sampler.ratio.is_none();
                unless(by_ratio, "unless OTEL_TRACES_SAMPLER is traceidratio")
            }
        }
    }
}

/// Marks the values that have no effect.
pub(super) fn note(settings: &Settings, values: &mut Values) {
    // Turned off by their values: these ask for what is the case anyway.
    let off = [
        ("warm_interval", settings.warm_interval == Duration::ZERO),
        ("cache_grace", settings.cache_grace == Duration::ZERO),
        ("audit_rate", settings.audit_rate == 0.0),
    ];
    for definition in ALL.iter().filter(|definition| !off.contains(&(definition.key, true))) {
        if let Some(reason) = definition.needs.iter().find_map(|need| need.unmet(settings)) {
            values.has_no_effect(definition.key, reason);
        }
    }
}

#[cfg(test)]
mod tests;

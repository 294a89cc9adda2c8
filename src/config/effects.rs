//! Settings that do nothing beside the others that are there. Whoever sets one expects something of it, and is told: in the log at
//! the start of the service, and by `check-config`. What a setting asks for may also be so anyway, as with `METRICS_OPEN=true` where
//! all is open; of that nobody is told. A contradiction that would break a promise stops the start instead, in `assemble`.

use super::layers::Values;
use super::settings::Variable;
use super::settings::*;
use super::{CacheBackend, Config, Sampler};

/// Without which some settings do nothing.
struct Condition {
    /// Why they do nothing now, to follow "has no effect"; `None` where they do something.
    reason: Option<&'static str>,
    settings: &'static [Variable],
}

/// What is used wherever there is Redis.
const OF_REDIS: &[Variable] = &[
    REDIS_ADDR.variable,
    REDIS_URL.variable,
    REDIS_USERNAME.variable,
    REDIS_PASSWORD.variable,
    REDIS_SENTINEL_USERNAME.variable,
    REDIS_SENTINEL_PASSWORD.variable,
    REDIS_DB.variable,
    REDIS_COMMAND_TIMEOUT.variable,
    REDIS_CONNECT_TIMEOUT.variable,
    REDIS_POOL_SIZE.variable,
    RATE_LIMIT_ON_LOSS.variable,
];
const OF_ANY_CACHE: &[Variable] = &[
    CACHE_TTL.variable,
    CACHE_LIST_TTL.variable,
    CACHE_TTL_DETAILS.variable,
    CACHE_TTL_PAGES.variable,
    CACHE_TTL_ORG_IDS.variable,
    CACHE_TTL_SCHEMA_IDS.variable,
    CACHE_TTL_ANALYTICS.variable,
    CACHE_NEGATIVE_TTL.variable,
    CACHE_GRACE.variable,
    CACHE_WRITE_STRATEGY.variable,
    AUDIT_RATE.variable,
    WARM_INTERVAL.variable,
    WARM_PRODUCTS.variable,
    WARM_RATE.variable,
];
const OF_USERS: &[Variable] = &[
    SESSION_TTL.variable,
    SESSION_COOKIE_SECURE.variable,
    SMTP_URL.variable,
    MAIL_FROM.variable,
    MAIL_FILE.variable,
    PASSWORD_RESET_URL.variable,
    RATE_LIMIT_LOGIN.variable,
    RATE_LIMIT_REGISTER.variable,
    RATE_LIMIT_FORGOT_PASSWORD.variable,
    RATE_LIMIT_TOKEN.variable,
];
/// Always of use, or asking for what is so anyway.
#[cfg(test)]
const ALWAYS: &[Variable] = &[
    HTTP_HOST.variable,
    HTTP_PORT.variable,
    REQUEST_TIMEOUT.variable,
    IDLE_TIMEOUT.variable,
    SHUTDOWN_TIMEOUT.variable,
    MAX_CONCURRENT_REQUESTS.variable,
    MAX_CONNECTIONS.variable,
    MAX_CONNECTIONS_PER_ADDRESS.variable,
    MAX_UPLOADS.variable,
    MAX_UPLOAD_BYTES.variable,
    UPLOAD_TIMEOUT.variable,
    TRUSTED_PROXIES.variable,
    CORS_ORIGINS.variable,
    DB_PATH.variable,
    DATABASE_URL.variable,
    SHARED_DB.variable,
    CACHE_BACKEND.variable,
    CACHE_PREFIX.variable,
    AUTH.variable,
    AUTH_OFF_ANYWAY.variable,
    METRICS_OPEN.variable,
    RUST_LOG.variable,
    LOG_FORMAT.variable,
    RATE_LIMIT.variable,
    OTEL_EXPORTER_OTLP_ENDPOINT.variable,
];

fn conditions(config: &Config, sampler: Option<Sampler>) -> Vec<Condition> {
    let (backend, users, limited) = (config.cache.backend, config.access.users, config.limits.on);
    let condition = |holds: bool, reason, settings| Condition { reason: (!holds).then_some(reason), settings };
    let by_ratio = matches!(sampler, None | Some(Sampler::TraceIdRatio | Sampler::ParentBasedTraceIdRatio));
    let in_memory_alone = "with CACHE_BACKEND=memory";
    let cached = backend != CacheBackend::None;
    vec![
        condition(cached, "with CACHE_BACKEND=none", OF_ANY_CACHE),
        condition(cached, "with CACHE_BACKEND=none", OF_REDIS),
        condition(backend != CacheBackend::Memory, in_memory_alone, OF_REDIS),
        condition(cached, "with CACHE_BACKEND=none", &[CACHE_L1_BYTES.variable]),
        condition(backend != CacheBackend::Redis, "with CACHE_BACKEND=redis", &[CACHE_L1_BYTES.variable]),
        condition(users, "without AUTH=on", OF_USERS),
        condition(config.access.smtp_url.is_none(), "with SMTP_URL", &[MAIL_FILE.variable]),
        condition(config.access.smtp_url.is_some(), "without SMTP_URL", &[MAIL_FROM.variable]),
        condition(limited, "without RATE_LIMIT=on", LIMITS_OF_THE_API),
        condition(config.traces.is_some(), "without OTEL_EXPORTER_OTLP_ENDPOINT", OF_TRACES),
        condition(by_ratio, "unless OTEL_TRACES_SAMPLER is traceidratio", &[OTEL_TRACES_SAMPLER_ARG.variable]),
    ]
}

const LIMITS_OF_THE_API: &[Variable] =
    &[RATE_LIMIT_API.variable, RATE_LIMIT_ROUTES.variable, RATE_LIMIT_ON_LOSS.variable];
const OF_TRACES: &[Variable] =
    &[OTEL_SERVICE_NAME.variable, OTEL_TRACES_SAMPLER.variable, OTEL_TRACES_SAMPLER_ARG.variable];

/// Notes them among the values.
pub(super) fn note(config: &Config, values: &mut Values) {
    let sampler = config.traces.is_some().then(|| values.read(&OTEL_TRACES_SAMPLER)).flatten();
    // What is turned off where it could not be on.
    let off_anyway = [
        (WARM_INTERVAL.variable, config.warm.interval.is_zero()),
        (CACHE_GRACE.variable, config.cache.lives.grace.is_zero()),
        (AUDIT_RATE.variable, config.cache.audit_rate == 0.0),
    ];
    let is_off = |setting: &Variable| off_anyway.iter().any(|(of, off)| of.name == setting.name && *off);
    for Condition { reason, settings } in conditions(config, sampler) {
        let Some(reason) = reason else { continue };
        settings.iter().filter(|setting| !is_off(setting)).for_each(|it| values.has_no_effect(it.name, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::load_with_values;
    use super::*;

    /// What the log says of these settings.
    fn told(environment: &[(&str, &str)]) -> Vec<String> {
        let (_, values) = load_with_values(environment).unwrap();
        values.without_effect().collect()
    }

    #[test]
    fn for_each_setting_it_was_decided_when_it_has_an_effect() {
        let (config, _) = load_with_values(&[]).unwrap();
        let conditional = conditions(&config, None).into_iter().flat_map(|condition| condition.settings);
        let decided: Vec<&str> = conditional.chain(ALWAYS).map(|setting| setting.name).collect();
        for setting in ALL {
            assert!(decided.contains(&setting.name), "{} stands in none of the lists of this file", setting.name);
        }
    }

    #[test]
    fn nothing_is_told_of_defaults_and_of_what_is_used() {
        assert_eq!(told(&[]), Vec::<String>::new());
        let as_by_default = [("CACHE_BACKEND", "none"), ("CACHE_TTL", "5m"), ("REDIS_ADDR", "localhost:6379")];
        assert_eq!(told(&as_by_default), Vec::<String>::new());
        assert_eq!(told(&[("TRUSTED_PROXIES", "10.0.0.1")]), Vec::<String>::new());
        let used = [
            ("REDIS_DB", "3"),
            ("AUTH", "on"),
            ("SESSION_TTL", "1h"),
            ("TRUSTED_PROXIES", "10.0.0.1"),
            ("MAIL_FILE", "./mails"),
            ("METRICS_OPEN", "true"),
            ("RATE_LIMIT", "on"),
            ("RATE_LIMIT_ROUTES", "POST /api/v1/products=10/1m"),
        ];
        assert_eq!(told(&used), Vec::<String>::new());
        // What they ask for is so anyway.
        assert_eq!(told(&[("METRICS_OPEN", "true"), ("AUTH_OFF_ANYWAY", "true")]), Vec::<String>::new());
        let off = [("CACHE_BACKEND", "none"), ("SHARED_DB", "true"), ("WARM_INTERVAL", "0s"), ("AUDIT_RATE", "0")];
        assert_eq!(told(&off), Vec::<String>::new());
    }

    #[test]
    fn what_does_nothing_is_told_with_the_reason() {
        let cases: [(&[(&str, &str)], &str); 12] = [
            (&[("CACHE_BACKEND", "memory"), ("REDIS_DB", "3")], "REDIS_DB has no effect with CACHE_BACKEND=memory"),
            (
                &[("CACHE_BACKEND", "none"), ("REDIS_URL", "redis://x")],
                "REDIS_URL has no effect with CACHE_BACKEND=none",
            ),
            (&[("CACHE_BACKEND", "none"), ("CACHE_GRACE", "1h")], "CACHE_GRACE has no effect with CACHE_BACKEND=none"),
            (&[("CACHE_BACKEND", "none"), ("WARM_RATE", "7")], "WARM_RATE has no effect with CACHE_BACKEND=none"),
            (
                &[("CACHE_BACKEND", "redis"), ("CACHE_L1_BYTES", "1GiB")],
                "CACHE_L1_BYTES has no effect with CACHE_BACKEND=redis",
            ),
            (&[("SMTP_URL", "smtp://localhost")], "SMTP_URL has no effect without AUTH=on"),
            (&[("SESSION_COOKIE_SECURE", "false")], "SESSION_COOKIE_SECURE has no effect without AUTH=on"),
            (&[("AUTH", "on"), ("MAIL_FROM", "a@b.example")], "MAIL_FROM has no effect without SMTP_URL"),
            (
                &[("AUTH", "on"), ("SMTP_URL", "smtp://localhost"), ("MAIL_FILE", "./m")],
                "MAIL_FILE has no effect with SMTP_URL",
            ),
            (
                &[("RATE_LIMIT_ROUTES", "POST /api/v1/products=10/1m")],
                "RATE_LIMIT_ROUTES has no effect without RATE_LIMIT=on",
            ),
            (&[("OTEL_SERVICE_NAME", "shop")], "OTEL_SERVICE_NAME has no effect without OTEL_EXPORTER_OTLP_ENDPOINT"),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"), ("OTEL_TRACES_SAMPLER_ARG", "0.1")],
                "OTEL_TRACES_SAMPLER_ARG has no effect unless OTEL_TRACES_SAMPLER is traceidratio",
            ),
        ];
        for (environment, expected) in cases {
            assert_eq!(told(environment), [expected], "{environment:?}");
        }
    }
}

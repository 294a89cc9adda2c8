use super::super::tests::load_with_values;

/// What the log says of these settings.
fn told(environment: &[(&str, &str)]) -> Vec<String> {
    let (_, values) = load_with_values(environment).unwrap();
    values.without_effect().collect()
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
        (&[("CACHE_BACKEND", "none"), ("REDIS_URL", "redis://x")], "REDIS_URL has no effect with CACHE_BACKEND=none"),
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

//! What several variables make together. How the binary tells it is in `tests/cli/config.rs`.

use std::time::Duration;

use hotshelf_cache::Tiers;
use hotshelf_database::Location;
use hotshelf_redis_client::{Address, RedisOptions, Servers};

use super::*;

fn load(environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    load_with_values(environment).map(|(config, _)| config)
}

pub(super) fn load_with_values(environment: &[(&str, &str)]) -> Result<(Config, Values), Vec<String>> {
    let lookup = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, text)| text.into());
    Config::from_sources(lookup, None).map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

fn one(host: &str, port: u16) -> Servers {
    Servers::One(Address::new(host, port))
}

#[test]
fn every_default_is_a_good_value() {
    let config = load(&[]).unwrap();
    assert_eq!((config.api.host.as_str(), config.api.port), ("127.0.0.1", 3000));
    assert_eq!(config.api.cors_origins, Vec::<String>::new());
    let Location::File { path, shared } = &config.database.location else { panic!("a file") };
    assert_eq!((path, *shared), (&PathBuf::from("./products.db"), false));
    let redis = config.cache.redis;
    assert_eq!((redis.servers, redis.tls), (one("localhost", 6379), false));
    assert_eq!((redis.credentials.username, redis.credentials.password, redis.database), (None, None, 0));
    assert_eq!(config.cache.tiers, Tiers::Tiered);
    assert_eq!(config.ttls.product, Duration::from_secs(300));
    assert_eq!(config.cache.memory_bytes, 64 * 1024 * 1024);
    assert_eq!(config.api.uploads.bytes, 128 * 1024 * 1024);
}

#[test]
fn the_defaults_of_the_crates_are_those_of_the_settings() {
    let config = load(&[]).unwrap();
    assert_eq!(format!("{:?}", config.ttls), format!("{:?}", Ttls::default()));
    assert_eq!(format!("{:?}", config.cache.redis), format!("{:?}", RedisOptions::default()));
}

#[test]
fn what_is_not_utf_8_is_reported_with_the_other_problems() {
    use std::os::unix::ffi::OsStringExt;
    let lookup = |name: &str| match name {
        "HTTP_HOST" => Some(OsString::from_vec(vec![0xff])),
        "REDIS_DB" => Some("x".into()),
        _ => None,
    };
    let problems = Config::from_sources(lookup, None).err().unwrap();
    let expected = [
        "HTTP_HOST (environment): the value is not valid UTF-8",
        "REDIS_DB=\"x\" (environment): expected a whole number from 0 to 255",
    ];
    assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn values_have_bounds() {
    for (name, good, bad) in [
        ("HTTP_PORT", ["0", "65535"], &["65536", "-1", "+1", " 1", "http"][..]),
        ("MAX_CONCURRENT_REQUESTS", ["1", "1000000"], &["0", "1000001"]),
        ("MAX_CONNECTIONS", ["1", "1000000"], &["0", "1000001"]),
        ("MAX_UPLOAD_BYTES", ["16MiB", "1TiB"], &["1MiB", "2TiB"]),
        ("REDIS_DB", ["0", "255"], &["256", "-1"]),
        ("REDIS_POOL_SIZE", ["1", "64"], &["0", "65"]),
        ("CACHE_TTL", ["1s", "30days"], &["0", "0s", "300", "999ms", "31days", "5 parsecs", "-5m", "1000000000000y"]),
        ("CACHE_GRACE", ["0s", "30days"], &["31days"]),
        ("REQUEST_TIMEOUT", ["100ms", "1day"], &["0ms", "25h", "soon"]),
        ("CACHE_L1_BYTES", ["1KiB", "1TiB"], &["0", "1023", "2TiB", "64 apples", "MiB", "-1MiB"]),
        ("AUDIT_RATE", ["0", "1000"], &["-1", "1000.1", "NaN", "often"]),
        ("WARM_PRODUCTS", ["1", "10000"], &["0", "10001"]),
        ("OTEL_TRACES_SAMPLER_ARG", ["0", "1"], &["1.1", "-0.1"]),
        ("SHARED_DB", ["true", "0"], &["yes", "2", "TRUE"]),
        ("RATE_LIMIT_ON_LOSS", ["local", "closed"], &["Local", "shut"]),
    ] {
        for text in good {
            assert!(load(&[(name, text)]).is_ok(), "{name}={text} was refused");
        }
        for text in bad {
            let problems = load(&[(name, text)]).err().unwrap_or_default();
            assert!(problems.len() == 1 && problems[0].contains(": expected "), "{name}={text}: {problems:?}");
        }
    }
}

#[test]
fn a_sampler_is_a_ratio_and_a_parent() {
    let sampling = |sampler| {
        let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        let config = load(&[collector, ("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", "0.1")]).unwrap();
        config.traces.map(|traces| (traces.sampling.ratio, traces.sampling.follow_parent))
    };
    assert_eq!(sampling("always_on"), Some((1.0, false)));
    assert_eq!(sampling("always_off"), Some((0.0, false)));
    assert_eq!(sampling("parentbased_traceidratio"), Some((0.1, true)));
    assert!(load(&[("OTEL_TRACES_SAMPLER", "parentbased_parentbased_always_on")]).is_err());
    assert!(load(&[]).unwrap().traces.is_none());
}

#[test]
fn the_url_wins_where_it_says_something() {
    let single =
        [("REDIS_ADDR", "other:1"), ("REDIS_USERNAME", "single"), ("REDIS_PASSWORD", "single"), ("REDIS_DB", "7")];
    let with_url = |url| load(&[&single[..], &[("REDIS_URL", url)]].concat()).unwrap().cache.redis;

    let full = with_url("rediss://app:from%40url@cache.example:6380/2");
    assert_eq!((full.servers, full.tls), (one("cache.example", 6380), true));
    assert_eq!(full.credentials.username.as_deref(), Some("app"));
    assert_eq!(full.credentials.password.as_deref(), Some("from@url"));
    assert_eq!(full.database, 2);

    let bare = with_url("redis://cache.example");
    assert_eq!((bare.servers, bare.tls), (one("cache.example", 6379), false));
    assert_eq!(bare.credentials.username.as_deref(), Some("single"));
    assert_eq!(bare.credentials.password.as_deref(), Some("single"));
    assert_eq!(bare.database, 7);
}

#[test]
fn a_password_stays_the_text_that_it_is() {
    for text in ["00123", "true", "1e3", "[a]", "\"quoted\"", " "] {
        let config = load(&[("REDIS_PASSWORD", text)]).unwrap();
        assert_eq!(config.cache.redis.credentials.password.as_deref(), Some(text));
    }
}

#[test]
fn what_is_meant_for_another_kind_of_redis_is_refused() {
    let cluster = [("REDIS_URL", "redis-cluster://a"), ("REDIS_DB", "3"), ("REDIS_SENTINEL_PASSWORD", "hunter2")];
    let expected = [
        "REDIS_DB=\"3\" (environment): a Redis Cluster has database 0 only: leave the number out",
        "REDIS_SENTINEL_PASSWORD=\"***\" (environment): there are no sentinels without REDIS_URL=redis-sentinel://…",
    ];
    assert_eq!(load(&cluster).err().unwrap(), expected);
    let sentinel =
        [("REDIS_URL", "redis-sentinel://a/shop"), ("REDIS_DB", "3"), ("REDIS_SENTINEL_PASSWORD", "hunter2")];
    let redis = load(&sentinel).unwrap().cache.redis;
    let Servers::Sentinel { credentials, .. } = redis.servers else { panic!("{:?}", redis.servers) };
    assert_eq!((redis.database, credentials.password.as_deref()), (3, Some("hunter2")));
}

#[test]
fn a_memory_cache_cannot_share_a_database() {
    let problems = load(&[("SHARED_DB", "true"), ("CACHE_BACKEND", "memory")]).err().unwrap();
    let expected = "SHARED_DB=\"true\" (environment): contradicts CACHE_BACKEND=memory: a memory-only cache cannot \
                    hear the other instances' writes";
    assert_eq!(problems, [expected]);
    assert!(load(&[("SHARED_DB", "true"), ("CACHE_BACKEND", "none")]).is_ok());
}

#[test]
fn the_debug_output_contains_no_password() {
    let config = load(&[("REDIS_URL", "redis://app:hunter2@cache")]).unwrap();
    let debug = format!("{:?} {:?}", config.cache, config.rate_limits);
    assert!(debug.contains("credentials: ***") && !debug.contains("hunter2"), "{debug}");
}

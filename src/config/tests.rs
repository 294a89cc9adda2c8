//! What several variables make together. How the binary tells it is in `tests/cli/config.rs`.

use super::*;

fn load(environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    load_with_values(environment).map(|(config, _)| config)
}

pub(super) fn load_with_values(environment: &[(&str, &str)]) -> Result<(Config, Values), Vec<String>> {
    let lookup = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, text)| text.into());
    let environment = Environment::of(lookup).unwrap();
    match Config::from_layers(Layers { environment, file: None }) {
        Ok(loaded) => Ok(loaded),
        Err(problems) => Err(problems.iter().map(Problem::to_string).collect()),
    }
}

fn one(host: &str, port: u16) -> RedisServers {
    RedisServers::One(Address::new(host, port))
}

#[test]
fn every_default_is_a_good_value() {
    let config = load(&[]).unwrap();
    assert_eq!((config.http.host.as_str(), config.http.port), ("127.0.0.1", 3000));
    assert_eq!(config.http.cors_origins, CorsOrigins::None);
    assert_eq!(config.database.path, PathBuf::from("./products.db"));
    assert!(!config.database.shared);
    assert_eq!((config.redis.servers, config.redis.tls), (one("localhost", 6379), false));
    assert_eq!((config.redis.username, config.redis.password, config.redis.db), (None, None, 0));
    assert_eq!(config.cache.backend, CacheBackend::Tiered);
    assert_eq!(config.cache.lives.product, Duration::from_secs(300));
    assert_eq!(config.cache.l1_bytes, 64 * 1024 * 1024);
}

#[test]
fn the_url_wins_where_it_says_something() {
    let single =
        [("REDIS_ADDR", "other:1"), ("REDIS_USERNAME", "single"), ("REDIS_PASSWORD", "single"), ("REDIS_DB", "7")];
    let with_url = |url| load(&[&single[..], &[("REDIS_URL", url)]].concat()).unwrap().redis;

    let full = with_url("rediss://app:from%40url@cache.example:6380/2");
    assert_eq!((full.servers, full.tls), (one("cache.example", 6380), true));
    assert_eq!(full.username.as_deref(), Some("app"));
    assert_eq!(full.password.unwrap().expose(), "from@url");
    assert_eq!(full.db, 2);

    let bare = with_url("redis://cache.example");
    assert_eq!((bare.servers, bare.tls), (one("cache.example", 6379), false));
    assert_eq!(bare.username.as_deref(), Some("single"));
    assert_eq!(bare.password.unwrap().expose(), "single");
    assert_eq!(bare.db, 7);
}

#[test]
fn a_password_stays_the_text_that_it_is() {
    for text in ["00123", "true", "1e3", "[a]", "\"quoted\"", " "] {
        let config = load(&[("REDIS_PASSWORD", text)]).unwrap();
        assert_eq!(config.redis.password.unwrap().expose(), text);
    }
}

#[test]
fn what_is_meant_for_another_kind_of_redis_is_refused() {
    let cluster = [("REDIS_URL", "redis-cluster://a"), ("REDIS_DB", "3"), ("REDIS_SENTINEL_PASSWORD", "hunter2")];
    let expected = [
        "REDIS_DB=\"3\" (environment): a Redis Cluster has no database but 0: name none",
        "REDIS_SENTINEL_PASSWORD=\"***\" (environment): there are no sentinels without REDIS_URL=redis-sentinel://…",
    ];
    assert_eq!(load(&cluster).unwrap_err(), expected);
    let sentinel =
        [("REDIS_URL", "redis-sentinel://a/shop"), ("REDIS_DB", "3"), ("REDIS_SENTINEL_PASSWORD", "hunter2")];
    let redis = load(&sentinel).unwrap().redis;
    assert_eq!((redis.db, redis.sentinel_password.unwrap().expose()), (3, "hunter2"));
}

#[test]
fn a_memory_cache_cannot_share_a_database() {
    let problems = load(&[("SHARED_DB", "true"), ("CACHE_BACKEND", "memory")]).unwrap_err();
    let expected = "SHARED_DB=\"true\" (environment): contradicts CACHE_BACKEND=memory: a memory-only cache cannot \
                    hear the other instances' writes";
    assert_eq!(problems, [expected]);
    assert!(load(&[("SHARED_DB", "true"), ("CACHE_BACKEND", "none")]).is_ok());
}

#[test]
fn the_debug_output_contains_no_password() {
    let config = load(&[("REDIS_URL", "redis://app:hunter2@cache")]).unwrap();
    let debug = format!("{config:?}");
    assert!(debug.contains("password: Some(***)") && !debug.contains("hunter2"), "{debug}");
}

//! From single values to the typed structs, including what two variables say about each other.
//!
//! Each function reads all of its variables before the first `?`, so that one start reports every bad value.

use hotshelf_telemetry::{Sampling, TraceOptions};

use super::layers::Values;
use super::settings::*;
use super::{
    CacheBackend, CacheConfig, Config, DatabaseConfig, HttpConfig, LivesConfig, LogConfig, RedisConfig, Sampler,
    WarmConfig,
};

/// `None` when a value is bad; `values` knows which.
pub(super) fn config(values: &mut Values) -> Option<Config> {
    let http = http(values);
    let database = database(values);
    let redis = redis(values);
    let cache = cache(values);
    let warm = warm(values);
    let log = log(values);
    let traces = traces(values);
    let config = Config {
        http: http?,
        database: database?,
        redis: redis?,
        cache: cache?,
        warm: warm?,
        log: log?,
        traces: traces?,
    };
    if config.database.shared && config.cache.backend == CacheBackend::Memory {
        let reason = "contradicts CACHE_BACKEND=memory: a memory-only cache cannot hear the other instances' writes";
        values.refuse(&SHARED_DB, reason);
    }
    Some(config)
}

fn http(values: &mut Values) -> Option<HttpConfig> {
    let host = values.read(&HTTP_HOST);
    let port = values.read(&HTTP_PORT);
    let request_timeout = values.read(&REQUEST_TIMEOUT);
    let shutdown_timeout = values.read(&SHUTDOWN_TIMEOUT);
    let max_concurrent_requests = values.read(&MAX_CONCURRENT_REQUESTS);
    let cors_origins = values.read(&CORS_ORIGINS);
    Some(HttpConfig {
        host: host?,
        port: port?,
        request_timeout: request_timeout?,
        max_concurrent_requests: max_concurrent_requests?,
        cors_origins: cors_origins?,
        shutdown_timeout: shutdown_timeout?,
    })
}

fn database(values: &mut Values) -> Option<DatabaseConfig> {
    let path = values.read(&DB_PATH);
    let no_url = values.read(&DATABASE_URL);
    let shared = values.read(&SHARED_DB);
    no_url?;
    Some(DatabaseConfig { path: path?, shared: shared? })
}

fn redis(values: &mut Values) -> Option<RedisConfig> {
    let addr = values.read(&REDIS_ADDR);
    let url = values.read(&REDIS_URL);
    let password = values.read(&REDIS_PASSWORD);
    let db = values.read(&REDIS_DB);
    let command_timeout = values.read(&REDIS_COMMAND_TIMEOUT);
    let connect_timeout = values.read(&REDIS_CONNECT_TIMEOUT);

    let mut redis = RedisConfig {
        endpoint: addr?,
        username: None,
        password: password?,
        db: db?,
        command_timeout: command_timeout?,
        connect_timeout: connect_timeout?,
    };
    // The URL wins wherever it says something, and the single variables stand for what it leaves out.
    if let Some(url) = url? {
        let by = REDIS_URL.variable.name;
        redis.endpoint = url.endpoint;
        redis.username = url.username;
        values.override_with(&REDIS_ADDR, by);
        if let Some(password) = url.password {
            redis.password = Some(password);
            values.override_with(&REDIS_PASSWORD, by);
        }
        if let Some(db) = url.db {
            redis.db = db;
            values.override_with(&REDIS_DB, by);
        }
    }
    Some(redis)
}

fn cache(values: &mut Values) -> Option<CacheConfig> {
    let backend = values.read(&CACHE_BACKEND);
    let lives = lives(values);
    let prefix = values.read(&CACHE_PREFIX);
    let l1_bytes = values.read(&CACHE_L1_BYTES);
    let write_strategy = values.read(&CACHE_WRITE_STRATEGY);
    let audit_rate = values.read(&AUDIT_RATE);
    Some(CacheConfig {
        backend: backend?,
        lives: lives?,
        prefix: prefix?,
        l1_bytes: l1_bytes?,
        write_strategy: write_strategy?,
        audit_rate: audit_rate?,
    })
}

fn lives(values: &mut Values) -> Option<LivesConfig> {
    let product = values.read(&CACHE_TTL);
    let details = values.read(&CACHE_TTL_DETAILS);
    let list = values.read(&CACHE_LIST_TTL);
    let pages = values.read(&CACHE_TTL_PAGES);
    let org_ids = values.read(&CACHE_TTL_ORG_IDS);
    let schema_ids = values.read(&CACHE_TTL_SCHEMA_IDS);
    let analytics = values.read(&CACHE_TTL_ANALYTICS);
    let negative = values.read(&CACHE_NEGATIVE_TTL);
    let grace = values.read(&CACHE_GRACE);
    Some(LivesConfig {
        product: product?,
        details: details?,
        list: list?,
        pages: pages?,
        org_ids: org_ids?,
        schema_ids: schema_ids?,
        analytics: analytics?,
        negative: negative?,
        grace: grace?,
    })
}

fn warm(values: &mut Values) -> Option<WarmConfig> {
    let interval = values.read(&WARM_INTERVAL);
    let products = values.read(&WARM_PRODUCTS);
    let rate = values.read(&WARM_RATE);
    Some(WarmConfig { interval: interval?, products: products?, rate: rate? })
}

fn traces(values: &mut Values) -> Option<Option<TraceOptions>> {
    let endpoint = values.read(&OTEL_EXPORTER_OTLP_ENDPOINT);
    let service_name = values.read(&OTEL_SERVICE_NAME);
    let sampler = values.read(&OTEL_TRACES_SAMPLER);
    let share = values.read(&OTEL_TRACES_SAMPLER_ARG);
    let (endpoint, service_name, share) = (endpoint?, service_name?, share?);
    let sampling = match sampler? {
        Sampler::AlwaysOn => Sampling { ratio: 1.0, follow_parent: false },
        Sampler::AlwaysOff => Sampling { ratio: 0.0, follow_parent: false },
        Sampler::TraceIdRatio => Sampling { ratio: share, follow_parent: false },
        Sampler::ParentBasedAlwaysOn => Sampling { ratio: 1.0, follow_parent: true },
        Sampler::ParentBasedAlwaysOff => Sampling { ratio: 0.0, follow_parent: true },
        Sampler::ParentBasedTraceIdRatio => Sampling { ratio: share, follow_parent: true },
    };
    Some(endpoint.map(|endpoint| TraceOptions { endpoint, service_name, sampling }))
}

fn log(values: &mut Values) -> Option<LogConfig> {
    let filter = values.read(&RUST_LOG);
    let format = values.read(&LOG_FORMAT);
    Some(LogConfig { filter: filter?, format: format? })
}

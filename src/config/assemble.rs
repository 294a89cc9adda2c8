//! From single values to the typed structs, including what two variables say about each other.
//!
//! Each function reads all of its variables before the first `?`, so that one start reports every bad value.

use hotshelf_telemetry::{Sampling, TraceOptions};

use super::layers::Values;
use super::parse::CLUSTERS_HAVE_ONE_DATABASE;
use super::settings::*;
use super::{
    AccessConfig, CacheBackend, CacheConfig, Config, DatabaseConfig, HttpConfig, LimitsConfig, LivesConfig, LogConfig,
    RedisConfig, RedisServers, Sampler, WarmConfig,
};

/// `None` when a value is bad; `values` knows which.
pub(super) fn config(values: &mut Values) -> Option<Config> {
    let http = http(values);
    let database = database(values);
    let redis = redis(values);
    let cache = cache(values);
    let access = access(values);
    let warm = warm(values);
    let log = log(values);
    let limits = limits(values);
    let traces = traces(values);
    let config = Config {
        http: http?,
        database: database?,
        redis: redis?,
        cache: cache?,
        access: access?,
        warm: warm?,
        log: log?,
        limits: limits?,
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
    let idle_timeout = values.read(&IDLE_TIMEOUT);
    let shutdown_timeout = values.read(&SHUTDOWN_TIMEOUT);
    let max_concurrent_requests = values.read(&MAX_CONCURRENT_REQUESTS);
    let max_connections = values.read(&MAX_CONNECTIONS);
    let max_connections_per_address = values.read(&MAX_CONNECTIONS_PER_ADDRESS);
    let max_uploads = values.read(&MAX_UPLOADS);
    let max_upload_bytes = values.read(&MAX_UPLOAD_BYTES);
    let upload_timeout = values.read(&UPLOAD_TIMEOUT);
    let cors_origins = values.read(&CORS_ORIGINS);
    Some(HttpConfig {
        host: host?,
        port: port?,
        request_timeout: request_timeout?,
        idle_timeout: idle_timeout?,
        max_concurrent_requests: max_concurrent_requests?,
        max_connections: max_connections?,
        max_connections_per_address: max_connections_per_address?,
        max_uploads: max_uploads?,
        max_upload_bytes: max_upload_bytes?,
        upload_timeout: upload_timeout?,
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
    let pool_size = values.read(&REDIS_POOL_SIZE);
    let username = values.read(&REDIS_USERNAME);
    let sentinel_username = values.read(&REDIS_SENTINEL_USERNAME);
    let sentinel_password = values.read(&REDIS_SENTINEL_PASSWORD);

    let mut redis = RedisConfig {
        servers: RedisServers::One(addr?),
        tls: false,
        username: username?,
        password: password?,
        sentinel_username: sentinel_username?,
        sentinel_password: sentinel_password?,
        db: db?,
        command_timeout: command_timeout?,
        connect_timeout: connect_timeout?,
        pool_size: pool_size?,
    };
    // The URL wins wherever it says something, and the single variables stand for what it leaves out.
    if let Some(url) = url? {
        let by = REDIS_URL.variable.name;
        (redis.servers, redis.tls) = (url.servers, url.tls);
        values.override_with(&REDIS_ADDR, by);
        if let Some(username) = url.username {
            redis.username = Some(username);
            values.override_with(&REDIS_USERNAME, by);
        }
        if let Some(password) = url.password {
            redis.password = Some(password);
            values.override_with(&REDIS_PASSWORD, by);
        }
        if let Some(db) = url.db {
            redis.db = db;
            values.override_with(&REDIS_DB, by);
        }
    }
    contradictions(values, &redis);
    Some(redis)
}

/// What is set for another kind of Redis than the one that is there.
fn contradictions(values: &mut Values, redis: &RedisConfig) {
    if matches!(redis.servers, RedisServers::Cluster(_)) && redis.db != 0 {
        values.refuse(&REDIS_DB, CLUSTERS_HAVE_ONE_DATABASE);
    }
    if !matches!(redis.servers, RedisServers::Sentinel { .. }) {
        let reason = "there are no sentinels without REDIS_URL=redis-sentinel://…";
        if redis.sentinel_username.is_some() {
            values.refuse(&REDIS_SENTINEL_USERNAME, reason);
        }
        if redis.sentinel_password.is_some() {
            values.refuse(&REDIS_SENTINEL_PASSWORD, reason);
        }
    }
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

fn access(values: &mut Values) -> Option<AccessConfig> {
    let users = values.read(&AUTH);
    let off_anyway = values.read(&AUTH_OFF_ANYWAY);
    let session_ttl = values.read(&SESSION_TTL);
    let cookie_secure = values.read(&SESSION_COOKIE_SECURE);
    let metrics_open = values.read(&METRICS_OPEN);
    let smtp_url = values.read(&SMTP_URL);
    let mail_from = values.read(&MAIL_FROM);
    let mail_file = values.read(&MAIL_FILE);
    let reset_url = values.read(&PASSWORD_RESET_URL);
    Some(AccessConfig {
        users: users?,
        off_anyway: off_anyway?,
        session_ttl: session_ttl?,
        cookie_secure: cookie_secure?,
        metrics_open: metrics_open?,
        smtp_url: smtp_url?,
        mail_from: mail_from?,
        mail_file: mail_file?,
        reset_url: reset_url?,
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

fn limits(values: &mut Values) -> Option<LimitsConfig> {
    let on = values.read(&RATE_LIMIT);
    let api = values.read(&RATE_LIMIT_API);
    let login = values.read(&RATE_LIMIT_LOGIN);
    let register = values.read(&RATE_LIMIT_REGISTER);
    let forgot_password = values.read(&RATE_LIMIT_FORGOT_PASSWORD);
    let guess = values.read(&RATE_LIMIT_TOKEN);
    let routes = values.read(&RATE_LIMIT_ROUTES);
    let on_loss = values.read(&RATE_LIMIT_ON_LOSS);
    let trusted_proxies = values.read(&TRUSTED_PROXIES);
    Some(LimitsConfig {
        on: on?,
        api: api?,
        login: login?,
        register: register?,
        forgot_password: forgot_password?,
        guess: guess?,
        routes: routes?,
        on_loss: on_loss?,
        trusted_proxies: trusted_proxies?,
    })
}

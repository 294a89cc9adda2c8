//! The composition root: the only place that knows every module. Turns the configuration into their options and
//! registers them in the order of their dependencies.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_api::{ApiModule, ApiOptions};
use hotshelf_cache::{CacheModule, CacheOptions, EpochStore, RedisOptions, Tiers, WriteStrategy};
use hotshelf_domain::{DatabaseModule, DatabaseOptions, ProductRepository, StoreError};
use hotshelf_lifecycle::Container;
use hotshelf_product::{CatalogueEpoch, Lives, ProductModule};
use hotshelf_stats::StatsModule;
use hotshelf_warm::{WarmModule, WarmOptions};

use crate::config::{self, CacheBackend, Config, CorsOrigins};

/// The catalogue without its HTTP interface, for commands that work on the products and then end.
pub(crate) fn catalogue(config: &Config) -> Container {
    // Over before an audit could tell anything.
    modules(config, 0.0)
}

fn modules(config: &Config, audit_rate: f64) -> Container {
    let mut container = Container::new(config.http.shutdown_timeout);
    container
        .register(StatsModule)
        .register(DatabaseModule::new(database(config)))
        .register(CacheModule::<StoreError>::new(cache(config), |services| {
            let repository = services.require::<ProductRepository>("database")?;
            Ok(Arc::new(CatalogueEpoch::new(repository)) as Arc<dyn EpochStore>)
        }))
        .register(ProductModule::new(lives(config), audit_rate));
    container
}

/// The catalogue as `hotshelf warm` needs it: with nothing that warms by itself.
pub(crate) fn warming(config: &Config) -> Container {
    let mut container = catalogue(config);
    container.register(WarmModule::new(WarmOptions { interval: Duration::ZERO, ..warm(config) }));
    container
}

/// The whole service.
pub(crate) fn service(config: &Config) -> Container {
    let mut container = modules(config, config.cache.audit_rate);
    container.register(WarmModule::new(warm(config)));
    container.register(ApiModule::new(api(config)));
    container
}

fn database(config: &Config) -> DatabaseOptions {
    DatabaseOptions { path: config.database.path.clone(), shared: config.database.shared }
}

fn cache(config: &Config) -> CacheOptions {
    CacheOptions {
        tiers: match config.cache.backend {
            CacheBackend::Tiered => Tiers::Tiered,
            CacheBackend::Redis => Tiers::Redis,
            CacheBackend::Memory => Tiers::Memory,
            CacheBackend::None => Tiers::None,
        },
        shared_database: config.database.shared,
        memory_bytes: config.cache.l1_bytes,
        write_strategy: match config.cache.write_strategy {
            config::WriteStrategy::Invalidate => WriteStrategy::Invalidate,
            config::WriteStrategy::WriteThrough => WriteStrategy::WriteThrough,
        },
        redis: redis(config),
    }
}

fn redis(config: &Config) -> RedisOptions {
    let redis = &config.redis;
    let scheme = if redis.endpoint.tls { "rediss" } else { "redis" };
    // An IPv6 address needs its brackets back.
    let host = if redis.endpoint.host.contains(':') {
        format!("[{}]", redis.endpoint.host)
    } else {
        redis.endpoint.host.clone()
    };
    let user = redis.username.as_deref().map(|name| percent_encode(name) + "@").unwrap_or_default();
    RedisOptions {
        url: format!("{scheme}://{user}{host}:{}", redis.endpoint.port),
        password: redis.password.as_ref().map(|password| password.expose().to_owned()),
        database: redis.db,
        prefix: config.cache.prefix.clone(),
        command_timeout: redis.command_timeout,
        connect_timeout: redis.connect_timeout,
    }
}

/// `app@shop` becomes `app%40shop`, as it has to stand in a URL.
fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn lives(config: &Config) -> Lives {
    let lives = &config.cache.lives;
    Lives {
        product: lives.product,
        details: lives.details,
        list: lives.list,
        pages: lives.pages,
        organization_ids: lives.org_ids,
        schema_ids: lives.schema_ids,
        analytics: lives.analytics,
        negative: lives.negative,
        grace: lives.grace,
    }
}

fn warm(config: &Config) -> WarmOptions {
    WarmOptions { interval: config.warm.interval, products: config.warm.products, rate: config.warm.rate }
}

fn api(config: &Config) -> ApiOptions {
    let http = &config.http;
    ApiOptions {
        host: http.host.clone(),
        port: http.port,
        request_timeout: http.request_timeout,
        max_concurrent_requests: http.max_concurrent_requests,
        cors_origins: match &http.cors_origins {
            CorsOrigins::None => Vec::new(),
            CorsOrigins::Any => vec!["*".to_owned()],
            CorsOrigins::Listed(origins) => origins.clone(),
        },
        cache_prefix: config.cache.prefix.clone(),
    }
}

//! The composition root: the only place that knows every module. Turns the configuration into their options and
//! registers them in the order of their dependencies.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_api::{ApiModule, ApiOptions, LimitOptions, UploadOptions, UserOptions};
use hotshelf_auth::{AuthModule, AuthOptions, MailOptions};
use hotshelf_cache::{CacheModule, CacheOptions, EpochStore, Tiers, WriteStrategy};
use hotshelf_domain::{DatabaseModule, DatabaseOptions, ProductRepository, StoreError};
use hotshelf_lifecycle::Container;
use hotshelf_product::{CatalogueEpoch, Lives, ProductModule};
use hotshelf_ratelimit::{RateLimitModule, RateLimitOptions};
use hotshelf_redis::{Credentials, RedisOptions, Servers};
use hotshelf_session::{SessionModule, SessionOptions};
use hotshelf_stats::StatsModule;
use hotshelf_warm::{WarmModule, WarmOptions};

use crate::config::{self, CacheBackend, Config, CorsOrigins, RedisServers, Secret};

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

/// The catalogue with its users, for commands that work on those.
pub(crate) fn accounts(config: &Config) -> Container {
    let mut container = modules(config, 0.0);
    register_users(&mut container, config);
    container
}

/// The catalogue as `hotshelf warm` needs it: with nothing that warms by itself.
pub(crate) fn warming(config: &Config) -> Container {
    let mut container = catalogue(config);
    container.register(WarmModule::new(WarmOptions { interval: Duration::ZERO, ..warm(config) }));
    container
}

fn register_users(container: &mut Container, config: &Config) {
    container.register(SessionModule::new(sessions(config))).register(AuthModule::new(auth(config)));
}

/// The whole service.
pub(crate) fn service(config: &Config) -> Container {
    let mut container = modules(config, config.cache.audit_rate);
    container.register(WarmModule::new(warm(config)));
    if config.access.users {
        register_users(&mut container, config);
    }
    container.register(RateLimitModule::new(rate_limits(config)));
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
        key_prefix: config.cache.prefix.clone(),
    }
}

fn redis(config: &Config) -> RedisOptions {
    let redis = &config.redis;
    RedisOptions {
        servers: match &redis.servers {
            RedisServers::One(address) => Servers::One(address.clone()),
            RedisServers::Sentinel { sentinels, service } => Servers::Sentinel {
                sentinels: sentinels.clone(),
                service: service.clone(),
                credentials: credentials(redis.sentinel_username.as_ref(), redis.sentinel_password.as_ref()),
            },
            RedisServers::Cluster(nodes) => Servers::Cluster(nodes.clone()),
        },
        tls: redis.tls,
        credentials: credentials(redis.username.as_ref(), redis.password.as_ref()),
        database: redis.db,
        pool_size: redis.pool_size,
        command_timeout: redis.command_timeout,
        connect_timeout: redis.connect_timeout,
    }
}

fn credentials(username: Option<&String>, password: Option<&Secret>) -> Credentials {
    Credentials { username: username.cloned(), password: password.map(|password| password.expose().to_owned()) }
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

fn sessions(config: &Config) -> SessionOptions {
    let lives = &config.cache.lives;
    SessionOptions {
        session_life: config.access.session_ttl,
        copy_life: lives.product,
        negative_life: lives.negative,
        grace: lives.grace,
    }
}

fn auth(config: &Config) -> AuthOptions {
    let access = &config.access;
    AuthOptions {
        mail: match &access.smtp_url {
            Some(url) => MailOptions::Smtp { url: url.expose().to_owned(), from: access.mail_from.clone() },
            None => MailOptions::File(access.mail_file.clone()),
        },
        reset_url: access.reset_url.clone(),
        lives: sessions(config),
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
        idle_timeout: http.idle_timeout,
        max_concurrent_requests: http.max_concurrent_requests,
        max_connections: http.max_connections,
        max_connections_per_address: http.max_connections_per_address,
        uploads: UploadOptions { most: http.max_uploads, bytes: http.max_upload_bytes, timeout: http.upload_timeout },
        cors_origins: match &http.cors_origins {
            CorsOrigins::None => Vec::new(),
            CorsOrigins::Any => vec!["*".to_owned()],
            CorsOrigins::Listed(origins) => origins.clone(),
        },
        cache_prefix: config.cache.prefix.clone(),
        users: config.access.users.then_some(UserOptions { cookie_secure: config.access.cookie_secure }),
        metrics_open: config.access.metrics_open,
        limits: limits(config),
    }
}

/// Limits are counted together where values are kept together.
fn rate_limits(config: &Config) -> RateLimitOptions {
    let together = matches!(config.cache.backend, CacheBackend::Tiered | CacheBackend::Redis);
    RateLimitOptions {
        redis: together.then(|| redis(config)),
        prefix: config.cache.prefix.clone(),
        on_loss: config.limits.on_loss,
    }
}

fn limits(config: &Config) -> LimitOptions {
    let limits = &config.limits;
    LimitOptions {
        on: limits.on,
        api: limits.api,
        routes: limits.routes.clone(),
        login: limits.login,
        register: limits.register,
        forgot_password: limits.forgot_password,
        guess: limits.guess,
        trusted_proxies: limits.trusted_proxies.clone(),
    }
}

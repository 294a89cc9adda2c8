//! The composition root: the only place that knows every module. Builds them in the order of their dependencies, each with
//! what it needs, and turns the configuration into their options.

use std::sync::Arc;
use std::time::Duration;

use hotshelf_accounts::{Auth, MailOptions, SessionOptions};
use hotshelf_api::{ApiModule, ApiOptions, ApiServices, LimitOptions, UploadOptions, UserOptions};
use hotshelf_cache::{Cache, CacheOptions, Tiers, WriteStrategy};
use hotshelf_cache_module::CacheModule;
use hotshelf_database::{Database, DatabaseOptions};
use hotshelf_domain::StoreError;
use hotshelf_lifecycle::{Container, Running, StartError};
use hotshelf_product::{Lives, ProductModule, ProductService, WarmOptions, Warmer};
use hotshelf_ratelimit::{RateLimitOptions, RateLimiter};
use hotshelf_redis_client::{Credentials, RedisOptions, Servers};
use hotshelf_stats::Stats;

use crate::config::{self, CacheBackend, Config, CorsOrigins, RedisServers, Secret};

/// The catalogue without its HTTP interface: what all commands work with.
pub(crate) struct Catalogue {
    pub(crate) container: Container,
    pub(crate) repository: Database,
    pub(crate) products: ProductService,
    cache: Cache<StoreError>,
    stats: Stats,
}

/// For commands that work on the products and then end.
pub(crate) async fn catalogue(config: &Config) -> Result<Catalogue, StartError> {
    // Over before an audit could tell anything.
    build(config, 0.0).await
}

async fn build(config: &Config, audit_rate: f64) -> Result<Catalogue, StartError> {
    let mut container = Container::new(config.http.shutdown_timeout);
    let stats = container.init("stats", async { Ok(Stats::new()?) }).await?;
    let repository = async { Ok(Database::open(database(config), &stats).await?) };
    let repository = container.init("database", repository).await?;
    let repository = Database::clone(&repository);
    let epoch = Arc::new(repository.clone());
    let cache =
        async { Ok(CacheModule::new(Cache::new(cache_options(config), epoch, StoreError::changed_nothing, &stats)?)) };
    let cache = container.init("cache", cache).await?.cache().clone();
    let product = async {
        let service = ProductService::new(cache.clone(), repository.clone(), lives(config))?;
        Ok(ProductModule::new(service, audit_rate))
    };
    let products = container.init("product", product).await?.service().clone();
    Ok(Catalogue { container, repository, products, cache, stats: Stats::clone(&stats) })
}

impl Catalogue {
    /// Adds what loads the cache ahead.
    pub(crate) async fn warmer(&mut self, options: WarmOptions) -> Result<Warmer, StartError> {
        let warmer = Warmer::new(self.products.clone(), self.stats.clone(), options);
        Ok(Warmer::clone(&*self.container.init("warm", async { Ok(warmer) }).await?))
    }

    /// Adds the users.
    pub(crate) async fn accounts(&mut self, config: &Config) -> Result<Auth, StartError> {
        let accounts = Database::clone(&self.repository);
        let auth = async {
            let (mailer, reset_url) = (mail(config).mailer()?, config.access.reset_url.clone());
            Ok(Auth::new(self.cache.clone(), accounts, sessions(config), mailer, reset_url, &self.stats)?)
        };
        Ok(Auth::clone(&*self.container.init("accounts", auth).await?))
    }
}

/// Builds and starts the whole service.
pub(crate) async fn serve(config: &Config) -> Result<Running, StartError> {
    let mut catalogue = build(config, config.cache.audit_rate).await?;
    let warmer = catalogue.warmer(warm(config)).await?;
    let auth = if config.access.users { Some(catalogue.accounts(config).await?) } else { None };
    let Catalogue { mut container, products, stats, .. } = catalogue;
    let limiter = async { Ok(RateLimiter::new(rate_limits(config), &stats)) };
    let limiter = RateLimiter::clone(&*container.init("ratelimit", limiter).await?);
    let health = container.health();
    let services = ApiServices { products, auth, warmer, limiter, stats, health };
    container.init("api", async { Ok(ApiModule::new(api(config), services)) }).await?;
    container.start().await
}

fn database(config: &Config) -> DatabaseOptions {
    DatabaseOptions { path: config.database.path.clone(), shared: config.database.shared }
}

fn cache_options(config: &Config) -> CacheOptions {
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

fn mail(config: &Config) -> MailOptions {
    let access = &config.access;
    match &access.smtp_url {
        Some(url) => MailOptions::Smtp { url: url.expose().to_owned(), from: access.mail_from.clone() },
        None => MailOptions::File(access.mail_file.clone()),
    }
}

/// Of `hotshelf warm`, which warms once.
pub(crate) fn warm_once(config: &Config) -> WarmOptions {
    WarmOptions { interval: Duration::ZERO, ..warm(config) }
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

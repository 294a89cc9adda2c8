//! For HTTP: routes, parameters, conditional requests, problem responses, who may use which route, and the pipeline
//! that every request passes. Knows no SQL and no Redis. May depend on `accounts`, `product` and all below them.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! use hotshelf_api::{ApiModule, ApiOptions, ApiServices, LimitOptions, TrustedProxies, UploadOptions};
//! use hotshelf_lifecycle::Container;
//! use hotshelf_ratelimit::{Limit, OnLoss, RateLimitOptions, RateLimiter};
//! # use hotshelf_cache::{Cache, CacheOptions, Consistency, RedisOptions, Tiers, WriteStrategy};
//! # use hotshelf_product::{Ttls, ProductService, WarmOptions, Warmer};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let registry = hotshelf_stats::Registry::new()?;
//! # let database = hotshelf_database::DatabaseOptions::at(directory.path().join("products.db"));
//! # let options = CacheOptions { tiers: Tiers::Memory, shared_database: false, memory_bytes: 1 << 20,
//! #     consistency: Consistency::Linearizable,
//! #     write_strategy: WriteStrategy::Invalidate, redis: RedisOptions::default(),
//! #     key_prefix: String::new(), seal_key: None };
//! # let repository = hotshelf_database::Database::open(database, &registry).await?;
//! # let changed_nothing = hotshelf_domain::StoreError::changed_nothing;
//! # let cache = Cache::new(options, Arc::new(repository.clone()), changed_nothing)?;
//! # let statistics = hotshelf_cache_module::CacheModule::new(cache.clone(), &registry)?.statistics().clone();
//! # let products = ProductService::new(cache, repository, Ttls::default(), 0.0)?;
//! # let warm = WarmOptions { interval: Duration::ZERO, products: 0, rate: 1 };
//! # let warmer = Warmer::new(products.clone(), &registry, warm)?;
//! # let limits = RateLimitOptions { redis: None, prefix: String::new(), on_loss: OnLoss::Local };
//! # let limiter = RateLimiter::new(limits, &registry)?;
//! let options = ApiOptions {
//!     host: "127.0.0.1".to_owned(),
//!     port: 0,
//!     request_timeout: Duration::from_secs(10),
//!     idle_timeout: Duration::from_secs(60),
//!     max_concurrent_requests: 1024,
//!     max_connections: None,
//!     max_connections_per_address: None,
//!     uploads: UploadOptions { most: 1024, bytes: 128 << 20, timeout: Duration::from_secs(10) },
//!     compression: true,
//!     cors_origins: Vec::new(),
//!     allowed_hosts: None,
//!     cache_prefix: "product:".to_owned(),
//!     users: None,
//!     metrics_open: false,
//!     limits: LimitOptions {
//!         on: true,
//!         api: Limit::new(100, Duration::from_secs(60))?,
//!         routes: Vec::new(),
//!         login: Limit::new(5, Duration::from_secs(60))?,
//!         guess: Limit::new(60, Duration::from_secs(60))?,
//!         register: Limit::new(3, Duration::from_secs(3600))?,
//!         forgot_password: Limit::new(3, Duration::from_secs(3600))?,
//!         trusted_proxies: TrustedProxies::default(),
//!     },
//! };
//! let mut container = Container::new(Duration::from_secs(30));
//! let health = container.health();
//! # let audit = hotshelf_audit::AuditLog::new(products.repository().clone(), Duration::from_secs(86_400), &registry)?;
//! let services = ApiServices { products, auth: None, audit, warmer, limiter, statistics, registry, health };
//! container.init("api", async { Ok(ApiModule::new(options, services)?) }).await?;
//! container.start().await?.stop().await?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod activity;
mod actor;
mod authorizer;
mod body;
mod caller;
mod client;
mod compression;
mod conditions;
mod connections;
mod content;
mod cookie;
mod descriptors;
mod fast_path;
mod hosts;
mod http2;
mod limits;
mod metrics;
mod module;
mod negotiation;
mod openapi;
mod opening;
mod operations;
mod options;
mod origins;
mod params;
mod pipeline;
mod problem;
mod reply;
mod request_context;
mod request_id;
mod router;
mod routes;
mod server;
mod state;
mod unknown_proxy;
mod uploads;

pub use client::{NoNetwork, TrustedProxies};
pub use limits::{LimitOptions, RouteLimit};
pub use module::ApiModule;
pub use options::{ApiOptions, UserOptions};
pub use router::has_route;
pub use state::ApiServices;
pub use uploads::UploadOptions;

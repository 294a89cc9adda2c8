//! What handlers work with. A handler names the part that it uses: `State<ProductService>`.

use std::sync::Arc;

use axum::extract::FromRef;
use chrono::TimeDelta;
use hotshelf_accounts::Auth;
use hotshelf_audit::AuditLog;
use hotshelf_cache_module::CacheStatistics;
use hotshelf_database::Database;
use hotshelf_lifecycle::HealthBoard;
use hotshelf_product::{ProductService, Warmer};
use hotshelf_ratelimit::RateLimiter;
use hotshelf_stats::{MetricsError, Registry};

use crate::compression::Compression;
use crate::cookie::Cookies;
use crate::limits::{AccountLimits, RequestLimits};
use crate::options::{ApiOptions, UserOptions};

/// The services behind the API.
pub struct ApiServices {
    /// The products.
    pub products: ProductService,
    /// Users and their sessions; `None`: `AUTH=off`, everybody may do everything.
    pub auth: Option<Auth>,
    /// Records what callers do.
    pub audit: AuditLog,
    /// Warms the cache.
    pub warmer: Warmer,
    /// Counts requests against their limits.
    pub limiter: RateLimiter,
    /// The statistics of the cache.
    pub statistics: CacheStatistics,
    /// The metrics.
    pub registry: Registry,
    /// The health of all modules.
    pub health: HealthBoard,
}

/// The state of the router: one pointer, because the router clones it for each request.
#[derive(Clone)]
pub(crate) struct ApiState(Arc<Parts>);

/// The prefix of all cache keys.
#[derive(Clone)]
pub(crate) struct CachePrefix(pub(crate) Arc<str>);

/// How long an API key may be good, if that is bounded.
#[derive(Clone, Copy)]
pub(crate) struct ApiKeyTtl(pub(crate) Option<TimeDelta>);

impl ApiKeyTtl {
    fn new(options: Option<UserOptions>) -> Self {
        let ttl = options.and_then(|options| options.api_key_ttl);
        ApiKeyTtl(ttl.map(|ttl| TimeDelta::from_std(ttl).unwrap_or(TimeDelta::MAX)))
    }
}

/// Declares the parts of the state, and lets a handler extract each by its type. A clone of a part is cheap.
macro_rules! parts {
    ($($part:ident: $type:ty),* $(,)?) => {
        struct Parts {
            $($part: $type,)*
        }

        $(impl FromRef<ApiState> for $type {
            fn from_ref(state: &ApiState) -> Self {
                state.0.$part.clone()
            }
        })*
    };
}

parts! {
    products: ProductService,
    repository: Database,
    // `None`: `AUTH=off`.
    auth: Option<Auth>,
    audit: AuditLog,
    cookies: Cookies,
    compression: Compression,
    api_key_ttl: ApiKeyTtl,
    cache_prefix: CachePrefix,
    statistics: CacheStatistics,
    registry: Registry,
    health: HealthBoard,
    warmer: Warmer,
    request_limits: Arc<RequestLimits>,
    account_limits: Arc<AccountLimits>,
}

impl ApiState {
    pub(crate) fn new(options: &ApiOptions, services: ApiServices) -> Result<Self, MetricsError> {
        let ApiServices { products, auth, audit, warmer, limiter, statistics, registry, health } = services;
        Ok(ApiState(Arc::new(Parts {
            repository: products.repository().clone(),
            products,
            auth,
            audit,
            cookies: Cookies::new(options.users),
            compression: Compression::new(options.compression, &registry)?,
            api_key_ttl: ApiKeyTtl::new(options.users),
            cache_prefix: CachePrefix(options.cache_prefix.as_str().into()),
            statistics,
            registry,
            health,
            warmer,
            request_limits: Arc::new(RequestLimits::new(&options.limits, &limiter)),
            account_limits: Arc::new(AccountLimits::new(&options.limits, &limiter)),
        })))
    }
}

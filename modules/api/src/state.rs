//! What handlers work with. A handler names the part that it uses: `State<ProductService>`.

use std::sync::Arc;

use axum::extract::FromRef;
use hotshelf_accounts::Auth;
use hotshelf_domain::ProductRepository;
use hotshelf_lifecycle::HealthBoard;
use hotshelf_product::{ProductService, Warmer};
use hotshelf_ratelimit::RateLimiter;
use hotshelf_stats::Stats;

use crate::cookie::Cookies;
use crate::limits::{AccountLimits, RequestLimits};
use crate::options::ApiOptions;

/// What the API serves.
pub struct ApiServices {
    /// The products.
    pub products: ProductService,
    /// The users; `None` when there are none and everybody may do everything.
    pub auth: Option<Auth>,
    /// What loads the cache ahead.
    pub warmer: Warmer,
    /// What counts the requests that are limited.
    pub limiter: RateLimiter,
    /// The statistics.
    pub stats: Stats,
    /// The health of all modules.
    pub health: HealthBoard,
}

/// One pointer, because the router clones it for each request.
#[derive(Clone)]
pub(crate) struct ApiState(Arc<Parts>);

struct Parts {
    products: ProductService,
    repository: ProductRepository,
    /// `None`: users are off.
    auth: Option<Auth>,
    cookies: Cookies,
    cache_prefix: CachePrefix,
    stats: Stats,
    health: HealthBoard,
    warmer: Warmer,
    request_limits: Arc<RequestLimits>,
    account_limits: Arc<AccountLimits>,
}

/// What all keys of the cache begin with.
#[derive(Clone)]
pub(crate) struct CachePrefix(pub(crate) Arc<str>);

impl ApiState {
    pub(crate) fn new(options: &ApiOptions, services: ApiServices) -> Self {
        let ApiServices { products, auth, warmer, limiter, stats, health } = services;
        ApiState(Arc::new(Parts {
            repository: products.repository().clone(),
            products,
            auth,
            cookies: Cookies::new(options.users),
            cache_prefix: CachePrefix(options.cache_prefix.as_str().into()),
            stats,
            health,
            warmer,
            request_limits: Arc::new(RequestLimits::new(&options.limits, &limiter)),
            account_limits: Arc::new(AccountLimits::new(&options.limits, &limiter)),
        }))
    }
}

/// A part of the state for each type, a cheap clone.
macro_rules! parts {
    ($($part:ident: $type:ty),* $(,)?) => {
        $(impl FromRef<ApiState> for $type {
            fn from_ref(state: &ApiState) -> Self {
                state.0.$part.clone()
            }
        })*
    };
}

parts! {
    products: ProductService,
    repository: ProductRepository,
    auth: Option<Auth>,
    cookies: Cookies,
    cache_prefix: CachePrefix,
    stats: Stats,
    health: HealthBoard,
    warmer: Warmer,
    request_limits: Arc<RequestLimits>,
    account_limits: Arc<AccountLimits>,
}

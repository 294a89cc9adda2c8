//! Rate limits of the API: which limit applies to a request, and whom it counts.

mod accounts;
mod policy;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method};
use hotshelf_ratelimit::{Limit, RateLimiter, Subject};

use crate::caller::Caller;
use crate::client::{Peer, TrustedProxies};
use crate::problem::Problem;
pub(crate) use accounts::AccountLimits;
pub(crate) use policy::{LimitHeaders, Policy, RATE_LIMIT, RATE_LIMIT_POLICY};

/// Options of the rate limits.
#[derive(Clone, Debug)]
pub struct LimitOptions {
    /// Whether requests to the API are limited.
    pub on: bool,
    /// Per caller.
    pub api: Limit,
    /// Limits of single routes, which replace `api`. Each has its own count.
    pub routes: Vec<RouteLimit>,
    /// Logins per address and account. Ten times as many are allowed per address, a hundred times as many per account.
    /// Also passwords that a logged-in user tries. This limit and the next three are always on.
    pub login: Limit,
    /// Unknown tokens per address.
    pub guess: Limit,
    /// Registrations per address, or per network of IPv6 addresses.
    pub register: Limit,
    /// Requests for a password reset per address.
    pub forgot_password: Limit,
    /// Proxies whose `Forwarded` and `X-Forwarded-For` headers are trusted.
    pub trusted_proxies: TrustedProxies,
}

/// A rate limit of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLimit {
    /// In upper case.
    pub method: String,
    /// As in the OpenAPI document: `/api/v1/products/{id}`.
    pub path: String,
    /// Per caller.
    pub limit: Limit,
}

impl RouteLimit {
    /// The name of the limit in headers, metrics and keys: `get-api-v1-products-id`.
    fn name(&self) -> String {
        let route = format!("{} {}", self.method, self.path).to_ascii_lowercase();
        let words = route.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-")
    }
}

/// The limits of requests.
pub(crate) struct RequestLimits {
    proxies: TrustedProxies,
    /// `None`: requests are not limited.
    policies: Option<RequestPolicies>,
}

struct RequestPolicies {
    default: Policy,
    routes: Vec<(RouteLimit, Policy)>,
}

impl RequestLimits {
    pub(crate) fn new(options: &LimitOptions, limiter: &RateLimiter) -> Self {
        let policy = |name: &str, limit| Policy::new(limiter.scope(name, limit));
        let of_route = |route: &RouteLimit| (route.clone(), policy(&route.name(), route.limit));
        let policies = || RequestPolicies {
            default: policy("api", options.api),
            routes: options.routes.iter().map(of_route).collect(),
        };
        RequestLimits { proxies: options.trusted_proxies.clone(), policies: options.on.then(policies) }
    }

    /// The limit of such a request. Probes and metrics have none, because they must get through under overload. Logout
    /// is exempt too.
    pub(crate) fn policy(&self, method: &Method, route: &str) -> Option<&Policy> {
        let policies = self.policies.as_ref()?;
        if route.starts_with("/health") || ["/metrics", "/api/v1/auth/logout"].contains(&route) {
            return None;
        }
        // The handler of GET also answers HEAD.
        let method = if method == Method::HEAD { "GET" } else { method.as_str() };
        let own = policies.routes.iter().find(|(own, _)| own.path == route && own.method == method);
        Some(own.map_or(&policies.default, |(_, policy)| policy))
    }

    /// The client that limits per address count. Requests without a connection count as one client.
    pub(crate) fn client(&self, extensions: &Extensions, headers: &HeaderMap) -> Subject {
        match extensions.get::<Peer>() {
            Some(peer) => self.client_of(peer, headers),
            None => Subject::new("nobody"),
        }
    }

    /// The same for a request of this peer.
    pub(crate) fn client_of(&self, peer: &Peer, headers: &HeaderMap) -> Subject {
        peer.client(&self.proxies, headers)
    }

    /// The network of the client: of IPv6, a customer of a provider has far more than one of what counts as a client.
    fn network(&self, extensions: &Extensions, headers: &HeaderMap) -> Subject {
        match extensions.get::<Peer>() {
            Some(peer) => peer.network(&self.proxies, headers),
            None => Subject::new("nobody"),
        }
    }
}

/// Counts a request against its policy, if it has one: of the caller, or of the client if the caller is unknown.
pub(crate) async fn count(
    policy: Option<&Policy>,
    caller: Option<&Caller>,
    client: &Subject,
) -> Result<LimitHeaders, Problem> {
    let Some(policy) = policy else { return Ok(LimitHeaders::none()) };
    match caller.and_then(Caller::subject) {
        Some(caller) => policy.count(&caller).await,
        None => policy.count(client).await,
    }
}

/// Extracts the client that limits per address count.
#[derive(Clone, Debug)]
pub(crate) struct Client(pub(crate) Subject);

impl<S: Send + Sync> FromRequestParts<S> for Client
where
    Arc<RequestLimits>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Client(Arc::<RequestLimits>::from_ref(state).client(&parts.extensions, &parts.headers)))
    }
}

/// Extracts the network of the client.
#[derive(Clone, Debug)]
pub(crate) struct Network(pub(crate) Subject);

impl<S: Send + Sync> FromRequestParts<S> for Network
where
    Arc<RequestLimits>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Network(Arc::<RequestLimits>::from_ref(state).network(&parts.extensions, &parts.headers)))
    }
}

#[cfg(test)]
mod tests;

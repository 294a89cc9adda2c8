//! Rate limits of the API: which limit applies to a request, and whom it counts.

mod accounts;
mod policy;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method};
use hotshelf_ratelimit::{Limit, RateLimiter, Subject};

use crate::client::{Peer, TrustedProxies};
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
    /// Registrations per address.
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
    /// By path, then by method.
    routes: HashMap<String, Vec<(Method, Policy)>>,
}

impl RequestLimits {
    pub(crate) fn new(options: &LimitOptions, limiter: &RateLimiter) -> Self {
        let policy = |name: &str, limit| Policy::new(limiter.scope(name, limit));
        let policies =
            || RequestPolicies { default: policy("api", options.api), routes: by_path(&options.routes, policy) };
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
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let own = policies.routes.get(route).and_then(|methods| methods.iter().find(|(of, _)| of == method));
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
}

fn by_path(routes: &[RouteLimit], policy: impl Fn(&str, Limit) -> Policy) -> HashMap<String, Vec<(Method, Policy)>> {
    let mut by_path: HashMap<_, Vec<_>> = HashMap::new();
    for route in routes {
        if let Ok(method) = Method::from_bytes(route.method.as_bytes()) {
            by_path.entry(route.path.clone()).or_default().push((method, policy(&route.name(), route.limit)));
        }
    }
    by_path
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

#[cfg(test)]
mod tests;

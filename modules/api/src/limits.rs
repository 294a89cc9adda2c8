//! Rate limits of the API: which limit a request is under, and who is counted.

mod accounts;
mod policy;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use hotshelf_ratelimit::{Limit, RateLimiter, Subject};

use crate::client::{Peer, TrustedProxies};
pub(crate) use accounts::AccountLimits;
pub(crate) use policy::{LimitHeaders, Policy, RATE_LIMIT, RATE_LIMIT_POLICY};

/// What is limited, and how much.
#[derive(Clone, Debug)]
pub struct LimitOptions {
    /// Whether requests to the API are.
    pub on: bool,
    /// For each caller.
    pub api: Limit,
    /// Instead of `api`, each counted apart.
    pub routes: Vec<RouteLimit>,
    /// Logins from one address to one account; ten times as many from one address to all accounts, a hundred times as
    /// many from everywhere to one account. Also passwords that somebody who is logged in tries. These and the next
    /// three are always on.
    pub login: Limit,
    /// Tokens from one address that nobody has.
    pub guess: Limit,
    /// Registrations from one address.
    pub register: Limit,
    /// Passwords that were forgotten at one address.
    pub forgot_password: Limit,
    /// The proxies whose word about the client's address counts.
    pub trusted_proxies: TrustedProxies,
}

/// A limit of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteLimit {
    /// In capitals.
    pub method: String,
    /// As the API describes it: `/api/v1/products/{id}`.
    pub path: String,
    /// For each caller.
    pub limit: Limit,
}

impl RouteLimit {
    /// What it is called in headers, metrics and keys: `get-api-v1-products-id`.
    fn name(&self) -> String {
        let route = format!("{} {}", self.method, self.path).to_ascii_lowercase();
        let words = route.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-")
    }
}

/// The limits of requests, and whom they count.
pub(crate) struct RequestLimits {
    proxies: TrustedProxies,
    /// `None` while they are off.
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

    /// The limit that such a request is under, if any. Probes and metrics are under none: they must get through when
    /// nothing else does. So must whoever wants to be let in no more.
    pub(crate) fn policy(&self, method: &Method, route: &str) -> Option<&Policy> {
        let policies = self.policies.as_ref()?;
        if route.starts_with("/health") || ["/metrics", "/api/v1/auth/logout"].contains(&route) {
            return None;
        }
        // What answers HEAD is the handler of GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let own = policies.routes.get(route).and_then(|methods| methods.iter().find(|(of, _)| of == method));
        Some(own.map_or(&policies.default, |(_, policy)| policy))
    }

    /// Whom limits by address are about. Without a connection behind it, nobody in particular.
    pub(crate) fn client(&self, extensions: &Extensions, headers: &HeaderMap) -> Subject {
        match extensions.get::<Peer>() {
            Some(peer) => self.client_of(peer, headers),
            None => Subject::new("nobody"),
        }
    }

    /// The same of a connection.
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

/// Whom limits by address are about, for handlers.
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

/// The answer of `answering`, unless the caller is refused. It counts when this is awaited first.
pub(crate) async fn answer_within(
    limit: Option<(&Policy, Subject)>,
    answering: impl Future<Output = Response>,
) -> Response {
    let Some((policy, caller)) = limit else { return answering.await };
    match policy.count(&caller).await {
        Ok(headers) => {
            let mut response = answering.await;
            headers.add_to(response.headers_mut());
            response
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests;

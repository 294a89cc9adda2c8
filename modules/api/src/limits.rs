//! Rate limits of the API: which limit a request is under, what its answer says about it, and what is said to those who
//! are refused. The header fields are those of draft-ietf-httpapi-ratelimit-headers (10 and 11).

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use bytes::Bytes;
use hotshelf_domain::{OrganizationId, UserId};
use hotshelf_ratelimit::{Decision, Limit, Quota, RateLimiter, Scope, Subject};

use crate::client::{Peer, TrustedProxies};
use crate::problem::Problem;

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How much wider the limits are that keep somebody from trying many accounts.
const WIDER: u32 = 10;
/// And many from trying one. So wide, that keeping its owner out takes a flood.
const WIDEST: u32 = 100;

/// What is limited, and how much.
#[derive(Clone, Debug)]
pub struct LimitOptions {
    /// Whether requests to the API are.
    pub on: bool,
    /// For each caller.
    pub api: Limit,
    /// Instead of `api`, each counted apart.
    pub routes: Vec<RouteLimit>,
    /// Logins from one address to one account; ten times as many from one address to all accounts, a hundred times as many from
    /// everywhere to one account. Also passwords that somebody who is logged in tries. These and the next three are always on.
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

pub(crate) struct Limits {
    proxies: TrustedProxies,
    /// `None` while they are off.
    api: Option<ApiPolicies>,
    accounts: AccountPolicies,
}

struct AccountPolicies {
    login: Policy,
    logins_of_client: Policy,
    logins_into_account: Policy,
    guess: Policy,
    mails: Policy,
    added_users: Policy,
    register: Policy,
    forgot_password: Policy,
}

struct ApiPolicies {
    default: Policy,
    /// By path, then by method.
    routes: HashMap<String, Vec<(Method, Policy)>>,
}

impl Limits {
    pub(crate) fn new(options: &LimitOptions, limiter: &RateLimiter) -> Self {
        let policy = |name: &str, limit| Policy::new(limiter.scope(name, limit));
        let guard = |name: &str, limit| Policy::new(limiter.guard(name, limit));
        Limits {
            proxies: options.trusted_proxies.clone(),
            api: options
                .on
                .then(|| ApiPolicies { default: policy("api", options.api), routes: by_path(&options.routes, policy) }),
            accounts: AccountPolicies {
                login: guard("login", options.login),
                logins_of_client: guard("login-client", options.login.times(WIDER)),
                logins_into_account: guard("login-account", options.login.times(WIDEST)),
                guess: guard("token", options.guess),
                mails: guard("mail", options.forgot_password),
                added_users: guard("add-user", options.register.times(WIDER)),
                register: guard("register", options.register),
                forgot_password: guard("forgot-password", options.forgot_password),
            },
        }
    }

    /// The limit that such a request is under, if any. Probes and metrics are under none: they must get through when
    /// nothing else does. So must whoever wants to be let in no more.
    pub(crate) fn policy(&self, method: &Method, route: &str) -> Option<&Policy> {
        let api = self.api.as_ref()?;
        if route.starts_with("/health") || ["/metrics", "/api/v1/auth/logout"].contains(&route) {
            return None;
        }
        // What answers HEAD is the handler of GET.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let own = api.routes.get(route).and_then(|methods| methods.iter().find(|(of, _)| of == method));
        Some(own.map_or(&api.default, |(_, policy)| policy))
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

/// What protects the ways into an account, always.
impl Limits {
    /// Counts a login: of that client into that account, and, with more room, of that client into whatever accounts, and into
    /// that account from wherever. The account is whatever the client says it is: differences in case and space around it do
    /// not make another one.
    pub(crate) async fn login(&self, client: &Subject, account: &str) -> Result<LimitHeaders, Problem> {
        let account = account_of(account);
        // In this order: who is refused already makes no subjects of all the accounts that come to mind.
        let _ = self.accounts.logins_of_client.count(client).await?;
        let _ = self.accounts.logins_into_account.count(&account).await?;
        self.accounts.login.count(&client.and(&account)).await
    }

    /// Counts a password that somebody who is logged in tries, or has made for others: hashes are dear.
    pub(crate) async fn password_of(&self, user: UserId) -> Result<LimitHeaders, Problem> {
        self.accounts.login.count(&Subject::new(&format!("user:{user}"))).await
    }

    /// Counts a mail to that address. Whether it may be sent is for the service to know, not for who asked.
    pub(crate) async fn mail_to(&self, account: &str) -> Result<(), Problem> {
        self.accounts.mails.count(&account_of(account)).await.map(drop)
    }

    /// Counts a user who is added to that organization.
    pub(crate) async fn add_user(&self, organization: OrganizationId) -> Result<(), Problem> {
        self.accounts.added_users.count(&Subject::new(&format!("organization:{organization}"))).await.map(drop)
    }

    /// Counts a token that nobody has.
    pub(crate) async fn guess(&self, client: &Subject) -> Result<(), Problem> {
        self.accounts.guess.count(client).await.map(drop)
    }

    /// What is answered to somebody who has certainly guessed too much.
    pub(crate) fn guesses_used_up(&self, client: &Subject) -> Option<Problem> {
        self.accounts.guess.refusal(client)
    }

    /// Counts a registration.
    pub(crate) async fn register(&self, client: &Subject) -> Result<LimitHeaders, Problem> {
        self.accounts.register.count(client).await
    }

    /// Counts a forgotten password.
    pub(crate) async fn forgot_password(&self, client: &Subject) -> Result<LimitHeaders, Problem> {
        self.accounts.forgot_password.count(client).await
    }
}

fn account_of(text: &str) -> Subject {
    Subject::hashed(&text.trim().to_lowercase())
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

/// A limit, and how headers speak of it.
#[derive(Clone)]
pub(crate) struct Policy {
    scope: Scope,
    /// `"api";q=100;w=60`
    header: HeaderValue,
    /// `"api";r=`
    name: String,
}

impl Policy {
    fn new(scope: Scope) -> Self {
        let name = format!("\"{}\"", scope.name());
        let header = format!("{name};q={};w={}", scope.limit().requests(), seconds(scope.limit().window()));
        // As long-lived as the process: of one that is shared, every answer would count the users, on whichever core.
        let header = HeaderValue::from_static(header.leak());
        Policy { scope, header, name: name + ";r=" }
    }

    pub(crate) async fn count(&self, subject: &Subject) -> Result<LimitHeaders, Problem> {
        self.admit(self.scope.decide(subject).await)
    }

    /// The decision for [`admit`](Policy::admit), if it need not wait for Redis. `None` has counted nothing.
    pub(crate) fn decide_at_once(&self, subject: &Subject) -> Option<Decision> {
        self.scope.decide_at_once(subject)
    }

    /// What is answered to somebody who is certain to be refused.
    fn refusal(&self, subject: &Subject) -> Option<Problem> {
        let quota = self.scope.refusal(subject)?;
        self.admit(Decision::Refused(quota)).err()
    }

    /// What the answer is to say, or what is answered instead.
    pub(crate) fn admit(&self, decision: Decision) -> Result<LimitHeaders, Problem> {
        match decision {
            Decision::Allowed(quota) => Ok(LimitHeaders(Some(self.headers(quota)))),
            Decision::Uncounted => Ok(LimitHeaders(None)),
            Decision::Refused(quota) => {
                let retry_after = seconds(quota.reset);
                let (limit, window) = (self.scope.limit().requests(), self.scope.limit().window());
                let many = if limit == 1 { "one request" } else { &format!("{limit} requests") };
                let detail = format!("the limit of {many} in {window:?} is used up, try again in {retry_after} s");
                let (policy, limit) = self.headers(quota);
                Err(Problem::too_many(detail, retry_after)
                    .with_headers([(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)]))
            }
            Decision::Unavailable => Err(Problem::unavailable("requests cannot be counted at the moment, try again")),
        }
    }

    /// The values of `RateLimit-Policy` and `RateLimit`.
    fn headers(&self, quota: Quota) -> (HeaderValue, HeaderValue) {
        let (mut remaining, mut reset) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (remaining, reset) = (remaining.format(quota.remaining), reset.format(seconds(quota.reset)));
        // Of just the right size, it becomes the value as it is.
        let parts: [&[u8]; 4] = [self.name.as_bytes(), remaining.as_bytes(), b";t=", reset.as_bytes()];
        let quota = HeaderValue::from_maybe_shared(Bytes::from(parts.concat()));
        (self.header.clone(), quota.unwrap_or_else(|_| HeaderValue::from_static("")))
    }
}

/// Rounded up: a client that waits so long has waited long enough.
fn seconds(duration: Duration) -> u32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    u32::try_from(duration.as_secs() + up).unwrap_or(u32::MAX).max(1)
}

/// What an answer says about the limit that the request was under. A handler returns it in front of the body.
#[must_use = "the client should be told"]
pub(crate) struct LimitHeaders(Option<(HeaderValue, HeaderValue)>);

impl LimitHeaders {
    /// Of a request that was under no limit.
    pub(crate) fn none() -> Self {
        LimitHeaders(None)
    }

    /// Of `RateLimit-Policy` and `RateLimit`.
    pub(crate) fn values(self) -> Option<(HeaderValue, HeaderValue)> {
        self.0
    }

    /// Beside what the answer says about other limits.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        if let Some((policy, limit)) = self.values() {
            headers.append(RATE_LIMIT_POLICY, policy);
            headers.append(RATE_LIMIT, limit);
        }
    }
}

impl IntoResponseParts for LimitHeaders {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        self.add_to(parts.headers_mut());
        Ok(parts)
    }
}

/// The answer of `answering`, unless the caller is refused. It counts when this is awaited first.
pub(crate) async fn limited(by: Option<(&Policy, Subject)>, answering: impl Future<Output = Response>) -> Response {
    let Some((policy, caller)) = by else { return answering.await };
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

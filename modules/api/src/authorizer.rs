//! Authentication and authorization of requests: reads the credentials, authenticates them and checks the access of the
//! operation.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use hotshelf_accounts::{Auth, AuthError, AuthMethod, Principal};
use hotshelf_domain::{Area, OrganizationId, Role};
use hotshelf_ratelimit::Subject;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::actor::actor;
use crate::caller::Caller;
use crate::cookie::Cookies;
use crate::limits::AccountLimits;
use crate::operations::Access;
use crate::problem::Problem;

/// Prefixes of the routes that exist only with users.
const ABOUT_USERS: [&str; 4] = ["/api/v1/auth/", "/api/v1/users", "/api/v1/api-keys", "/api/v1/invitations"];

/// Concurrent token lookups of clients that have guessed too many tokens, and how long such a lookup waits for its
/// turn.
const SUSPECTS: usize = 2;
const SUSPECTS_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Authorizer {
    /// `None`: `AUTH=off`.
    auth: Option<Auth>,
    limits: Arc<AccountLimits>,
    /// Bounds the token lookups of clients that have guessed too many tokens.
    suspects: Semaphore,
    /// The name of the session cookie.
    cookie: &'static str,
    /// Whether statistics and metrics need no authentication.
    metrics_open: bool,
}

/// The credentials of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials<'a> {
    Nothing,
    Bearer(&'a str),
    Cookie(&'a str),
    /// Malformed, or more than one.
    Invalid,
}

impl Authorizer {
    pub(crate) fn new(auth: Option<Auth>, limits: Arc<AccountLimits>, cookies: Cookies, metrics_open: bool) -> Self {
        Authorizer { auth, limits, suspects: Semaphore::new(SUSPECTS), cookie: cookies.name(), metrics_open }
    }

    fn credentials<'a>(&self, headers: &'a HeaderMap) -> Credentials<'a> {
        credentials(headers, self.cookie)
    }

    /// Whether the route exists: those about users do not with `AUTH=off`.
    pub(crate) fn serves(&self, route: &str) -> bool {
        self.auth.is_some() || !is_about_users(route)
    }

    /// Forbids shared caches to store the response, because it depends on the caller, and others to serve it to another
    /// caller.
    pub(crate) fn keep_private(&self, headers: &mut HeaderMap) {
        if self.auth.is_none() {
            return;
        }
        if let Some(control) = headers.get_mut(header::CACHE_CONTROL).filter(|control| *control == "no-cache") {
            *control = HeaderValue::from_static("private, no-cache");
        }
        headers.append(header::VARY, HeaderValue::from_static("authorization, cookie"));
    }

    /// The caller of an operation of this area with this access, if memory knows the token and the caller may. If not,
    /// [`identify`](Authorizer::identify) and [`check`](Authorizer::check) decide.
    pub(crate) fn peek_reader(&self, operation: (Area, Access), headers: &HeaderMap) -> Option<Caller> {
        let Some(auth) = &self.auth else { return Some(Caller::Anybody) };
        match self.credentials(headers) {
            Credentials::Bearer(token) | Credentials::Cookie(token) => {
                auth.peek(token).filter(|principal| check(operation, principal).is_ok()).map(Caller::User)
            }
            Credentials::Nothing | Credentials::Invalid => None,
        }
    }

    /// The principal of a token. Unknown tokens are counted. A client that has guessed too many is still served,
    /// because others may share its address, but only a few of its lookups run at a time.
    async fn authenticate(
        &self,
        auth: &Auth,
        token: &str,
        (client, address): (&Subject, Option<IpAddr>),
    ) -> Result<Principal, Problem> {
        let _permit = match self.limits.guess.refusal(client) {
            None => None,
            Some(refused) => match timeout(SUSPECTS_TIMEOUT, self.suspects.acquire()).await {
                Ok(Ok(permit)) => Some(permit),
                Ok(Err(_)) | Err(_) => return Err(refused),
            },
        };
        if let Some(principal) = auth.authenticate(token, || actor(None, address)).await? {
            return Ok(principal);
        }
        let _ = self.limits.guess.count(client).await?;
        Err(unknown_token())
    }

    /// The caller of a report that everybody may ask for, if the caller may also see its details. Other credentials do
    /// no harm: a probe must not fail for them.
    async fn observer(&self, auth: &Auth, headers: &HeaderMap, client: (&Subject, Option<IpAddr>)) -> Option<Caller> {
        if self.metrics_open {
            return Some(Caller::Anybody);
        }
        let (Credentials::Bearer(token) | Credentials::Cookie(token)) = self.credentials(headers) else { return None };
        let principal = match auth.peek(token) {
            Some(principal) => principal,
            None => self.authenticate(auth, token, client).await.ok()?,
        };
        check((Area::Statistics, Access::Observer), &principal).is_ok().then_some(Caller::User(principal))
    }

    /// The caller of an operation with this access; `None` if it is public. 401 without valid credentials.
    pub(crate) async fn identify(
        &self,
        access: Access,
        headers: &HeaderMap,
        client: &Subject,
        address: Option<IpAddr>,
    ) -> Result<Option<Caller>, Problem> {
        let Some(auth) = &self.auth else { return Ok(Some(Caller::Anybody)) };
        match access {
            Access::Public => return Ok(None),
            Access::Observer if self.metrics_open => return Ok(None),
            Access::Report => return Ok(self.observer(auth, headers, (client, address)).await),
            _ => {}
        }
        let token = match self.credentials(headers) {
            Credentials::Nothing => {
                return Err(Problem::unauthorized("authentication is required: log in, or send a token", "Bearer"));
            }
            Credentials::Invalid => return Err(unknown_token()),
            Credentials::Bearer(token) | Credentials::Cookie(token) => token,
        };
        let principal = match auth.peek(token) {
            Some(principal) => principal,
            None => self.authenticate(auth, token, (client, address)).await?,
        };
        Ok(Some(Caller::User(principal)))
    }

    /// Checks that a caller who was identified may use an operation of this area with this access. 403 if not.
    pub(crate) fn check(&self, operation: (Area, Access), caller: &Caller) -> Result<(), Problem> {
        match caller {
            Caller::Anybody => Ok(()),
            Caller::User(principal) => check(operation, principal),
        }
    }
}

/// Whether the route exists only with users.
pub(crate) fn is_about_users(route: &str) -> bool {
    ABOUT_USERS.iter().any(|start| route.starts_with(start))
}

fn unknown_token() -> Problem {
    Problem::unauthorized("the token is invalid, revoked or expired", "Bearer error=\"invalid_token\"")
}

/// The one place where it is decided what a principal may do, whatever it was authenticated by, also for reads in front
/// of the router.
fn check((area, access): (Area, Access), principal: &Principal) -> Result<(), Problem> {
    if principal.identity.suspended {
        return Err(AuthError::Suspended.into());
    }
    let has_role =
        |role: Role| if principal.role >= role { Ok(()) } else { Err(format!("this requires the role {role}")) };
    let by_session = || match principal.method {
        AuthMethod::Session(_) => Ok(()),
        AuthMethod::ApiKey(_) => Err("API keys may not do this, use a session".to_owned()),
        AuthMethod::Issued(_) => Err("tokens of an outside issuer may not do this, use a session".to_owned()),
    };
    let can_end = || match principal.method {
        AuthMethod::Session(_) | AuthMethod::Issued(_) => Ok(()),
        AuthMethod::ApiKey(_) => Err("API keys may not do this, use a session".to_owned()),
    };
    // Nobody should be managed, or get a mail, in the name of an address that may be another's.
    let verified = || {
        let verify = || "verify your e-mail address first, with the token that was mailed to it".to_owned();
        principal.identity.verified.then_some(()).ok_or_else(verify)
    };
    let built_in = principal.organization() == OrganizationId::BUILT_IN;
    let allowed = match access {
        Access::Public | Access::Report | Access::Viewer => has_role(Role::Viewer),
        Access::Editor => has_role(Role::Editor),
        Access::Admin => has_role(Role::Admin),
        Access::Operator if built_in => has_role(Role::Admin),
        Access::Observer if built_in => has_role(Role::Viewer),
        Access::OperatorSession if built_in => {
            has_role(Role::Admin).and_then(|()| by_session()).and_then(|()| verified())
        }
        Access::Operator | Access::Observer | Access::OperatorSession => {
            Err("only the organization that runs the service may do this".to_owned())
        }
        Access::Session => by_session(),
        Access::Ending => can_end(),
        Access::AdminSession => has_role(Role::Admin).and_then(|()| by_session()).and_then(|()| verified()),
    };
    let allowed = allowed.and_then(|()| match principal.scopes.allow(area) {
        true => Ok(()),
        false => Err(format!("this requires an API key with the scope {area}")),
    });
    allowed.map_err(|detail| Problem::new(StatusCode::FORBIDDEN, detail))
}

/// The token of a request for which none is needed.
pub(crate) fn shown_token<'a>(headers: &'a HeaderMap, cookie_name: &str) -> Option<&'a str> {
    match credentials(headers, cookie_name) {
        Credentials::Bearer(token) | Credentials::Cookie(token) => Some(token),
        Credentials::Nothing | Credentials::Invalid => None,
    }
}

/// `Authorization` takes precedence over the cookie of that name. Duplicates are invalid.
fn credentials<'a>(headers: &'a HeaderMap, cookie_name: &str) -> Credentials<'a> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (None, _) => cookie(headers, cookie_name),
        (Some(_), Some(_)) => Credentials::Invalid,
        (Some(value), None) => {
            let token = value.to_str().ok().and_then(|value| value.split_once(' '));
            match token {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Credentials::Bearer(token.trim()),
                _ => Credentials::Invalid,
            }
        }
    }
}

fn cookie<'a>(headers: &'a HeaderMap, cookie_name: &str) -> Credentials<'a> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut tokens = pairs.filter(|(name, _)| *name == cookie_name).map(|(_, value)| value);
    match (tokens.next(), tokens.next()) {
        (None, _) => Credentials::Nothing,
        (Some(token), None) => Credentials::Cookie(token),
        // Another host of the domain may have set the second one.
        (Some(_), Some(_)) => Credentials::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_token_is_shown_in_one_way() {
        let cases: &[(&[(header::HeaderName, &'static str)], Credentials<'_>)] = &[
            (&[], Credentials::Nothing),
            (&[(header::AUTHORIZATION, "Bearer hss_a")], Credentials::Bearer("hss_a")),
            (&[(header::AUTHORIZATION, "bearer  hss_a ")], Credentials::Bearer("hss_a")),
            (&[(header::AUTHORIZATION, "Basic YTpi")], Credentials::Invalid),
            (&[(header::AUTHORIZATION, "Bearer")], Credentials::Invalid),
            (&[(header::AUTHORIZATION, "Bearer a"), (header::AUTHORIZATION, "Bearer b")], Credentials::Invalid),
            (&[(header::COOKIE, "a=b; hotshelf_session=hss_a; c=d")], Credentials::Cookie("hss_a")),
            (&[(header::COOKIE, "x_hotshelf_session=hss_a; hotshelf_sessions=b")], Credentials::Nothing),
            (&[(header::COOKIE, "hotshelf_session=a; hotshelf_session=b")], Credentials::Invalid),
            (&[(header::COOKIE, "hotshelf_session=a"), (header::COOKIE, "hotshelf_session=b")], Credentials::Invalid),
            (&[(header::COOKIE, "hotshelf_session=a"), (header::AUTHORIZATION, "Bearer b")], Credentials::Bearer("b")),
        ];
        for (lines, expected) in cases {
            assert_eq!(credentials(&of(lines), "hotshelf_session"), *expected, "{lines:?}");
        }
    }
}

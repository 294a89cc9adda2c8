//! `/api/v1/auth`: login, logout and the current session.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use hotshelf_accounts::AuthMethod;
use hotshelf_audit::AuditLog;
use hotshelf_domain::{AuditAction, Session, TextsDraft, User};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::By;
use crate::authorizer::shown_token;
use crate::body::JsonBody;
use crate::caller::{Accounts, AnyUser, SessionUser};
use crate::cookie::Cookies;
use crate::limits::{AccountLimits, Client};
use crate::openapi::schemas;
use crate::params::QueryReader;
use crate::problem::Problem;

/// A new session.
#[derive(Serialize, ToSchema)]
struct Login<'a> {
    /// Not in the answer with `cookie=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    expires_at: DateTime<Utc>,
    #[schema(value_type = schemas::User)]
    user: User,
}

/// The current session and its user.
#[derive(Serialize, ToSchema)]
struct SessionAnswer {
    #[schema(value_type = schemas::User)]
    user: User,
    #[schema(value_type = schemas::Session)]
    session: Session,
}

/// Starts a session. Send its token as `Authorization: Bearer …`; browsers also receive it as a cookie. A session of
/// the same user whose token the request shows ends.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", request_body = schemas::Credentials,
    params(("cookie" = Option<bool>, Query,
        description = "The token is in the cookie only, where scripts cannot read it; default false")),
    responses(
        (status = 200, body = Login, headers(("Set-Cookie" = String))),
        (status = 401, description = "the e-mail address or the password is wrong"),
        (status = 403, description = "the organization of the user is suspended"),
    )
)]
#[expect(clippy::too_many_arguments, reason = "each is an extractor of its own")]
pub(crate) async fn login(
    State(limits): State<Arc<AccountLimits>>,
    State(audit): State<AuditLog>,
    State(cookies): State<Cookies>,
    Accounts(auth): Accounts,
    Client(client): Client,
    By(by): By,
    query: QueryReader,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let cookie_only = query.only_flag("cookie")?;
    let [email, password] = TextsDraft::from_json(&body, ["email", "password"])?.into_texts()?;
    let limit = limits.login(&client, &email).await.inspect_err(|problem| {
        if problem.is_limit() {
            audit.note(by.claiming(email.parse().ok()).does(AuditAction::LoginLimited));
        }
    })?;
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    // The new session gets a new token, so that nobody can fix it; one in the request that is the same user's ends.
    let replaced = shown_token(&headers, cookies.name());
    let (token, session, user) = auth.login(&email, password, agent, replaced, &by).await?;
    let shown = (!cookie_only).then(|| token.expose());
    let answer = Json(Login { token: shown, expires_at: session.expires_at, user });
    Ok((limit, no_store(), cookies.keep(token.expose()), answer).into_response())
}

/// Ends the session, or revokes the token of the outside issuer. After the response, no instance accepts the token.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "auth",
    responses(
        (status = 204, description = "the session has ended", headers(("Set-Cookie" = String))),
        (status = 401, description = "the session does not exist or has ended"),
    )
)]
pub(crate) async fn logout(
    State(cookies): State<Cookies>,
    AnyUser { auth, principal }: AnyUser,
    By(by): By,
) -> Result<impl IntoResponse, Problem> {
    match &principal.method {
        AuthMethod::Session(session) => auth.end_session(session.token_hash, by).await?,
        AuthMethod::Issued(token) => auth.revoke_own(token, by).await?,
        AuthMethod::ApiKey(_) => return Err(Problem::internal("an API key came past the authorizer")),
    }
    Ok((StatusCode::NO_CONTENT, cookies.forget()))
}

/// Returns the current session and its user.
#[utoipa::path(
    get, path = "/api/v1/auth/session", tag = "auth",
    responses(
        (status = 200, body = SessionAnswer),
        (status = 401, description = "the session does not exist or has ended"),
    )
)]
pub(crate) async fn session(SessionUser { auth, principal }: SessionUser) -> Result<Response, Problem> {
    let session = auth.session_of(&principal).await?;
    let user = auth.user(principal.identity.organization, principal.identity.user).await?;
    Ok((no_store(), Json(SessionAnswer { user, session })).into_response())
}

/// No cache may store secrets and personal data.
pub(crate) fn no_store() -> [(header::HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-store")]
}

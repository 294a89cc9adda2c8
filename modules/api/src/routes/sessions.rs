//! `/api/v1/auth/sessions`: the sessions of the user.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hotshelf_domain::{Session, SessionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::no_store;
use crate::actor::By;
use crate::caller::SessionUser;
use crate::openapi::schemas;
use crate::params::IdPath;
use crate::problem::Problem;

/// The sessions of a user.
#[derive(Serialize, ToSchema)]
struct Sessions {
    #[schema(value_type = Vec<schemas::Session>)]
    sessions: Vec<SessionItem>,
}

#[derive(Serialize)]
struct SessionItem {
    #[serde(flatten)]
    session: Session,
    /// Whether this is the session of the request.
    current: bool,
}

/// Returns the active sessions of the user.
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "auth", responses((status = 200, body = Sessions)))]
pub(crate) async fn list(SessionUser { auth, principal }: SessionUser) -> Result<impl IntoResponse, Problem> {
    let sessions = auth.sessions_of(principal.identity.user).await?;
    let item = |session: Session| SessionItem { current: session.id == principal.session, session };
    Ok((no_store(), Json(Sessions { sessions: sessions.into_iter().map(item).collect() })))
}

/// Ends all sessions of the user, including this one.
#[utoipa::path(delete, path = "/api/v1/auth/sessions", tag = "auth",
    responses((status = 204, description = "the sessions have ended")))]
pub(crate) async fn end_all(SessionUser { auth, principal }: SessionUser, By(by): By) -> Result<StatusCode, Problem> {
    auth.end_sessions_of(principal.identity.user, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one session of the user.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{id}", tag = "auth",
    responses(
        (status = 204, description = "the session has ended"),
        (status = 404, description = "the user has no such session"),
    )
)]
pub(crate) async fn end(
    SessionUser { auth, principal }: SessionUser,
    By(by): By,
    IdPath(id): IdPath<SessionId>,
) -> Result<StatusCode, Problem> {
    auth.end_session_of(principal.identity.user, id, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/v1/users`: for admins, the users of their organization.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use hotshelf_domain::{StoreError, User, UserDraft, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::no_store;
use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::{Admin, Caller, foreign};
use crate::limits::AccountLimits;
use crate::openapi::{UserParameters, schemas};
use crate::params::{IdPath, UserQuery};
use crate::problem::Problem;

/// The users of an organization.
#[derive(Serialize, ToSchema)]
struct Users {
    #[schema(value_type = Vec<schemas::User>)]
    users: Vec<User>,
}

/// One user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserAnswer {
    #[schema(value_type = schemas::User)]
    pub(crate) user: User,
}

/// Returns the users of the organization, ordered by id. Operators may name another organization, or an e-mail address,
/// whose user is found in any.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", params(UserParameters),
    responses((status = 200, body = Users), (status = 400, description = "a parameter is invalid"))
)]
pub(crate) async fn list(
    Admin { auth, organization: own }: Admin,
    caller: Caller,
    UserQuery { organization, email }: UserQuery,
) -> Result<impl IntoResponse, Problem> {
    let operator = caller.is_operator();
    if organization.is_some_and(|named| named != own && !operator) {
        return Err(foreign(own));
    }
    let users = match email {
        None => auth.users(organization.unwrap_or(own)).await?,
        Some(email) => {
            let everywhere = operator && organization.is_none();
            let mut users = Vec::from_iter(auth.holder(&email).await?);
            users.retain(|user| everywhere || user.organization_id == organization.unwrap_or(own));
            users
        }
    };
    Ok((no_store(), Json(Users { users })))
}

/// Adds a user to the organization. If no password is given, the user gets a mail to choose one. An address that nobody
/// has verified is taken over.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", request_body = schemas::UserInput,
    responses(
        (status = 201, body = UserAnswer, headers(("Location" = String))),
        (status = 409, description = "a user with this e-mail address exists already"),
    )
)]
pub(crate) async fn add(
    State(limits): State<Arc<AccountLimits>>,
    Admin { auth, organization }: Admin,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let (email, role, password) = UserDraft::from_json(&body)?.into_new()?;
    // Before anything is counted: a refused addition must use up nothing.
    if auth.is_taken(&email).await? {
        return Err(StoreError::EmailTaken.into());
    }
    limits.add_user(organization, password.is_none().then_some(&email)).await?;
    let user = auth.add_user(organization, email, role, password, by).await?;
    let location = [(header::LOCATION, format!("/api/v1/users/{}", user.id))];
    Ok((StatusCode::CREATED, no_store(), location, Json(UserAnswer { user })))
}

/// Returns a user.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users",
    responses(
        (status = 200, body = UserAnswer),
        (status = 404, description = "the organization has no such user"),
    )
)]
pub(crate) async fn get(
    Admin { auth, organization }: Admin,
    IdPath(id): IdPath<UserId>,
) -> Result<impl IntoResponse, Problem> {
    Ok((no_store(), Json(UserAnswer { user: auth.user(organization, id).await? })))
}

/// Changes the role of a user. After the response, no instance grants the old role.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "users", request_body = schemas::UserRole,
    responses(
        (status = 200, body = UserAnswer),
        (status = 404, description = "the organization has no such user"),
        (status = 409, description = "the user is the only admin of the organization"),
    )
)]
pub(crate) async fn set_role(
    Admin { auth, organization }: Admin,
    By(by): By,
    IdPath(id): IdPath<UserId>,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let role = UserDraft::from_json(&body)?.into_role()?;
    Ok((no_store(), Json(UserAnswer { user: auth.set_role(organization, id, role, by).await? })))
}

/// Removes a user and all of the user's sessions and API keys. Operators may remove any user, also the only admin of
/// another organization: the e-mail address becomes free.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}", tag = "users",
    responses(
        (status = 204, description = "removed"),
        (status = 404, description = "the organization has no such user"),
        (status = 409, description = "the user is the only admin of the organization"),
    )
)]
pub(crate) async fn remove(
    Admin { auth, organization }: Admin,
    caller: Caller,
    By(by): By,
    IdPath(id): IdPath<UserId>,
) -> Result<StatusCode, Problem> {
    if caller.is_operator() {
        auth.remove_any_user(id, by).await?;
    } else {
        auth.remove_user(organization, id, by).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of a user.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/sessions", tag = "users",
    responses(
        (status = 204, description = "the sessions have ended"),
        (status = 404, description = "the organization has no such user"),
    )
)]
pub(crate) async fn end_sessions(
    Admin { auth, organization }: Admin,
    By(by): By,
    IdPath(id): IdPath<UserId>,
) -> Result<StatusCode, Problem> {
    auth.end_sessions(organization, id, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/v1/auth/api-keys`: the API keys of the user.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hotshelf_domain::{ApiKey, ApiKeyDraft, ApiKeyId};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::no_store;
use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::SessionUser;
use crate::openapi::schemas;
use crate::params::IdPath;
use crate::problem::Problem;

/// The API keys of a user.
#[derive(Serialize, ToSchema)]
struct ApiKeys {
    #[schema(value_type = Vec<schemas::ApiKey>)]
    api_keys: Vec<ApiKey>,
}

/// A new API key with its token. The token is shown only here.
#[derive(Serialize, ToSchema)]
struct ApiKeyCreated<'a> {
    #[schema(value_type = schemas::ApiKey)]
    api_key: ApiKey,
    token: &'a str,
}

/// Returns the API keys of the user, without their tokens.
#[utoipa::path(get, path = "/api/v1/auth/api-keys", tag = "auth", responses((status = 200, body = ApiKeys)))]
pub(crate) async fn list(SessionUser { auth, principal }: SessionUser) -> Result<impl IntoResponse, Problem> {
    Ok((no_store(), Json(ApiKeys { api_keys: auth.api_keys(principal.identity.user).await? })))
}

/// Creates an API key. The token is in this response only.
#[utoipa::path(
    post, path = "/api/v1/auth/api-keys", tag = "auth", request_body = schemas::ApiKeyInput,
    responses((status = 201, body = ApiKeyCreated))
)]
pub(crate) async fn create(
    SessionUser { auth, principal }: SessionUser,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let new = ApiKeyDraft::from_json(&body)?.into_new(principal.identity.role)?;
    let (token, api_key) = auth.add_api_key(&principal, new, by).await?;
    let answer = Json(ApiKeyCreated { api_key, token: token.expose() }).into_response();
    Ok((StatusCode::CREATED, no_store(), answer))
}

/// Removes an API key. After the response, no instance accepts its token.
#[utoipa::path(
    delete, path = "/api/v1/auth/api-keys/{id}", tag = "auth",
    responses(
        (status = 204, description = "removed"),
        (status = 404, description = "the user has no such API key"),
    )
)]
pub(crate) async fn remove(
    SessionUser { auth, principal }: SessionUser,
    By(by): By,
    IdPath(id): IdPath<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    auth.remove_api_key(principal.identity.user, id, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

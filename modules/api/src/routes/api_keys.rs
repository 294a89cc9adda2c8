//! `/api/v1/auth/api-keys`: the API keys of the user; and `/api/v1/api-keys`: for admins, those of the organization.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hotshelf_domain::{ApiKey, ApiKeyBounds, ApiKeyDraft, ApiKeyId, ApiKeyListing};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::no_store;
use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::{Admin, SessionUser};
use crate::openapi::{KeyPageParameters, schemas};
use crate::params::{IdPath, KeyPageQuery};
use crate::problem::Problem;
use crate::state::ApiKeyTtl;

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
    State(ApiKeyTtl(ttl)): State<ApiKeyTtl>,
    SessionUser { auth, principal }: SessionUser,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let new = ApiKeyDraft::from_json(&body)?.into_new(ApiKeyBounds { role: principal.identity.role, ttl })?;
    let (token, api_key) = auth.add_api_key(&principal, new, by).await?;
    let answer = Json(ApiKeyCreated { api_key, token: token.expose() }).into_response();
    Ok((StatusCode::CREATED, no_store(), answer))
}

/// The API keys of an organization.
#[derive(Serialize, ToSchema)]
struct ApiKeyPage {
    #[schema(value_type = Vec<schemas::ApiKeyListing>)]
    api_keys: Vec<ApiKeyListing>,
    /// Continues the list; `null` on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Returns the API keys of all users of the organization, without their tokens, ordered by id.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "users",
    params(KeyPageParameters),
    responses((status = 200, body = ApiKeyPage), (status = 400, description = "a parameter is invalid"))
)]
pub(crate) async fn list_all(
    Admin { auth, organization }: Admin,
    KeyPageQuery { after, limit }: KeyPageQuery,
) -> Result<impl IntoResponse, Problem> {
    let api_keys = auth.api_keys_of_organization(organization, after, limit).await?;
    let next = api_keys.last().filter(|_| api_keys.len() == limit as usize).map(|last| last.key.id.to_string());
    Ok((no_store(), Json(ApiKeyPage { api_keys, next_cursor: next })))
}

/// Removes an API key of any user of the organization. After the response, no instance accepts its token.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "users",
    responses(
        (status = 204, description = "removed"),
        (status = 404, description = "the organization has no such API key"),
    )
)]
pub(crate) async fn remove_any(
    Admin { auth, organization }: Admin,
    By(by): By,
    IdPath(id): IdPath<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    auth.remove_api_key_of_organization(organization, id, by).await?;
    Ok(StatusCode::NO_CONTENT)
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

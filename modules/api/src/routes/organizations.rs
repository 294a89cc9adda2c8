//! `/api/v1/organizations`.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use hotshelf_database::Database;
use hotshelf_domain::{Organization, OrganizationDraft, OrganizationId, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::Caller;
use crate::openapi::schemas;
use crate::params::IdPath;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
struct OrganizationAnswer {
    #[schema(value_type = schemas::Organization)]
    organization: Organization,
}

#[derive(Serialize, ToSchema)]
struct Organizations {
    #[schema(value_type = Vec<schemas::Organization>)]
    organizations: Vec<Organization>,
}

/// Returns the organization of the caller or, with `AUTH=off`, all organizations, ordered by id.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "organizations",
    responses((status = 200, body = Organizations)))]
pub(crate) async fn list(State(repository): State<Database>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    let organizations = match caller.scope() {
        None => repository.organizations().await?,
        Some(own) => repository.organization(own).await?.into_iter().collect(),
    };
    Ok(Json(Organizations { organizations }))
}

/// Creates an organization.
#[utoipa::path(
    post, path = "/api/v1/organizations", tag = "organizations", request_body = schemas::OrganizationInput,
    responses((status = 201, body = OrganizationAnswer, headers(("Location" = String))))
)]
pub(crate) async fn create(
    State(repository): State<Database>,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let new = OrganizationDraft::from_json(&body)?.into_new()?;
    let organization = repository.create_organization(new, by).await?;
    let location = [(header::LOCATION, format!("/api/v1/organizations/{}", organization.id))];
    Ok((StatusCode::CREATED, location, Json(OrganizationAnswer { organization })))
}

/// Returns an organization.
#[utoipa::path(
    get, path = "/api/v1/organizations/{id}", tag = "organizations",
    responses(
        (status = 200, body = OrganizationAnswer),
        (status = 404, description = "the organization does not exist"),
    )
)]
pub(crate) async fn get(
    State(repository): State<Database>,
    caller: Caller,
    IdPath(id): IdPath<OrganizationId>,
) -> Result<impl IntoResponse, Problem> {
    let found = repository.organization(id).await?;
    let organization = found.filter(|found| caller.sees(found.id)).ok_or(StoreError::NoSuchOrganization(id))?;
    Ok(Json(OrganizationAnswer { organization }))
}

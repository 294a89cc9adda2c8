//! `/api/v1/organizations`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use hotshelf_database::Database;
use hotshelf_domain::{
    Organization, OrganizationChange, OrganizationDraft, OrganizationId, OrganizationUsage, StoreError,
};
use hotshelf_product::ProductService;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::{Accounts, Caller};
use crate::openapi::schemas;
use crate::params::IdPath;
use crate::problem::Problem;

/// How long a request waits for the products of an organization to be deleted.
const PATIENCE: Duration = Duration::from_secs(5);

/// An organization as clients see it.
#[derive(Serialize)]
struct OrganizationView {
    id: OrganizationId,
    name: String,
    /// Only if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended: Option<bool>,
    created_at: DateTime<Utc>,
}

impl From<Organization> for OrganizationView {
    fn from(Organization { id, name, suspended, created_at }: Organization) -> Self {
        OrganizationView { id, name, suspended: suspended.then_some(true), created_at }
    }
}

#[derive(Serialize, ToSchema)]
struct OrganizationAnswer {
    #[schema(value_type = schemas::Organization)]
    organization: OrganizationView,
    /// What it has, and may have; for its admins and for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::OrganizationUsage>)]
    usage: Option<OrganizationUsage>,
}

impl From<Organization> for OrganizationAnswer {
    fn from(organization: Organization) -> Self {
        OrganizationAnswer { organization: organization.into(), usage: None }
    }
}

impl OrganizationAnswer {
    async fn with_usage(organization: Organization, repository: &Database) -> Result<Self, StoreError> {
        let usage = repository.usage(organization.id).await?;
        Ok(OrganizationAnswer { organization: organization.into(), usage: Some(usage) })
    }
}

#[derive(Serialize, ToSchema)]
struct Organizations {
    #[schema(value_type = Vec<schemas::Organization>)]
    organizations: Vec<OrganizationView>,
}

/// Returns the organization of the caller or, to operators and with `AUTH=off`, all organizations, ordered by id.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "organizations",
    responses((status = 200, body = Organizations)))]
pub(crate) async fn list(State(repository): State<Database>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    let organizations = match caller.scope() {
        None => repository.organizations().await?,
        Some(_) if caller.is_operator() => repository.organizations().await?,
        Some(own) => repository.organization(own).await?.into_iter().collect(),
    };
    Ok(Json(Organizations { organizations: organizations.into_iter().map(OrganizationView::from).collect() }))
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
    Ok((StatusCode::CREATED, location, Json(OrganizationAnswer::from(organization))))
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
    let organization = found
        .filter(|found| caller.sees(found.id) || caller.is_operator())
        .ok_or(StoreError::NoSuchOrganization(id))?;
    if !caller.is_admin() {
        return Ok(Json(OrganizationAnswer::from(organization)));
    }
    Ok(Json(OrganizationAnswer::with_usage(organization, &repository).await?))
}

/// Changes an organization: suspends or resumes it, and sets its quotas. After the response, no instance lets a user of
/// a suspended organization in, by any session, API key or token. The products stay.
#[utoipa::path(
    patch, path = "/api/v1/organizations/{id}", tag = "organizations", request_body = schemas::OrganizationChange,
    responses(
        (status = 200, body = OrganizationAnswer),
        (status = 404, description = "the organization does not exist, or there are no users"),
        (status = 409, description = "the organization is built in"),
    )
)]
pub(crate) async fn change(
    State(repository): State<Database>,
    Accounts(auth): Accounts,
    By(by): By,
    IdPath(id): IdPath<OrganizationId>,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let patch = OrganizationChange::from_json(&body)?.into_patch()?;
    let organization = auth.change_organization(id, patch, by).await?;
    Ok(Json(OrganizationAnswer::with_usage(organization, &repository).await?))
}

/// Deletes an organization with its users, sessions, API keys, products and schemas. Its users are refused from the
/// response on.
#[utoipa::path(
    delete, path = "/api/v1/organizations/{id}", tag = "organizations",
    responses(
        (status = 202, description = "the organization has ended; some of its products are still to be deleted"),
        (status = 204, description = "the organization and all that belonged to it is deleted"),
        (status = 404, description = "the organization does not exist, or there are no users"),
        (status = 409, description = "the organization is built in"),
    )
)]
pub(crate) async fn delete(
    State(products): State<ProductService>,
    Accounts(auth): Accounts,
    By(by): By,
    IdPath(id): IdPath<OrganizationId>,
) -> Result<StatusCode, Problem> {
    auth.end_organization(id, by.clone()).await?;
    // What is left after that, or fails, is deleted in the background.
    match timeout(PATIENCE, products.finish_organization(id, &by)).await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(_)) | Err(_) => Ok(StatusCode::ACCEPTED),
    }
}

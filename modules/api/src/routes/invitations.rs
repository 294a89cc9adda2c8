//! `/api/v1/invitations`: for admins, who may register in their organization.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hotshelf_domain::{Invitation, InvitationDraft, InvitationId, OrganizationId, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::no_store;
use crate::body::JsonBody;
use crate::caller::{Admin, SessionUser};
use crate::limits::AccountLimits;
use crate::openapi::schemas;
use crate::params::IdPath;
use crate::problem::Problem;

/// The open invitations of an organization.
#[derive(Serialize, ToSchema)]
struct Invitations {
    #[schema(value_type = Vec<schemas::Invitation>)]
    invitations: Vec<Invitation>,
}

#[derive(Serialize, ToSchema)]
struct InvitationAnswer {
    #[schema(value_type = schemas::Invitation)]
    invitation: Invitation,
}

/// Invites somebody by mail to register, once, within a week: as a user of the organization or, if an operator says so,
/// as the admin of a new one.
#[utoipa::path(
    post, path = "/api/v1/invitations", tag = "users", request_body = schemas::InvitationInput,
    responses(
        (status = 201, body = InvitationAnswer),
        (status = 403, description = "registration is off, or only operators may do this"),
        (status = 409, description = "a user with this e-mail address exists already"),
    )
)]
pub(crate) async fn create(
    State(limits): State<Arc<AccountLimits>>,
    SessionUser { auth, principal }: SessionUser,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let (email, role, new_organization) = InvitationDraft::from_json(&body)?.into_new()?;
    let organization = principal.identity.organization;
    if new_organization && organization != OrganizationId::BUILT_IN {
        return Err(Problem::new(StatusCode::FORBIDDEN, "only operators may invite to a new organization"));
    }
    if auth.is_taken(&email).await? {
        return Err(StoreError::EmailTaken.into());
    }
    limits.add_user(organization, Some(&email)).await?;
    let invitation = auth.invite(&principal, email, role, new_organization).await?;
    Ok((StatusCode::CREATED, no_store(), Json(InvitationAnswer { invitation })))
}

/// Returns the open invitations of the organization, ordered by id.
#[utoipa::path(get, path = "/api/v1/invitations", tag = "users", responses((status = 200, body = Invitations)))]
pub(crate) async fn list(Admin { auth, organization }: Admin) -> Result<impl IntoResponse, Problem> {
    Ok((no_store(), Json(Invitations { invitations: auth.invitations(organization).await? })))
}

/// Revokes an invitation. After the response, nobody registers by it.
#[utoipa::path(
    delete, path = "/api/v1/invitations/{id}", tag = "users",
    responses(
        (status = 204, description = "revoked"),
        (status = 404, description = "the organization has no such invitation, or it was used"),
    )
)]
pub(crate) async fn revoke(
    Admin { auth, organization }: Admin,
    IdPath(id): IdPath<InvitationId>,
) -> Result<StatusCode, Problem> {
    auth.revoke_invitation(organization, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

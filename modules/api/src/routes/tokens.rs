//! `/api/v1/auth/tokens`: tokens of an outside issuer.

use axum::http::StatusCode;
use hotshelf_domain::RevocationDraft;

use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::AnyUser;
use crate::openapi::schemas;
use crate::problem::Problem;

/// Revokes a token of the outside issuer before it expires. Its user, and an admin of the user's organization, name it
/// by the whole token; an operator also by its id alone. After the response, no instance accepts it.
#[utoipa::path(
    post, path = "/api/v1/auth/tokens/revoke", tag = "auth", request_body = schemas::Revocation,
    responses(
        (status = 204, description = "revoked"),
        (status = 403, description = "the token is another user's"),
        (status = 404, description = "the service accepts no tokens of an outside issuer"),
    )
)]
pub(crate) async fn revoke(
    AnyUser { auth, principal }: AnyUser,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<StatusCode, Problem> {
    auth.revoke(&principal, RevocationDraft::from_json(&body)?.into_revoked()?, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/v1/auth`: registration, and the proof of an address.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hotshelf_accounts::{AuthError, Registration};
use hotshelf_domain::{RegistrationDraft, TextsDraft};

use super::auth::no_store;
use super::passwords::wrong;
use super::users::UserAnswer;
use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::{Accounts, SessionUser};
use crate::limits::{AccountLimits, Client, Network};
use crate::openapi::schemas;
use crate::problem::Problem;

/// Creates a user and an organization whose admin is the user, or, with an invitation, a user of the organization that
/// invites. A mail lets the user verify the address, unless an invitation has come there. Until then, the user can
/// neither create API keys nor manage users, and is removed after a day. To join an existing organization, ask one of
/// its admins.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "auth", request_body = schemas::Registration,
    responses(
        (status = 201, body = UserAnswer),
        (status = 403, description = "registration is off, or by invitation and the request has none"),
        (status = 409, description = "a user with this e-mail address exists already"),
    )
)]
pub(crate) async fn register(
    State(limits): State<Arc<AccountLimits>>,
    Accounts(auth): Accounts,
    Network(network): Network,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    if auth.registration() == Registration::Off {
        return Err(AuthError::RegistrationOff.into());
    }
    let registrant = RegistrationDraft::from_json(&body)?.into_registrant()?;
    let limit = limits.register.count(&network).await?;
    let user = auth.register(registrant, &by).await?;
    Ok((StatusCode::CREATED, limit, no_store(), Json(UserAnswer { user })))
}

/// Verifies the e-mail address of a user, with the token from a mail and the password that the user has chosen. A token
/// works once, within a day.
#[utoipa::path(
    post, path = "/api/v1/auth/verify", tag = "auth", request_body = schemas::Verification,
    responses(
        (status = 204, description = "the address is verified"),
        (status = 400, description = "the request is invalid, the token is invalid, used or expired, or the password \
                                      is wrong"),
    )
)]
pub(crate) async fn verify(
    State(limits): State<Arc<AccountLimits>>,
    Accounts(auth): Accounts,
    Client(client): Client,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let [token, password] = TextsDraft::from_json(&body, ["token", "password"])?.into_texts()?;
    let limit = limits.password_from(&client).await?;
    match auth.verify_address(&token, password, by).await {
        // Not 401: the user is not logged in.
        Err(AuthError::WrongCredentials) => Err(wrong("password", "is wrong".to_owned())),
        verified => Ok(verified.map(|()| (StatusCode::NO_CONTENT, limit, ()))?),
    }
}

/// Sends the user one more mail to verify the e-mail address by, unless it is verified.
#[utoipa::path(
    post, path = "/api/v1/auth/resend-verification", tag = "auth",
    responses((status = 202, description = "accepted"))
)]
pub(crate) async fn resend(
    State(limits): State<Arc<AccountLimits>>,
    SessionUser { auth, principal }: SessionUser,
) -> Result<impl IntoResponse, Problem> {
    let limit = limits.proof_mail(principal.identity.user).await?;
    auth.resend_proof(&principal)?;
    Ok((StatusCode::ACCEPTED, limit, ()))
}

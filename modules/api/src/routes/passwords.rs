//! `/api/v1/auth/…-password`: forgotten, reset and changed passwords.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hotshelf_accounts::AuthError;
use hotshelf_audit::AuditLog;
use hotshelf_domain::{AuditAction, Email, Invalid, TextsDraft, new_password};

use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::{Accounts, SessionUser};
use crate::limits::{AccountLimits, Client};
use crate::openapi::schemas;
use crate::problem::Problem;

/// Sends a mail to the user with this e-mail address, with which the user can choose a new password within an hour. The
/// response is the same if there is no such user.
#[utoipa::path(
    post, path = "/api/v1/auth/forgot-password", tag = "auth", request_body = schemas::Address,
    responses((status = 202, description = "accepted"))
)]
pub(crate) async fn forgot(
    State(limits): State<Arc<AccountLimits>>,
    Accounts(auth): Accounts,
    Client(client): Client,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let [email] = TextsDraft::from_json(&body, ["email"])?.into_texts()?;
    let spellings = Email::spellings(&email);
    // The last one is as it would be stored today, so that all spellings of a mailbox have one limit.
    let mailbox = match (spellings.last(), email.parse::<Email>()) {
        (Some(mailbox), _) => mailbox.clone(),
        (None, Ok(email)) => email,
        (None, Err(message)) => return Err(wrong("email", message)),
    };
    let limit = limits.forgot_password.count(&client).await?;
    // Counted per mailbox, so that many clients cannot flood it. The client does not learn it.
    if limits.reset_mail(&mailbox).await.is_ok() {
        auth.forgot_password(spellings, &by)?;
    }
    Ok((StatusCode::ACCEPTED, limit, ()))
}

/// Sets a new password, authorized by the token from a mail, and verifies the e-mail address. A token works once. All
/// sessions, API keys and invitations of the user end.
#[utoipa::path(
    post, path = "/api/v1/auth/reset-password", tag = "auth", request_body = schemas::PasswordReset,
    responses(
        (status = 204, description = "the new password is set"),
        (status = 400, description = "the request is invalid, or the token is invalid, used or expired"),
    )
)]
pub(crate) async fn reset(
    State(limits): State<Arc<AccountLimits>>,
    Accounts(auth): Accounts,
    Client(client): Client,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let [token, password] = TextsDraft::from_json(&body, ["token", "password"])?.into_texts()?;
    let password = new_password(password)?;
    let limit = limits.password_from(&client).await?;
    auth.reset_password(&token, password, by).await?;
    Ok((StatusCode::NO_CONTENT, limit, ()))
}

/// Sets a new password. All other sessions of the user end; the API keys stay valid.
#[utoipa::path(
    post, path = "/api/v1/auth/change-password", tag = "auth", request_body = schemas::PasswordChange,
    responses(
        (status = 204, description = "the new password is set"),
        (status = 400, description = "the request is invalid, or the current password is wrong"),
    )
)]
pub(crate) async fn change(
    State(limits): State<Arc<AccountLimits>>,
    State(audit): State<AuditLog>,
    SessionUser { auth, principal }: SessionUser,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let [current, password] = TextsDraft::from_json(&body, ["current_password", "password"])?.into_texts()?;
    let _ = limits.password_of(principal.identity.user).await.inspect_err(|problem| {
        if problem.is_limit() {
            audit.note(by.does(AuditAction::PasswordChangeRefused).with("too many attempts"));
        }
    })?;
    match auth.change_password(&principal, current, new_password(password)?, by).await {
        // Not 401: the session is valid.
        Err(AuthError::WrongCredentials) => Err(wrong("current_password", "is wrong".to_owned())),
        changed => Ok(changed.map(|()| StatusCode::NO_CONTENT)?),
    }
}

pub(super) fn wrong(field: &str, message: String) -> Problem {
    Invalid::one(field, &message).into()
}

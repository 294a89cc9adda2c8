//! The schemas of users, sessions and API keys.

use chrono::{DateTime, Utc};
use utoipa::ToSchema;

/// A user.
#[derive(ToSchema)]
pub(crate) struct User {
    id: i64,
    email: String,
    organization_id: i64,
    /// `viewer`, `editor` or `admin`.
    role: String,
    /// Whether the user has proven to read the mail to the address, or an admin vouched for it.
    verified: bool,
    created_at: DateTime<Utc>,
}

/// A user to add.
#[derive(ToSchema)]
pub(crate) struct UserInput {
    #[schema(max_length = 254)]
    email: String,
    #[schema(default = "viewer")]
    role: Option<String>,
    /// If omitted, the user gets a mail with a link to choose one.
    #[schema(min_length = 8, max_length = 1024)]
    password: Option<String>,
}

/// A new role.
#[derive(ToSchema)]
pub(crate) struct UserRole {
    role: String,
}

/// A new user, with a new organization or an invitation.
#[derive(ToSchema)]
pub(crate) struct Registration {
    #[schema(max_length = 254)]
    email: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    /// Name of the new organization; default: the e-mail address.
    #[schema(max_length = 255)]
    organization: Option<String>,
    /// The token of the invitation that was mailed to the address.
    invitation: Option<String>,
}

/// The proof of an e-mail address: the token from a mail, and the password of the user.
#[derive(ToSchema)]
pub(crate) struct Verification {
    token: String,
    password: String,
}

/// An invitation, without its token.
#[derive(ToSchema)]
pub(crate) struct Invitation {
    id: i64,
    /// Who may register by it.
    email: String,
    /// Who invites.
    organization_id: i64,
    /// Whether a new organization is made, whose admin the guest is.
    new_organization: bool,
    role: String,
    /// The admin who made it. It ends when that user stops being an admin.
    invited_by: i64,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Somebody to invite.
#[derive(ToSchema)]
pub(crate) struct InvitationInput {
    #[schema(max_length = 254)]
    email: String,
    #[schema(default = "viewer")]
    role: Option<String>,
    /// Whether a new organization is made, whose admin the guest is. For operators.
    #[schema(default = false)]
    new_organization: Option<bool>,
}

/// The credentials of a login.
#[derive(ToSchema)]
pub(crate) struct Credentials {
    email: String,
    password: String,
}

/// A session of a user.
#[derive(ToSchema)]
pub(crate) struct Session {
    id: i64,
    /// The `User-Agent` of the login.
    client: String,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    /// Extended with each use.
    expires_at: DateTime<Utc>,
    /// Whether this is the session of the request; only in lists.
    current: Option<bool>,
}

/// The e-mail address of the user who forgot the password.
#[derive(ToSchema)]
pub(crate) struct Address {
    email: String,
}

/// A new password, authorized by the token from a mail.
#[derive(ToSchema)]
pub(crate) struct PasswordReset {
    token: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
}

/// A new password, authorized by the current one.
#[derive(ToSchema)]
pub(crate) struct PasswordChange {
    current_password: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
}

/// An API key without its token.
#[derive(ToSchema)]
pub(crate) struct ApiKey {
    id: i64,
    user_id: i64,
    name: String,
    role: String,
    created_at: DateTime<Utc>,
    /// Accurate to the minute; `null` if the key was never used.
    last_used_at: Option<DateTime<Utc>>,
}

/// An API key to make.
#[derive(ToSchema)]
pub(crate) struct ApiKeyInput {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// At most the role of the user.
    #[schema(default = "viewer")]
    role: Option<String>,
}

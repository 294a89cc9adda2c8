//! The schemas of users, sessions, API keys and the audit log.

use chrono::{DateTime, Utc};
use utoipa::ToSchema;

use super::rules::{areas, name_of_home, name_of_key, role, role_or_viewer};

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
#[serde(deny_unknown_fields)]
pub(crate) struct UserInput {
    #[schema(max_length = 254)]
    email: String,
    #[schema(schema_with = role_or_viewer)]
    role: Option<String>,
    /// If omitted, the user gets a mail with a link to choose one.
    #[schema(min_length = 8, max_length = 1024)]
    password: Option<String>,
}

/// A new role.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRole {
    #[schema(schema_with = role)]
    role: String,
}

/// A new user, with a new organization or an invitation.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    #[schema(max_length = 254)]
    email: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    #[schema(schema_with = name_of_home)]
    organization: Option<String>,
    /// The token of the invitation that was mailed to the address.
    invitation: Option<String>,
}

/// The proof of an e-mail address: the token from a mail, and the password of the user.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationInput {
    #[schema(max_length = 254)]
    email: String,
    #[schema(schema_with = role_or_viewer)]
    role: Option<String>,
    /// Whether a new organization is made, whose admin the guest is. For operators.
    #[schema(default = false)]
    new_organization: Option<bool>,
}

/// The credentials of a login.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    email: String,
}

/// A new password, authorized by the token from a mail.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordReset {
    token: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
}

/// A new password, authorized by the current one.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    current_password: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
}

/// A token of an outside issuer to revoke: itself, or its id.
#[derive(ToSchema)]
pub(crate) struct Revocation {
    /// The token as it is shown.
    token: Option<String>,
    /// Its id, for operators.
    #[schema(min_length = 1, max_length = 256)]
    jti: Option<String>,
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
    #[schema(required)]
    last_used_at: Option<DateTime<Utc>>,
    /// `null` for a key that has no end.
    #[schema(required)]
    expires_at: Option<DateTime<Utc>>,
    /// The parts of the API that the key may use; `null` for all.
    #[schema(required)]
    scopes: Option<Vec<String>>,
}

/// An API key with the address of its user.
#[derive(ToSchema)]
pub(crate) struct ApiKeyListing {
    #[serde(flatten)]
    key: ApiKey,
    email: String,
}

/// An API key to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyInput {
    #[schema(schema_with = name_of_key)]
    name: String,
    /// At most the role of the user.
    #[schema(schema_with = role_or_viewer)]
    role: Option<String>,
    /// From then on, the key is refused. Default: no end, or the latest that the service allows.
    expires_at: Option<DateTime<Utc>>,
    /// The parts of the API that the key may use; default: all.
    #[schema(schema_with = areas)]
    scopes: Option<Vec<String>>,
}

/// An entry of the audit log.
#[derive(ToSchema)]
pub(crate) struct AuditEntry {
    id: i64,
    /// Of several times, the first.
    at: DateTime<Utc>,
    /// Such as `login.failed`.
    action: String,
    /// `done` or `refused`.
    outcome: String,
    /// As whom it was done, or tried.
    #[schema(required)]
    user_id: Option<i64>,
    /// The address of the user at that time.
    #[schema(required)]
    email: Option<String>,
    /// `session:7`, `api_key:7` or `jwt:0123456789abcdef`.
    #[schema(required)]
    credential: Option<String>,
    #[schema(required)]
    organization_id: Option<i64>,
    /// What it was done to, such as `user:7`.
    #[schema(required)]
    target: Option<String>,
    #[schema(required)]
    detail: Option<String>,
    /// The address of the client, or `command line`.
    #[schema(required)]
    origin: Option<String>,
    #[schema(required)]
    request_id: Option<String>,
    /// How many times, or to how many objects.
    count: i64,
}

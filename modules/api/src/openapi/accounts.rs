//! The shapes of users, sessions and API keys.

use chrono::{DateTime, Utc};
use utoipa::ToSchema;

/// A user.
#[derive(ToSchema)]
#[schema(as = User)]
pub(crate) struct UserSchema {
    id: i64,
    email: String,
    organization_id: i64,
    /// `viewer`, `editor` or `admin`.
    role: String,
    created_at: DateTime<Utc>,
}

/// A user to add.
#[derive(ToSchema)]
#[schema(as = UserInput)]
pub(crate) struct UserInputSchema {
    #[schema(max_length = 254)]
    email: String,
    #[schema(default = "viewer")]
    role: Option<String>,
    /// Without one, a mail lets the user choose.
    #[schema(min_length = 8, max_length = 1024)]
    password: Option<String>,
}

/// Another role.
#[derive(ToSchema)]
#[schema(as = UserRole)]
pub(crate) struct UserRoleSchema {
    role: String,
}

/// Somebody who wants to take part.
#[derive(ToSchema)]
#[schema(as = Registration)]
pub(crate) struct RegistrationSchema {
    #[schema(max_length = 254)]
    email: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    /// The name of the organization to make; that of the address if none is given.
    #[schema(max_length = 255)]
    organization: Option<String>,
}

/// What one logs in by.
#[derive(ToSchema)]
#[schema(as = Credentials)]
pub(crate) struct CredentialsSchema {
    email: String,
    password: String,
}

/// Where a user is logged in.
#[derive(ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionSchema {
    id: i64,
    /// What the client called itself at the login.
    client: String,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    /// Moved with each use.
    expires_at: DateTime<Utc>,
    /// Whether it is the one that asks; in lists.
    current: Option<bool>,
}

/// Whose password was forgotten.
#[derive(ToSchema)]
#[schema(as = Address)]
pub(crate) struct AddressSchema {
    email: String,
}

/// A new password by the token of a mail.
#[derive(ToSchema)]
#[schema(as = PasswordReset)]
pub(crate) struct PasswordResetSchema {
    token: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
}

/// A new password instead of the current one.
#[derive(ToSchema)]
#[schema(as = PasswordChange)]
pub(crate) struct PasswordChangeSchema {
    current_password: String,
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
}

/// An API key without its token.
#[derive(ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeySchema {
    id: i64,
    user_id: i64,
    name: String,
    role: String,
    created_at: DateTime<Utc>,
    /// To the minute; `null` as long as it was never used.
    last_used_at: Option<DateTime<Utc>>,
}

/// An API key to make.
#[derive(ToSchema)]
#[schema(as = ApiKeyInput)]
pub(crate) struct ApiKeyInputSchema {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// At most the user's own.
    #[schema(default = "viewer")]
    role: Option<String>,
}

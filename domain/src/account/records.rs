use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::area::Areas;
use super::email::Email;
use super::role::Role;
use crate::ids::{ApiKeyId, InvitationId, OrganizationId, SessionId, UserId};
use crate::organization::NewOrganization;

/// The SHA-256 of a token. Tokens themselves are nowhere kept.
pub type TokenHash = [u8; 32];

/// Somebody who may use the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Identifies the user for ever.
    pub id: UserId,
    /// The name to log in by. Nobody else has it.
    pub email: Email,
    /// Whose products the user sees.
    pub organization_id: OrganizationId,
    /// What the user may do there.
    pub role: Role,
    /// Whether the user has proven to read the mail to the address, or an admin vouched for it.
    pub verified: bool,
    /// Whether the organization is suspended: the user is not let in.
    #[serde(skip)]
    pub suspended: bool,
    /// UTC, to the millisecond.
    pub created_at: DateTime<Utc>,
    /// Sessions of an earlier generation have ended.
    #[serde(skip)]
    pub session_generation: i64,
    /// API keys of an earlier generation have ended.
    #[serde(skip)]
    pub key_generation: i64,
}

/// Where a new user belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// To an organization that there is.
    In(OrganizationId),
    /// To one that is made for the user.
    New(NewOrganization),
    /// To that of the invitation with this token, or, if the invitation founds one, to this one. The invitation decides
    /// about the role, too.
    Invited(TokenHash, NewOrganization),
    /// To that which a token of the outside issuer names.
    Issued {
        /// The organization, which exists.
        organization: OrganizationId,
        /// When the token was issued, in seconds since 1970.
        issued_at: Option<i64>,
    },
}

/// A user that has no id yet.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The name to log in by.
    pub email: Email,
    /// In the PHC string format; none for somebody who is still to choose a password.
    pub password_hash: Option<String>,
    /// Whose products the user is to see.
    pub home: Home,
    /// What the user may do there.
    pub role: Role,
    /// Whether the address is known to be the user's.
    pub verified: bool,
}

/// Hashes are not for logs.
impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("email", &self.email).field("role", &self.role).finish_non_exhaustive()
    }
}

/// That somebody has logged in, somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Names it to the person whose it is.
    pub id: SessionId,
    /// Who.
    #[serde(skip)]
    pub user_id: UserId,
    /// The generation of the user's sessions in which it began.
    #[serde(skip)]
    pub generation: i64,
    /// What the client called itself.
    pub client: String,
    /// UTC, to the millisecond.
    pub created_at: DateTime<Utc>,
    /// UTC, and late by up to a hundredth of the TTL of a session.
    pub last_used_at: DateTime<Utc>,
    /// UTC; moved with each use.
    pub expires_at: DateTime<Utc>,
}

/// A session that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// What its token is recognized by.
    pub token_hash: TokenHash,
    /// Whose.
    pub user_id: UserId,
    /// The generation of the user's sessions at the moment when the password was looked at: what has ended since then
    /// has ended this one, too.
    pub generation: i64,
    /// What the client called itself.
    pub client: String,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
}

/// The sessions that end when another one of the same user begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeavingSessions {
    /// The one whose token the login showed.
    pub replaced: Option<TokenHash>,
    /// The oldest, which make room.
    pub oldest: Vec<TokenHash>,
}

impl LeavingSessions {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &TokenHash> {
        self.replaced.iter().chain(&self.oldest)
    }
}

/// That a session was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What the session is recognized by.
    pub token_hash: TokenHash,
    /// When.
    pub at: DateTime<Utc>,
    /// When it ends unless it is used again.
    pub expires_at: DateTime<Utc>,
}

/// What a program proves itself by, in the name of the user who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Names it.
    pub id: ApiKeyId,
    /// Whose.
    pub user_id: UserId,
    /// What it is for.
    pub name: String,
    /// What it may do at most; never more than its user.
    pub role: Role,
    /// The generation of the user's keys in which it was made.
    #[serde(skip)]
    pub generation: i64,
    /// UTC, to the millisecond.
    pub created_at: DateTime<Utc>,
    /// UTC, to the minute; none as long as it was never used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// UTC, to the millisecond: from then on, nobody accepts it. None for a key that has no end.
    pub expires_at: Option<DateTime<Utc>>,
    /// Which parts of the API it may use.
    pub scopes: Areas,
}

/// An API key as the admins of the organization see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiKeyListing {
    /// The key.
    #[serde(flatten)]
    pub key: ApiKey,
    /// The address of its user.
    pub email: Email,
}

/// The permission to register, for one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invitation {
    /// Names it.
    pub id: InvitationId,
    /// Who may register.
    pub email: Email,
    /// Who invites; whoever accepts joins it, unless the invitation founds another.
    pub organization_id: OrganizationId,
    /// Whether a new organization is made for whoever accepts.
    pub new_organization: bool,
    /// What whoever accepts may do in the organization.
    pub role: Role,
    /// The admin who made it. It ends when that user stops being an admin.
    pub invited_by: UserId,
    /// UTC, to the millisecond.
    pub created_at: DateTime<Utc>,
    /// UTC.
    pub expires_at: DateTime<Utc>,
}

/// An invitation that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvitation {
    /// What its token is recognized by.
    pub token_hash: TokenHash,
    /// Who may register.
    pub email: Email,
    /// Who invites.
    pub organization: OrganizationId,
    /// Whether a new organization is made for whoever accepts.
    pub new_organization: bool,
    /// What whoever accepts may do in the organization.
    pub role: Role,
    /// The admin who makes it.
    pub invited_by: UserId,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
}

//! The audit log: who did what, to what, from where. Rights, deletions and operations on the cache are recorded, and
//! what was refused; reads are not.

mod action;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::account::{Email, TokenHash, User};
use crate::ids::{ApiKeyId, InvitationId, OrganizationId, ProductId, SchemaId, SessionId, UserId};

pub use action::{AuditAction, AuditKind, AuditOutcome};

/// Who does something, and from where. What is not known is `None`: nobody has logged in yet, or `AUTH=off`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actor {
    /// As whom.
    pub user: Option<UserId>,
    /// The address of the user at this time.
    pub email: Option<Email>,
    /// Whose admins see what is recorded: that of the user at this time, unless it is done to another one.
    pub organization: Option<OrganizationId>,
    /// By which session or key.
    pub credential: Option<AuditCredential>,
    /// From where.
    pub origin: Option<AuditOrigin>,
    /// The request.
    pub request_id: Option<Arc<str>>,
}

/// What an actor was recognized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditCredential {
    /// A session.
    Session(SessionId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// A token of an outside issuer.
    Issued(IssuedId),
}

/// Identifies a token of an outside issuer in the audit log: the beginning of a hash, because its id (`jti`) is chosen
/// by the issuer and may contain personal data. Two tokens with the same `jti` have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IssuedId(u64);

impl IssuedId {
    /// Of the token whose revocation is stored under this hash.
    pub fn new(revocation: &TokenHash) -> Self {
        IssuedId(revocation.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }
}

/// Where something was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditOrigin {
    /// By a client with this address.
    Client(IpAddr),
    /// On the machine itself.
    CommandLine,
}

/// What something was done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AuditTarget {
    /// A user.
    User(UserId),
    /// A session.
    Session(SessionId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// A token of an outside issuer.
    Issued(IssuedId),
    /// An invitation.
    Invitation(InvitationId),
    /// An organization.
    Organization(OrganizationId),
    /// A schema.
    Schema(SchemaId),
    /// A product.
    Product(ProductId),
    /// An operation of the API: `DELETE /api/v1/cache`.
    Operation(Arc<str>),
}

/// What is to be recorded. It holds no secret: neither passwords nor tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditRecord {
    /// By whom.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// To what.
    pub target: Option<AuditTarget>,
    /// What else is worth knowing.
    pub detail: Option<String>,
    /// How many times, or how many things.
    pub count: u32,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Tells entries of the same time apart.
    pub id: i64,
    /// UTC, to the millisecond; of several times, the first.
    pub at: DateTime<Utc>,
    /// What was done: `login.succeeded`.
    pub action: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// As whom.
    pub user_id: Option<UserId>,
    /// The address of the user at that time.
    pub email: Option<String>,
    /// `session:7`, `api_key:7` or `jwt:0123456789abcdef`.
    pub credential: Option<String>,
    /// Whose admins see the entry.
    pub organization_id: Option<OrganizationId>,
    /// `user:7`, `product:7` and so on.
    pub target: Option<String>,
    /// What else is worth knowing.
    pub detail: Option<String>,
    /// The address of the client, or `command line`.
    pub origin: Option<String>,
    /// The request.
    pub request_id: Option<String>,
    /// How many times, or how many things.
    pub count: i64,
}

/// Which entries are asked for, from the newest to the oldest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this organization; `None`: of all.
    pub organization: Option<OrganizationId>,
    /// Of this action.
    pub action: Option<AuditAction>,
    /// Of what was done as this user.
    pub user: Option<UserId>,
    /// Not older than this.
    pub since: Option<DateTime<Utc>>,
    /// Older than this.
    pub until: Option<DateTime<Utc>>,
    /// Behind this entry.
    pub after: Option<AuditPlace>,
    /// At most so many.
    pub limit: u32,
}

/// The place of an entry among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPlace {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Among those of the same time.
    pub id: i64,
}

impl Actor {
    /// Somebody at the machine itself.
    pub fn command_line() -> Self {
        Actor { origin: Some(AuditOrigin::CommandLine), ..Actor::default() }
    }

    /// The same, as this user: the password, or the token of a mail, has just proven that.
    pub fn as_user(&self, user: &User) -> Self {
        let (id, organization) = (Some(user.id), Some(user.organization_id));
        Actor { user: id, email: Some(user.email.clone()), organization, ..self.clone() }
    }

    /// The same, who says to be the user with this address.
    pub fn claiming(&self, email: Option<Email>) -> Self {
        Actor { email, ..self.clone() }
    }

    /// The same, whose entries belong to this organization: the one that it is done to.
    pub fn for_organization(&self, organization: OrganizationId) -> Self {
        Actor { organization: Some(organization), ..self.clone() }
    }

    /// That this actor does something.
    pub fn does(&self, action: AuditAction) -> AuditRecord {
        AuditRecord { actor: self.clone(), action, target: None, detail: None, count: 1 }
    }
}

impl AuditRecord {
    /// Names what it was done to.
    #[must_use]
    pub fn to(self, target: AuditTarget) -> Self {
        AuditRecord { target: Some(target), ..self }
    }

    /// Says what else is worth knowing.
    #[must_use]
    pub fn with(self, detail: impl Into<String>) -> Self {
        AuditRecord { detail: Some(detail.into()), ..self }
    }

    /// It happened to so many.
    #[must_use]
    pub fn times(self, count: usize) -> Self {
        AuditRecord { count: u32::try_from(count).unwrap_or(u32::MAX), ..self }
    }
}

impl fmt::Display for AuditCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditCredential::Session(id) => write!(f, "session:{id}"),
            AuditCredential::ApiKey(id) => write!(f, "api_key:{id}"),
            AuditCredential::Issued(id) => write!(f, "jwt:{id}"),
        }
    }
}

impl fmt::Display for IssuedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for AuditOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditOrigin::Client(address) => address.fmt(f),
            AuditOrigin::CommandLine => f.write_str("command line"),
        }
    }
}

impl fmt::Display for AuditTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditTarget::User(id) => write!(f, "user:{id}"),
            AuditTarget::Session(id) => write!(f, "session:{id}"),
            AuditTarget::ApiKey(id) => write!(f, "api_key:{id}"),
            AuditTarget::Issued(id) => write!(f, "jwt:{id}"),
            AuditTarget::Invitation(id) => write!(f, "invitation:{id}"),
            AuditTarget::Organization(id) => write!(f, "organization:{id}"),
            AuditTarget::Schema(id) => write!(f, "schema:{id}"),
            AuditTarget::Product(id) => write!(f, "product:{id}"),
            AuditTarget::Operation(operation) => f.write_str(operation),
        }
    }
}

/// As a cursor shows it.
impl fmt::Display for AuditPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.id)
    }
}

impl std::str::FromStr for AuditPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let place = text.split_once('-').and_then(|(at, id)| Some(AuditPlace { at: number(at)?, id: number(id)? }));
        place.ok_or_else(|| "must be the next_cursor of a page".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let place = AuditPlace { at: 1_764_000_000_123, id: 7 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in ["", "7", "-", "1-", "-1", "1--1", "+1-1", "1-1-1", "a-b", "99999999999999999999-1"] {
            assert!(bad.parse::<AuditPlace>().is_err(), "{bad}");
        }
    }
}

use std::path::PathBuf;
use std::sync::Arc;

use crate::ids::{ApiKeyId, InvitationId, OrganizationId, ProductId, SchemaId, SessionId, UserId};
use crate::invalid::Invalid;
use crate::page::PageError;
use crate::product::Version;
use crate::quota::{Resource, Usage};

/// Why a store could not do what it was asked. One kind per thing that a caller can do about it; cheap to clone,
/// because many may wait for the same answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such product, or no longer.
    #[error("product {0} does not exist")]
    NotFound(ProductId),
    /// The product is not at a version the caller expects. Nothing was changed.
    #[error("product {id} is at version {current}")]
    PreconditionFailed {
        /// The product.
        id: ProductId,
        /// Where it is.
        current: Version,
    },
    /// The product was changed after the caller had derived which cached entries the write invalidates. Nothing was
    /// changed; read it, derive them again, and repeat.
    #[error("product {id} was changed at the same time, it is at version {current}")]
    VersionConflict {
        /// The product.
        id: ProductId,
        /// Where it is.
        current: Version,
    },
    /// What was given does not go with what is stored: an organization that does not exist, details that do not fit
    /// the schema. Nothing was changed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The same of some of many, each with its place in what was given. Nothing was changed.
    #[error("{} of the products are not valid", .0.len())]
    InvalidMany(Vec<(usize, Invalid)>),
    /// There is no such organization.
    #[error("organization {0} does not exist")]
    NoSuchOrganization(OrganizationId),
    /// The organization is built in: it runs the service, and neither ends nor is suspended.
    #[error("organization {0} is built in and can be neither suspended nor deleted")]
    OrganizationBuiltIn(OrganizationId),
    /// The organization is suspended. Nothing was changed.
    #[error("organization {0} is suspended")]
    Suspended(OrganizationId),
    /// The organization has more users than when they were looked at. Nothing was changed; look again.
    #[error("organization {0} has got another user meanwhile")]
    MembersChanged(OrganizationId),
    /// The organization has as much of it as it may have. Nothing was changed.
    #[error(
        "organization {organization} has {} {resource} and may have {}",
        .usage.used,
        .usage.limit.unwrap_or_default()
    )]
    QuotaExceeded {
        /// The organization.
        organization: OrganizationId,
        /// Of what.
        resource: Resource,
        /// How much there is, and may be.
        usage: Usage,
    },
    /// There is no such schema.
    #[error("schema {0} does not exist")]
    NoSuchSchema(SchemaId),
    /// The schema is not at a version the caller expects. Nothing was changed.
    #[error("schema {id} is at version {current}")]
    SchemaPreconditionFailed {
        /// The schema.
        id: SchemaId,
        /// Where it is.
        current: Version,
    },
    /// The schema is built in and stays as it is.
    #[error("schema {0} is built in and cannot be changed")]
    SchemaBuiltIn(SchemaId),
    /// The schema has products that would not fit it after the change. Nothing was changed.
    #[error("{products} products would not fit schema {schema} any more")]
    SchemaInUse {
        /// The schema.
        schema: SchemaId,
        /// How many would not fit.
        products: i64,
    },
    /// There is no such user, or no longer.
    #[error("user {0} does not exist")]
    NoSuchUser(UserId),
    /// The address belongs to another user. Nothing was changed.
    #[error("there is a user with this e-mail address already")]
    EmailTaken,
    /// The address belongs to another user than when it was looked at. Nothing was changed; look again.
    #[error("the e-mail address has come to another user meanwhile")]
    EmailMoved,
    /// The user with the address was removed after the token was issued. Nothing was changed.
    #[error("the user with this e-mail address was removed after the token was issued")]
    RemovedSince,
    /// The keys of the outside issuer could not be read yet, so no token of it can be verified. Nothing was changed.
    #[error("the keys of the issuer of the token cannot be read")]
    NoIssuerKeys,
    /// The user has not proven yet to read the mail to the address. Nothing was changed.
    #[error("the e-mail address of user {0} is not verified")]
    NotVerified(UserId),
    /// The user is no admin, or not any more. Nothing was changed.
    #[error("user {0} is no admin")]
    NoAdmin(UserId),
    /// Without this user, nobody could decide any more who may use the organization. Nothing was changed.
    #[error("user {0} is the only admin of the organization")]
    LastAdmin(UserId),
    /// The user's sessions, or the password, have become others since they were looked at. Nothing was changed.
    #[error("the sessions of user {0} have ended meanwhile")]
    SessionsEnded(UserId),
    /// Others have opened sessions of the user at the same time: more have to end for one more. Nothing was changed.
    #[error("user {0} has too many sessions")]
    TooManySessions(UserId),
    /// The user has no such session, or no longer.
    #[error("session {0} does not exist")]
    NoSuchSession(SessionId),
    /// The user has no such API key, or no longer.
    #[error("API key {0} does not exist")]
    NoSuchApiKey(ApiKeyId),
    /// The permission to choose a new password was used, has ended, or never was. Nothing was changed.
    #[error("this password reset is not valid, or not any more")]
    NoSuchReset,
    /// The proof of an address was used, has ended, or never was. Nothing was changed.
    #[error("this verification is not valid, or not any more")]
    NoSuchProof,
    /// The invitation was used or revoked, has ended, never was, or is for another address. Nothing was changed.
    #[error("this invitation is not valid, or not any more, or is for another e-mail address")]
    NotInvited,
    /// The organization has no such invitation, or no longer.
    #[error("invitation {0} does not exist")]
    NoSuchInvitation(InvitationId),
    /// There can be no such page.
    #[error(transparent)]
    NoSuchPage(#[from] PageError),
    /// Too much is waiting already, or it waited or took too long, or another process holds the database. Nothing was
    /// changed; try again later.
    #[error("the database is overloaded: {0}")]
    Overloaded(&'static str),
    /// The database failed, in its own words, before the commit. Nothing was changed.
    #[error("the database failed: {0}")]
    NotCommitted(Arc<str>),
    /// The database failed, in its own words, and a write that was under way may or may not have been committed.
    #[error("the database failed: {0}")]
    Unavailable(Arc<str>),
    /// The database is not the one that was opened: its file was deleted, replaced or written over, or another process
    /// opened it that was not told of this one. Nothing is read or written until the process is started again.
    #[error("{} is not the database that was opened: {what}", .database.display())]
    Replaced {
        /// The database file.
        database: PathBuf,
        /// What was noticed, and what to do.
        what: Arc<str>,
    },
    /// The store is stopping or one of its tasks has died; a write may or may not have been committed.
    #[error("the database is closed")]
    Closed,
}

impl StoreError {
    /// A row that could not be turned into what is sent or stored; always a defect.
    pub fn from_serialization(cause: String) -> Self {
        StoreError::failed(format!("what is stored cannot be written down: {cause}"))
    }

    /// What is stored cannot be read; always a defect.
    pub fn corrupt(what: &str) -> Self {
        StoreError::failed(format!("what is stored cannot be read: {what}"))
    }

    /// The database failed, in its own words.
    pub fn failed(cause: String) -> Self {
        StoreError::Unavailable(cause.into())
    }

    /// Whether a write that ended so is certain to have changed nothing.
    pub fn changed_nothing(&self) -> bool {
        match self {
            StoreError::NotFound(_)
            | StoreError::PreconditionFailed { .. }
            | StoreError::VersionConflict { .. }
            | StoreError::Invalid(_)
            | StoreError::InvalidMany(_)
            | StoreError::NoSuchOrganization(_)
            | StoreError::OrganizationBuiltIn(_)
            | StoreError::Suspended(_)
            | StoreError::MembersChanged(_)
            | StoreError::QuotaExceeded { .. }
            | StoreError::NoSuchSchema(_)
            | StoreError::NoSuchPage(_)
            | StoreError::SchemaPreconditionFailed { .. }
            | StoreError::SchemaBuiltIn(_)
            | StoreError::SchemaInUse { .. }
            | StoreError::NoSuchUser(_)
            | StoreError::EmailTaken
            | StoreError::EmailMoved
            | StoreError::RemovedSince
            | StoreError::NoIssuerKeys
            | StoreError::NotVerified(_)
            | StoreError::NoAdmin(_)
            | StoreError::NoSuchProof
            | StoreError::NotInvited
            | StoreError::NoSuchInvitation(_)
            | StoreError::LastAdmin(_)
            | StoreError::SessionsEnded(_)
            | StoreError::TooManySessions(_)
            | StoreError::NoSuchSession(_)
            | StoreError::NoSuchApiKey(_)
            | StoreError::NoSuchReset
            | StoreError::NotCommitted(_)
            | StoreError::Overloaded(_) => true,
            StoreError::Unavailable(_) | StoreError::Replaced { .. } | StoreError::Closed => false,
        }
    }

    /// Whether the database could not do its work, as opposed to having answered that it cannot be done.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            StoreError::Overloaded(_)
                | StoreError::NotCommitted(_)
                | StoreError::Unavailable(_)
                | StoreError::Replaced { .. }
                | StoreError::Closed
        )
    }
}

//! What can be recorded: a closed set, each action with its name, its kind and its outcome.

use std::fmt;
use std::str::FromStr;

/// How long the records of an action are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditKind {
    /// Somebody has come or gone, or was refused. Anybody can cause as many of these as there are requests, so their
    /// number is bounded.
    Access,
    /// A right, an object or the cache has changed.
    Change,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// It was refused, and nothing was changed.
    Refused,
}

impl AuditOutcome {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            AuditOutcome::Done => "done",
            AuditOutcome::Refused => "refused",
        }
    }
}

macro_rules! actions {
    ($($(#[doc = $documentation:literal])+ $name:ident: $text:literal, $kind:ident, $outcome:ident;)*) => {
        /// What was done. The names are part of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AuditAction {
            $($(#[doc = $documentation])+ $name,)*
        }

        impl AuditAction {
            /// All of them.
            pub const ALL: &[AuditAction] = &[$(AuditAction::$name),*];

            /// As it is stored and shown.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(AuditAction::$name => $text,)*
                }
            }

            /// How long its records are kept.
            pub fn kind(self) -> AuditKind {
                match self {
                    $(AuditAction::$name => AuditKind::$kind,)*
                }
            }

            /// How it ends.
            pub fn outcome(self) -> AuditOutcome {
                match self {
                    $(AuditAction::$name => AuditOutcome::$outcome,)*
                }
            }
        }
    };
}

actions! {
    /// A session was opened.
    LoginSucceeded: "login.succeeded", Access, Done;
    /// The password was wrong, nobody has the address, or the organization is suspended.
    LoginFailed: "login.failed", Access, Refused;
    /// Too many logins: the password was not looked at.
    LoginLimited: "login.limited", Access, Refused;
    /// The user has ended the session.
    Logout: "logout", Access, Done;
    /// One session was ended: by its user in another one, or by a login.
    SessionEnded: "session.ended", Access, Done;
    /// All sessions of a user were ended.
    SessionsEnded: "sessions.ended", Access, Done;
    /// A mail to choose a new password was asked for.
    PasswordRequested: "password.requested", Access, Done;
    /// A new password was set with the token of a mail.
    PasswordReset: "password.reset", Change, Done;
    /// The token of a mail was not valid, or not any more.
    PasswordResetRefused: "password.reset_refused", Access, Refused;
    /// The user has changed the password.
    PasswordChanged: "password.changed", Change, Done;
    /// The current password was wrong, or there were too many attempts.
    PasswordChangeRefused: "password.change_refused", Access, Refused;
    /// Somebody has registered.
    UserRegistered: "user.registered", Change, Done;
    /// An admin has added a user.
    UserAdded: "user.added", Change, Done;
    /// A user has proven to read the mail to the address.
    UserVerified: "user.verified", Change, Done;
    /// An admin has given a user another role.
    UserRoleChanged: "user.role_changed", Change, Done;
    /// A user was removed: by an admin or an operator, or because the address was not verified.
    UserRemoved: "user.removed", Change, Done;
    /// An API key was created.
    ApiKeyCreated: "api_key.created", Change, Done;
    /// An API key was removed.
    ApiKeyRemoved: "api_key.removed", Change, Done;
    /// An API key was shown after its end.
    ApiKeyExpired: "api_key.expired", Access, Refused;
    /// A token of an outside issuer was revoked, other than by a logout.
    TokenRevoked: "token.revoked", Change, Done;
    /// An admin has invited somebody.
    InvitationCreated: "invitation.created", Change, Done;
    /// An admin has revoked an invitation.
    InvitationRevoked: "invitation.revoked", Change, Done;
    /// An organization was created.
    OrganizationCreated: "organization.created", Change, Done;
    /// An organization was suspended: nobody of it is let in.
    OrganizationSuspended: "organization.suspended", Change, Done;
    /// A suspended organization was resumed.
    OrganizationResumed: "organization.resumed", Change, Done;
    /// An operator has given an organization quotas of its own, or taken them away.
    OrganizationQuotasChanged: "organization.quotas_changed", Change, Done;
    /// An organization was deleted with all that belongs to it.
    OrganizationDeleted: "organization.deleted", Change, Done;
    /// A product was deleted.
    ProductDeleted: "product.deleted", Change, Done;
    /// Several products were deleted at once.
    ProductsDeleted: "products.deleted", Change, Done;
    /// Cached entries were deleted.
    CacheDeleted: "cache.deleted", Change, Done;
    /// The cache was warmed.
    CacheWarmed: "cache.warmed", Change, Done;
    /// The statistics of the cache were set to 0.
    StatisticsReset: "statistics.reset", Change, Done;
    /// A caller may not use this operation, or not so (403).
    OperationRefused: "operation.refused", Access, Refused;
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AuditAction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = AuditAction::ALL.iter().find(|action| action.as_str() == text);
        known.copied().ok_or_else(|| "must be an action of the audit log, such as login.failed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_read_back() {
        for action in AuditAction::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
        }
        assert!("login".parse::<AuditAction>().is_err());
    }
}

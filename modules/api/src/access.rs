//! What a caller must be to use an operation.

/// What a caller must be when users are on (`AUTH=on`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Anybody.
    Nothing,
    /// Somebody of any role: reading, within the caller's organization.
    Viewer,
    /// Writing, within the caller's organization.
    Editor,
    /// Deciding who may, within the caller's organization.
    Admin,
    /// An admin of the built-in organization: what concerns all organizations.
    Operator,
    /// Somebody of the built-in organization, unless the numbers are open to all.
    Observer,
    /// A person with a session, whatever the role: an API key cannot do what outlives it.
    Session,
    /// An admin, and a person with a session.
    AdminSession,
}

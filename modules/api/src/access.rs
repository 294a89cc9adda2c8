//! What an operation needs of its caller.

/// What an operation needs of its caller with `AUTH=on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// No authentication.
    Nothing,
    /// Any role: reads within the caller's organization.
    Viewer,
    /// Role editor: writes within the caller's organization.
    Editor,
    /// Role admin: manages the users of the caller's organization.
    Admin,
    /// Role admin of the built-in organization: operations that concern all organizations.
    Operator,
    /// Any role of the built-in organization, unless the metrics are open to all.
    Observer,
    /// A session of any role: an API key may not do what outlives it.
    Session,
    /// Role admin, by a session.
    AdminSession,
}

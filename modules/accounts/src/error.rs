use hotshelf_cache::WriteError;
use hotshelf_domain::StoreError;

/// Why somebody was not let in, or an account not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no such user, or the password is another. Which of both, nobody is told.
    #[error("the e-mail address or the password is wrong")]
    WrongCredentials,
    /// Nobody may register, or invite.
    #[error("registration is off: an admin of the organization can add users")]
    RegistrationOff,
    /// Only whoever was invited may register.
    #[error("registration is by invitation: `invitation` is required, the token that was mailed")]
    InvitationMissing,
    /// The organization of the user is suspended.
    #[error("the organization is suspended, ask the operator of the service")]
    Suspended,
    /// More passwords are being checked than the machine can; try again.
    #[error("too many passwords are being checked")]
    Busy,
    /// More mails are waiting than may; nothing was done, try again.
    #[error("too many mails are waiting to be sent")]
    TooMuchMail,
    /// A hash could not be made or read; a defect.
    #[error("a password could not be hashed: {0}")]
    Hash(String),
    /// No tokens of an outside issuer are accepted.
    #[error("the service accepts no tokens of an outside issuer")]
    NoIssuer,
    /// The issuer has not signed the token, or it is not valid now.
    #[error("this is no valid token of the issuer")]
    NotIssued,
    /// The token is another user's.
    #[error(
        "a token can be revoked by its user and by an admin of the user's organization, and by its id by operators"
    )]
    NotYours,
    /// The cache or the database refused or failed.
    #[error(transparent)]
    Write(#[from] WriteError<StoreError>),
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        AuthError::Write(WriteError::Store(error))
    }
}

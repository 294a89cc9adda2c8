//! New passwords: by a mail for those who forgot theirs, and for those who know it.

use hotshelf_database::Database;
use hotshelf_domain::{Actor, AuditAction, Email, Home, StoreError, check_context};

use crate::auth::{Auth, SessionPrincipal};
use crate::error::AuthError;
use crate::letters::{Letter, Notice, Occasion};
use crate::passwords::Match;
use crate::token::{Token, TokenKind};

impl Auth {
    /// Lets the user of that address choose a new password, by a mail. Whether there is one, nobody is told, not even
    /// by the time it takes.
    ///
    /// # Errors
    /// [`AuthError::TooMuchMail`], whether there is such a user or not.
    pub fn forgot_password(&self, spellings: Vec<Email>, by: &Actor) -> Result<(), AuthError> {
        let mail = self.0.outbox.reserve()?;
        self.0.audit.note(by.claiming(spellings.last().cloned()).does(AuditAction::PasswordRequested));
        mail.send(Letter::Password(spellings, Occasion::Forgotten));
        Ok(())
    }

    /// Gives the user who was allowed to by this token a new password, and verifies the address. All sessions, API keys
    /// and invitations of the user end: whoever had the account before may have made some.
    ///
    /// # Errors
    /// [`StoreError::NoSuchReset`], [`AuthError::Busy`] among others.
    pub async fn reset_password(&self, token: &str, password: String, by: Actor) -> Result<(), AuthError> {
        let refused = || {
            self.0.audit.note(by.does(AuditAction::PasswordResetRefused));
            StoreError::NoSuchReset
        };
        let Some((TokenKind::Reset, token_hash)) = Token::recognize(token) else { return Err(refused().into()) };
        let user = self.0.database.reset_of(token_hash).await?.ok_or_else(refused)?;
        let known = self.0.database.user(user).await?.ok_or_else(refused)?;
        let hash = self.chosen(password, &known.email, &Home::In(known.organization_id)).await?;
        let commit =
            async move |database: Database, fencing| database.reset_password(token_hash, hash, by, fencing).await;
        self.write(vec![self.identity_entry(user)], commit).await?;
        self.0.outbox.tell(known.email, Notice::PasswordReset);
        Ok(())
    }

    /// The hash of a password that somebody with this address chooses, who belongs there.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when it is easy to guess there; [`AuthError::Busy`] among others.
    pub(crate) async fn chosen(&self, password: String, email: &Email, home: &Home) -> Result<String, AuthError> {
        check_context(&password, email, &self.name_of(home).await?).map_err(StoreError::from)?;
        self.0.passwords.hash(password).await
    }

    /// The name of the organization; empty if there is none, which another check finds.
    async fn name_of(&self, home: &Home) -> Result<String, StoreError> {
        let organization = match home {
            Home::In(organization) | Home::Issued { organization, .. } => *organization,
            Home::New(new) => return Ok(new.name.clone()),
            Home::Invited(by, new) => match self.0.database.invitation(*by).await? {
                Some(invitation) if !invitation.new_organization => invitation.organization_id,
                Some(_) | None => return Ok(new.name.clone()),
            },
        };
        let found = self.0.database.organization(organization).await?;
        Ok(found.map(|found| found.name).unwrap_or_default())
    }

    /// Gives the principal a new password. All other sessions of the user end. The API keys stay: their owner is here,
    /// sees them, and programs work with them.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`] when `current` is not the password until now; [`StoreError::SessionsEnded`] when
    /// somebody else changed it, or ended the session, at the same time; [`AuthError::Busy`] among others.
    pub async fn change_password(
        &self,
        principal: &SessionPrincipal,
        current: String,
        password: String,
        by: Actor,
    ) -> Result<(), AuthError> {
        let email = principal.identity.address();
        let stored = self.0.database.credentials(email.clone()).await?.and_then(|(_, stored)| stored);
        let compared = self.0.passwords.verify(current, stored.clone()).await?;
        let Some(verified) = stored.filter(|_| compared != Match::Wrong) else {
            self.0.audit.note(by.does(AuditAction::PasswordChangeRefused).with("wrong password"));
            return Err(AuthError::WrongCredentials);
        };
        let hash = self.chosen(password, &email, &Home::In(principal.identity.organization)).await?;
        let (user, keep) = (principal.identity.user, principal.session);
        let entries = vec![self.identity_entry(user), self.session_entry(&principal.token_hash)];
        let commit = async move |database: Database, fencing| {
            database.set_password(user, (verified, hash), keep, by, fencing).await
        };
        self.write(entries, commit).await?;
        // Whoever reads the mail of an unverified address may be somebody else.
        if principal.identity.verified {
            self.0.outbox.tell(email, Notice::PasswordChanged);
        }
        Ok(())
    }
}

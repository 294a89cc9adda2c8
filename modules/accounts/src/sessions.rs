//! Sessions: opened by a password, listed and ended.

use chrono::Utc;
use hotshelf_cache::{Fencing, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::{Actor, AuditAction, Email, NewSession, Session, SessionId, StoreError, TokenHash, User, UserId};

use crate::auth::{Auth, SessionPrincipal};
use crate::error::AuthError;
use crate::token::{Token, TokenKind};

/// What a client calls itself is cut off after so many characters.
const LONGEST_CLIENT: usize = 200;
/// How often a login looks again who has to leave for it, when others log in as the same user at the same time.
/// Passwords are looked at one or two at a time, so these are few.
const ATTEMPTS: usize = 10;

impl Auth {
    /// Opens a session for whoever knows the password. It takes the same time for users who do not exist. Of a hundred
    /// sessions, the oldest ends: no instance accepts it from here on.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`]; [`AuthError::Busy`]; [`WriteError::Locked`] when too many log in as this user
    /// at the same time, among others.
    pub async fn login(
        &self,
        email: &str,
        password: String,
        client: &str,
        by: &Actor,
    ) -> Result<(Token, Session, User), AuthError> {
        let email = email.parse::<Email>().ok();
        let known = match email.clone() {
            Some(email) => self.0.database.credentials(email).await?,
            None => None,
        };
        let (user, stored) = known.map_or((None, None), |(user, stored)| (Some(user), stored));
        let right = self.0.passwords.verify(password, stored).await?;
        let (by, reason) = match &user {
            Some(user) => (by.as_user(user), "wrong password"),
            None => (by.claiming(email), "unknown address"),
        };
        let failed = || {
            self.0.metrics.login(false);
            self.0.audit.note(by.does(AuditAction::LoginFailed).with(reason));
            AuthError::WrongCredentials
        };
        let Some(user) = user.filter(|_| right) else { return Err(failed()) };
        let opened = self.open_session(&user, client, &by).await;
        // The password that was right has ceased to be so meanwhile.
        let ended = matches!(opened, Err(WriteError::Store(StoreError::SessionsEnded(_) | StoreError::NoSuchUser(_))));
        if ended {
            return Err(failed());
        }
        self.0.metrics.login(true);
        Ok(opened.map(|(token, session)| (token, session, user))?)
    }

    /// For the user as it was when the password was checked, with a token that nobody had before. `client` is what the
    /// client calls itself.
    async fn open_session(
        &self,
        user: &User,
        client: &str,
        by: &Actor,
    ) -> Result<(Token, Session), WriteError<StoreError>> {
        let token = Token::new(TokenKind::Session);
        let client = client.chars().filter(|letter| !letter.is_control()).take(LONGEST_CLIENT).collect();
        let expires_at = self.0.session_uses.end_from(Utc::now());
        let (token_hash, generation) = (token.hash(), user.session_generation);
        let new = NewSession { token_hash, user_id: user.id, generation, client, expires_at };
        let mut leaving = Vec::new();
        for _ in 0..ATTEMPTS {
            match self.open_instead_of(new.clone(), leaving, by.clone()).await {
                Err(WriteError::Store(StoreError::TooManySessions(_))) => {
                    let without_room = self.0.database.sessions_without_room(user.id).await;
                    leaving = without_room.map_err(WriteError::Store)?;
                }
                opened => return opened.map(|session| (token, session)),
            }
        }
        Err(WriteError::Locked)
    }

    /// Those who leave end as by a logout: their entries are fenced before they are deleted.
    async fn open_instead_of(
        &self,
        new: NewSession,
        leaving: Vec<TokenHash>,
        by: Actor,
    ) -> Result<Session, WriteError<StoreError>> {
        if leaving.is_empty() {
            // No entry is of what is not there yet.
            let opened = self.0.database.open_session(new, leaving, by, Fencing::Fenced).await;
            return Ok(opened.map_err(WriteError::Store)?.value);
        }
        let entries = leaving.iter().map(|token_hash| self.session_entry(token_hash)).collect();
        let commit = async move |database: Database, fencing| database.open_session(new, leaving, by, fencing).await;
        self.write(entries, commit).await
    }

    /// The principal's own session, as the database has it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSession`] among others.
    pub async fn session_of(&self, principal: &SessionPrincipal) -> Result<Session, AuthError> {
        let session = self.0.database.session(principal.token_hash).await?;
        Ok(session.ok_or(StoreError::NoSuchSession(principal.session))?)
    }

    /// The user's sessions that have not ended, by id.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>, AuthError> {
        Ok(self.0.database.sessions_of(user).await?.into_iter().map(|(session, _)| session).collect())
    }

    /// Ends the session of this token. From here on no instance accepts it.
    ///
    /// # Errors
    /// [`AuthError::Write`]; then it may or may not have ended.
    pub async fn end_session(&self, token_hash: TokenHash, by: Actor) -> Result<(), AuthError> {
        let entries = vec![self.session_entry(&token_hash)];
        let commit = async move |database: Database, fencing| database.end_session(token_hash, by, fencing).await;
        Ok(self.write(entries, commit).await?)
    }

    /// Ends one of the user's sessions, by its id.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSession`], and as [`end_session`](Auth::end_session).
    pub async fn end_session_of(&self, user: UserId, id: SessionId, by: Actor) -> Result<(), AuthError> {
        let sessions = self.0.database.sessions_of(user).await?;
        let (_, token_hash) =
            sessions.into_iter().find(|(session, _)| session.id == id).ok_or(StoreError::NoSuchSession(id))?;
        self.end_session(token_hash, by).await
    }

    /// Ends all of the user's sessions.
    ///
    /// # Errors
    /// As [`end_session`](Auth::end_session).
    pub async fn end_sessions_of(&self, user: UserId, by: Actor) -> Result<(), AuthError> {
        let commit = async move |database: Database, fencing| database.end_sessions(user, by, fencing).await;
        Ok(self.write(vec![self.identity_entry(user)], commit).await?)
    }
}

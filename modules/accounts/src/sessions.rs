//! Sessions: opened by a password, listed and ended.

use chrono::Utc;
use hotshelf_cache::{Fencing, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, AuditAction, Email, LeavingSessions, NewSession, Session, SessionId, StoreError, TokenHash, User, UserId,
    normalized_password,
};

use crate::auth::{Auth, SessionPrincipal};
use crate::error::AuthError;
use crate::passwords::Match;
use crate::token::{Token, TokenKind};

/// What a client calls itself is cut off after so many characters.
const LONGEST_CLIENT: usize = 200;
/// How often a login looks again who has to leave for it, when others log in as the same user at the same time.
/// Passwords are looked at one or two at a time, so these are few.
const ATTEMPTS: usize = 10;
/// Why a login fails whose password is right.
const SUSPENDED: &str = "the organization is suspended";

impl Auth {
    /// Opens a session for whoever knows the password. It takes the same time for users who do not exist. The session
    /// of the same user whose token is `shown` ends, and so does the oldest of a hundred: no instance accepts them from
    /// here on.
    ///
    /// # Errors
    /// [`AuthError::WrongCredentials`]; [`AuthError::Suspended`]; [`AuthError::Busy`]; [`WriteError::Locked`] when too
    /// many log in as this user at the same time, among others.
    pub async fn login(
        &self,
        email: &str,
        password: String,
        client: &str,
        shown: Option<&str>,
        by: &Actor,
    ) -> Result<(Token, Session, User), AuthError> {
        let (user, stored) = self.known_as(email).await?.map_or((None, None), |(user, stored)| (Some(user), stored));
        let compared = self.0.passwords.verify(password.clone(), stored.clone()).await?;
        let (by, reason) = match &user {
            Some(user) => (by.as_user(user), "wrong password"),
            None => (by.claiming(email.parse().ok()), "unknown address"),
        };
        let failed = |error, reason| {
            self.0.metrics.login(false);
            self.0.audit.note(by.does(AuditAction::LoginFailed).with(reason));
            error
        };
        let Some(user) = user.filter(|_| compared != Match::Wrong) else {
            return Err(failed(AuthError::WrongCredentials, reason));
        };
        if user.suspended {
            return Err(failed(AuthError::Suspended, SUSPENDED));
        }
        if let (Match::Outdated, Some(verified)) = (compared, stored) {
            self.hash_anew(user.id, password, verified).await;
        }
        let opened = self.open_session(&user, client, shown, &by).await;
        match opened {
            // The password that was right has ceased to be so meanwhile.
            Err(WriteError::Store(StoreError::SessionsEnded(_) | StoreError::NoSuchUser(_))) => {
                return Err(failed(AuthError::WrongCredentials, reason));
            }
            Err(WriteError::Store(StoreError::Suspended(_))) => return Err(failed(AuthError::Suspended, SUSPENDED)),
            Ok(_) | Err(_) => {}
        }
        self.0.metrics.login(true);
        Ok(opened.map(|(token, session)| (token, session, user))?)
    }

    /// The user who writes the address like this, and the hash of the password.
    pub(crate) async fn known_as(&self, text: &str) -> Result<Option<(User, Option<String>)>, StoreError> {
        for email in Email::spellings(text) {
            if let Some(known) = self.0.database.credentials(email).await? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// Replaces a hash that was made in another way than today. If that fails, the next login does it.
    async fn hash_anew(&self, user: UserId, password: String, verified: String) {
        let replaced = async {
            let hash = self.0.passwords.hash(normalized_password(&password)).await?;
            Ok::<_, AuthError>(self.0.database.replace_hash(user, verified, hash).await?)
        };
        if let Err(error) = replaced.await {
            tracing::debug!(%error, "a hash of a password could not be made anew");
        }
    }

    /// For the user as it was when the password was checked, with a token that nobody had before. `client` is what the
    /// client calls itself.
    async fn open_session(
        &self,
        user: &User,
        client: &str,
        shown: Option<&str>,
        by: &Actor,
    ) -> Result<(Token, Session), WriteError<StoreError>> {
        let token = Token::new(TokenKind::Session);
        let client = client.chars().filter(|letter| !letter.is_control()).take(LONGEST_CLIENT).collect();
        let expires_at = self.0.session_uses.end_from(Utc::now());
        let (token_hash, generation) = (token.hash(), user.session_generation);
        let new = NewSession { token_hash, user_id: user.id, generation, client, expires_at };
        let replaced = self.own_session(user, shown).await.map_err(WriteError::Store)?;
        let mut leaving = LeavingSessions { replaced, oldest: Vec::new() };
        for _ in 0..ATTEMPTS {
            match self.open_instead_of(new.clone(), leaving, by.clone()).await {
                Err(WriteError::Store(StoreError::TooManySessions(_))) => {
                    let without_room = self.0.database.sessions_without_room(user.id).await;
                    let mut oldest = without_room.map_err(WriteError::Store)?;
                    oldest.retain(|oldest| Some(*oldest) != replaced);
                    leaving = LeavingSessions { replaced, oldest };
                }
                opened => return opened.map(|session| (token, session)),
            }
        }
        Err(WriteError::Locked)
    }

    /// The session of this user that a login replaces, so that whoever knew its token knows nothing any more.
    async fn own_session(&self, user: &User, shown: Option<&str>) -> Result<Option<TokenHash>, StoreError> {
        let Some((TokenKind::Session, token_hash)) = shown.and_then(Token::recognize) else { return Ok(None) };
        let session = self.0.database.session(token_hash).await?;
        Ok(session.filter(|session| session.user_id == user.id).map(|_| token_hash))
    }

    /// Those who leave end as by a logout: their entries are fenced before they are deleted.
    async fn open_instead_of(
        &self,
        new: NewSession,
        leaving: LeavingSessions,
        by: Actor,
    ) -> Result<Session, WriteError<StoreError>> {
        let entries: Vec<_> = leaving.iter().map(|token_hash| self.session_entry(token_hash)).collect();
        if entries.is_empty() {
            // No entry is of what is not there yet.
            let opened = self.0.database.open_session(new, leaving, by, Fencing::Fenced).await;
            return Ok(opened.map_err(WriteError::Store)?.value);
        }
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

use hotshelf_cache::{Committed, Fencing};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::ProductRepository;
use crate::account::{ApiKey, Email, NewApiKey, NewSession, NewUser, Role, Secret, Session, User};
use crate::error::StoreError;
use crate::ids::{ApiKeyId, OrganizationId, SessionId, UserId};
use crate::sqlite::SqliteCatalogue;

/// Users, their sessions and their API keys, in the same database as the products. A cheap handle.
///
/// What writes here is durable, and reads see it, as with [`ProductRepository`]. Reads fail with
/// [`StoreError::Overloaded`], [`StoreError::Unavailable`] and [`StoreError::Closed`], writes with these as well; other errors
/// are named at the methods.
#[derive(Clone)]
pub struct AccountRepository(Arc<SqliteCatalogue>);

impl ProductRepository {
    /// The accounts in this database.
    pub fn accounts(&self) -> AccountRepository {
        AccountRepository(Arc::clone(&self.0))
    }
}

impl AccountRepository {
    /// Stores a new user, and the organization that is to be made for it, under ids that none ever had.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`], [`StoreError::NoSuchOrganization`].
    pub async fn add_user(&self, new: NewUser) -> Result<User, StoreError> {
        self.0.add_user(new).await
    }

    /// The user, `None` when there is none.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.0.user(id).await
    }

    /// The user of that address, and the hash of the password, if one was chosen.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn credentials(&self, email: Email) -> Result<Option<(User, Option<String>)>, StoreError> {
        self.0.credentials(email).await
    }

    /// The users of an organization, by id.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, StoreError> {
        self.0.users(organization).await
    }

    /// Gives the user another role.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::LastAdmin`].
    pub async fn set_role(&self, id: UserId, role: Role, fencing: Fencing) -> Result<Committed<User>, StoreError> {
        self.0.set_role(id, role, fencing).await
    }

    /// Removes the user with all sessions and keys.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::LastAdmin`].
    pub async fn remove_user(&self, id: UserId, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.0.remove_user(id, fencing).await
    }

    /// Gives the user another password instead of the one whose hash was `verified`. All sessions but `keep` end, and every
    /// permission to choose a new one.
    ///
    /// # Errors
    /// [`StoreError::SessionsEnded`] when the password is no longer that one, or the session has ended: somebody else was
    /// quicker, and counts.
    pub async fn set_password(
        &self,
        id: UserId,
        (verified, hash): (String, String),
        keep: SessionId,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.0.set_password(id, (verified, hash), keep, fencing).await
    }

    /// Lets somebody who shows `secret` until then choose a new password for the user, once.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`].
    pub async fn allow_reset(&self, id: UserId, secret: Secret, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.0.allow_reset(id, secret, until).await
    }

    /// Who may choose a new password by this secret.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn reset_of(&self, secret: Secret) -> Result<Option<UserId>, StoreError> {
        self.0.reset_of(secret).await
    }

    /// Uses up the secret to give its user another password. All sessions and all API keys end, and every other permission to
    /// choose a new one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchReset`].
    pub async fn reset_password(
        &self,
        secret: Secret,
        hash: String,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.0.reset_password(secret, hash, fencing).await
    }

    /// The oldest of the user's sessions, as many as have to end before one more is opened: a user has at most a hundred.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn sessions_without_room(&self, id: UserId) -> Result<Vec<Secret>, StoreError> {
        self.0.sessions_without_room(id).await
    }

    /// Opens a session, and ends those that are `leaving`, and no others: their copies are barred.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`]; [`StoreError::SessionsEnded`] when it would be of a generation that has ended;
    /// [`StoreError::TooManySessions`] when more would have to leave
    /// ([`sessions_without_room`](AccountRepository::sessions_without_room)).
    pub async fn open_session(
        &self,
        new: NewSession,
        leaving: Vec<Secret>,
        fencing: Fencing,
    ) -> Result<Committed<Session>, StoreError> {
        self.0.open_session(new, leaving, fencing).await
    }

    /// The session that is recognized by this secret, also one that has ended by itself.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn session(&self, secret: Secret) -> Result<Option<Session>, StoreError> {
        self.0.session(secret).await
    }

    /// The user's sessions that have not ended, by id, each with its secret.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn sessions_of(&self, id: UserId) -> Result<Vec<(Session, Secret)>, StoreError> {
        self.0.sessions_of(id).await
    }

    /// Ends a session. That there is none is as good.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn end_session(&self, secret: Secret, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.0.end_session(secret, fencing).await
    }

    /// Ends all of the user's sessions but `keep`, which goes over into the new generation.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`].
    pub async fn end_sessions(
        &self,
        id: UserId,
        keep: Option<SessionId>,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.0.end_sessions(id, keep, fencing).await
    }

    /// Notes when the sessions were used, and until when they go on: none of them less long than it did, and none that has ended.
    /// Copies that say that they end earlier do no harm.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn extend_sessions(&self, used: Vec<Used>) -> Result<(), StoreError> {
        self.0.extend_sessions(used).await
    }

    /// Forgets some of the sessions, and the permissions, that have ended by themselves; tells how many sessions, 0 when none
    /// are left.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn forget_ended(&self) -> Result<usize, StoreError> {
        self.0.forget_ended().await
    }

    /// How many sessions have not ended.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn live_sessions(&self) -> Result<i64, StoreError> {
        self.0.live_sessions().await
    }

    /// Stores a new API key of the user's, who asks for it by that session.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`]; [`StoreError::SessionsEnded`] when the session has ended; [`StoreError::Invalid`] when there
    /// are too many.
    pub async fn add_api_key(
        &self,
        id: UserId,
        by: SessionId,
        new: NewApiKey,
        secret: Secret,
    ) -> Result<ApiKey, StoreError> {
        self.0.add_api_key(id, by, new, secret).await
    }

    /// The API key that is recognized by this secret.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn api_key(&self, secret: Secret) -> Result<Option<ApiKey>, StoreError> {
        self.0.api_key(secret).await
    }

    /// The user's API keys, by id, each with its secret.
    ///
    /// # Errors
    /// Those of every read.
    pub async fn api_keys_of(&self, id: UserId) -> Result<Vec<(ApiKey, Secret)>, StoreError> {
        self.0.api_keys_of(id).await
    }

    /// Removes an API key. That there is none is as good.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn remove_api_key(&self, secret: Secret, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.0.remove_api_key(secret, fencing).await
    }

    /// Notes when API keys were used, as far as no later use is noted.
    ///
    /// # Errors
    /// Those of every write.
    pub async fn note_api_keys(&self, used: Vec<(ApiKeyId, DateTime<Utc>)>) -> Result<(), StoreError> {
        self.0.note_api_keys(used).await
    }
}

/// That a session was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What the session is recognized by.
    pub secret: Secret,
    /// When.
    pub at: DateTime<Utc>,
    /// When it ends unless it is used again.
    pub expires_at: DateTime<Utc>,
}

//! The users of an organization: made, changed and removed.

use hotshelf_database::Database;
use hotshelf_domain::{Actor, Email, Home, NewUser, OrganizationId, Role, StoreError, User, UserId};

use crate::auth::Auth;
use crate::error::AuthError;
use crate::letters::{Letter, Notice, Occasion};

impl Auth {
    /// Whether somebody has verified this address.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn is_taken(&self, email: &Email) -> Result<bool, AuthError> {
        let holder = self.0.database.credentials(email.clone()).await?;
        Ok(holder.is_some_and(|(holder, _)| holder.verified))
    }

    /// Adds a user to an organization. Without a password, a mail lets the user choose one, and the address is verified
    /// by that; with one, whoever adds the user vouches for the address.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`], [`StoreError::NoSuchOrganization`], [`StoreError::Invalid`],
    /// [`AuthError::TooMuchMail`] and [`AuthError::Busy`] among others.
    pub async fn add_user(
        &self,
        organization: OrganizationId,
        email: Email,
        role: Role,
        password: Option<String>,
        by: Actor,
    ) -> Result<User, AuthError> {
        let home = Home::In(organization);
        let password_hash = match password {
            Some(password) => Some(self.chosen(password, &email, &home).await?),
            None => None,
        };
        let place = if password_hash.is_none() { Some(self.0.outbox.reserve()?) } else { None };
        let verified = password_hash.is_some();
        let user = self.settle(NewUser { email, password_hash, home, role, verified }, &by).await?;
        if let Some(place) = place {
            place.send(Letter::Password(vec![user.email.clone()], Occasion::Added));
        }
        Ok(user)
    }

    /// The users of an organization, by id.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn users(&self, organization: OrganizationId) -> Result<Vec<User>, AuthError> {
        Ok(self.0.database.users(organization).await?)
    }

    /// The user of an organization.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], also for a user of another organization.
    pub async fn user(&self, organization: OrganizationId, id: UserId) -> Result<User, AuthError> {
        let user = self.0.database.user(id).await?.filter(|user| user.organization_id == organization);
        Ok(user.ok_or(StoreError::NoSuchUser(id))?)
    }

    /// Gives a user of the organization another role. From here on no instance grants the old one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::LastAdmin`] among others.
    pub async fn set_role(
        &self,
        organization: OrganizationId,
        id: UserId,
        role: Role,
        by: Actor,
    ) -> Result<User, AuthError> {
        let before = self.user(organization, id).await?;
        let commit = async move |database: Database, fencing| database.set_role(id, role, by, fencing).await;
        let user = self.write(vec![self.identity_entry(id)], commit).await?;
        if user.role != before.role && user.verified {
            self.0.outbox.tell(user.email.clone(), Notice::RoleChanged(role));
        }
        Ok(user)
    }

    /// Removes a user of the organization, with sessions and keys.
    ///
    /// # Errors
    /// As [`set_role`](Auth::set_role).
    pub async fn remove_user(&self, organization: OrganizationId, id: UserId, by: Actor) -> Result<(), AuthError> {
        self.user(organization, id).await?;
        self.remove(id, false, by).await
    }

    /// Removes any user, for an operator: also one who is the only admin of an organization, unless it is the built-in
    /// one. The address becomes free.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::LastAdmin`] among others.
    pub async fn remove_any_user(&self, id: UserId, by: Actor) -> Result<(), AuthError> {
        self.remove(id, true, by).await
    }

    async fn remove(&self, id: UserId, by_operator: bool, by: Actor) -> Result<(), AuthError> {
        let commit = async move |database: Database, fencing| database.remove_user(id, by_operator, by, fencing).await;
        Ok(self.write(vec![self.identity_entry(id)], commit).await?)
    }

    /// The user who has that address, however it is written.
    ///
    /// # Errors
    /// When the database failed.
    pub async fn holder(&self, email: &str) -> Result<Option<User>, AuthError> {
        Ok(self.known_as(email).await?.map(|(user, _)| user))
    }

    /// Ends all sessions of a user of the organization.
    ///
    /// # Errors
    /// As [`user`](Auth::user).
    pub async fn end_sessions(&self, organization: OrganizationId, id: UserId, by: Actor) -> Result<(), AuthError> {
        self.user(organization, id).await?;
        self.end_sessions_of(id, by).await
    }
}

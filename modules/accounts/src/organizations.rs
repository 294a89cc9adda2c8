//! What operators do to whole organizations.

use hotshelf_cache::{Committed, Fencing, WriteError};
use hotshelf_database::Database;
use hotshelf_domain::{Actor, Organization, OrganizationId, OrganizationPatch, StoreError, UserId};

use crate::auth::Auth;
use crate::error::AuthError;

/// How often it is looked again who belongs to the organization, when users are added at the same time.
const ATTEMPTS: usize = 10;

impl Auth {
    /// Changes an organization: suspends or resumes it, and sets its quotas. While it is suspended, no instance lets
    /// any of its users in, by any session or key; all of them are as before when it is resumed.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`], [`StoreError::OrganizationBuiltIn`] among others.
    pub async fn change_organization(
        &self,
        id: OrganizationId,
        patch: OrganizationPatch,
        by: Actor,
    ) -> Result<Organization, AuthError> {
        let change = async move |database: Database, members, fencing| {
            database.change_organization(id, patch, members, by, fencing).await
        };
        self.change_all(id, change).await
    }

    /// Ends an organization with all users, sessions, API keys and invitations: no instance lets any of them in from
    /// here on. The products are still to be deleted.
    ///
    /// # Errors
    /// As [`change_organization`](Auth::change_organization).
    pub async fn end_organization(&self, id: OrganizationId, by: Actor) -> Result<(), AuthError> {
        let change =
            async move |database: Database, members, fencing| database.end_organization(id, members, by, fencing).await;
        self.change_all(id, change).await
    }

    /// A write of the entries of all users of an organization. A user who is added in between has no entry yet, but may
    /// get one before the commit, so the commit fails with another user, and all is repeated.
    async fn change_all<T, F>(
        &self,
        id: OrganizationId,
        change: impl FnOnce(Database, Vec<UserId>, Fencing) -> F + Clone + Send + 'static,
    ) -> Result<T, AuthError>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, StoreError>> + Send,
    {
        for _ in 0..ATTEMPTS {
            let members = self.0.database.members(id).await?;
            let entries = members.iter().map(|member| self.identity_entry(*member)).collect();
            let change = change.clone();
            let commit = async move |database: Database, fencing| change(database, members, fencing).await;
            match self.write(entries, commit).await {
                Err(WriteError::Store(StoreError::MembersChanged(_))) => {}
                changed => return Ok(changed?),
            }
        }
        Err(WriteError::Locked.into())
    }
}

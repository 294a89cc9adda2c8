//! How users come in, and how their addresses are proven.

use chrono::{DateTime, Utc};
use hotshelf_cache::{Committed, Fencing};
use hotshelf_domain::{
    Actor, Invitation, InvitationId, NewInvitation, NewUser, OrganizationId, StoreError, TokenHash, User, UserId,
};

use super::Database;
use crate::port::Tx;
use crate::usecases::registration;

impl Database {
    /// Stores a new user, and the organization that is to be made for it, under ids that none ever had. Somebody who
    /// has the address and has not verified it is removed, with all sessions and keys, and no other than
    /// `instead_of`: that cached entry is fenced.
    ///
    /// # Errors
    /// [`StoreError::EmailTaken`]; [`StoreError::EmailMoved`] when another than `instead_of` has it;
    /// [`StoreError::NoSuchOrganization`]; [`StoreError::NotInvited`]; [`StoreError::QuotaExceeded`];
    /// [`StoreError::RemovedSince`] for a token of an outside issuer.
    pub async fn add_user(
        &self,
        new: NewUser,
        instead_of: Option<UserId>,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<User>, StoreError> {
        let quotas = self.0.quotas;
        let add = move |tx: &mut dyn Tx| registration::add_user(tx, &new, instead_of, &by, quotas);
        self.commit_recorded(1, fencing, add).await
    }

    /// Stores a token by which the user can prove the address, until then.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`].
    pub async fn allow_proof(&self, id: UserId, token_hash: TokenHash, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.0.writer.submit(1, move |tx| registration::allow_proof(tx, id, &token_hash, until)).await
    }

    /// The user whose address this token proves.
    pub async fn proof_of(&self, token_hash: TokenHash) -> Result<Option<UserId>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.user_of_proof(&token_hash)).await
    }

    /// Uses up the token: the address of its user, whose password has the hash `shown`, is verified.
    ///
    /// # Errors
    /// [`StoreError::NoSuchProof`], also when the password is another by now.
    pub async fn verify(
        &self,
        token_hash: TokenHash,
        shown: String,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| registration::verify(tx, &token_hash, &shown, &by)).await
    }

    /// Some of those who registered before that time and have not verified their addresses.
    pub async fn unverified(&self, before: DateTime<Utc>, limit: i64) -> Result<Vec<UserId>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.unverified(before, limit)).await
    }

    /// Removes the user, unless the address was verified meanwhile.
    pub async fn end_unverified(&self, id: UserId, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.commit_recorded(1, fencing, move |tx| registration::end_unverified(tx, id)).await
    }

    /// Stores an invitation.
    ///
    /// # Errors
    /// [`StoreError::NoAdmin`] and [`StoreError::NotVerified`] about who invites; [`StoreError::EmailTaken`];
    /// [`StoreError::Invalid`] when too many are open.
    pub async fn invite(&self, new: NewInvitation, by: Actor) -> Result<Invitation, StoreError> {
        self.write_recorded(move |tx| registration::invite(tx, &new, &by)).await
    }

    /// The open invitations of an organization, by id.
    pub async fn invitations(&self, organization: OrganizationId) -> Result<Vec<Invitation>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.invitations_of(organization)).await
    }

    /// The invitation with this token, if it is valid.
    pub async fn invitation(&self, token_hash: TokenHash) -> Result<Option<Invitation>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.invitation_of(&token_hash)).await
    }

    /// Revokes an invitation of the organization.
    ///
    /// # Errors
    /// [`StoreError::NoSuchInvitation`].
    pub async fn revoke_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
        by: Actor,
    ) -> Result<(), StoreError> {
        self.write_recorded(move |tx| registration::revoke(tx, organization, id, &by)).await
    }
}

//! What the use cases ask of a database, inside a transaction of its writer. An adapter brings statements and no
//! rules: what may be written, in which order it is checked, and what else a write changes is in
//! [`usecases`](crate::usecases), once.
//!
//! The use cases are generic over it, so that a create pays no dynamic dispatch. Reads of one moment may use it as
//! well. Lists and searches do not: they may differ wholly from one database to another.

use chrono::{DateTime, Utc};
use hotshelf_cache::Epoch;
use hotshelf_domain::{
    ApiKey, AuditRecord, Email, Image, Invitation, InvitationId, NewApiKey, NewImage, NewInvitation, NewOrganization,
    NewProduct, NewSchema, NewSession, NewUser, Organization, OrganizationId, Product, ProductId, ProductPatch, Quotas,
    Resource, Role, Schema, SchemaId, Session, SessionId, StoreError, TokenHash, User, UserId, Version,
};
use serde_json::{Map, Value};

/// A transaction.
pub(crate) trait Tx {
    /// Why a statement failed. It may tell more than callers are told, and carries what the use cases refuse.
    type Error: From<StoreError> + Into<StoreError>;
}

/// All subjects, for use cases that touch several.
pub(crate) trait WriteTx:
    ProductTx
    + DetailsTx
    + OrganizationTx
    + SchemaTx
    + UserTx
    + SessionTx
    + ApiKeyTx
    + ResetTx
    + ProofTx
    + InvitationTx
    + RemovalTx
    + AuditTx
    + EpochTx
{
}

/// The rows of products.
pub(crate) trait ProductTx: Tx {
    /// The product, unless it is deleted. No other transaction changes it before this one ends.
    fn product(&mut self, id: ProductId) -> Result<Option<Product>, Self::Error>;

    /// Inserts the row alone, without fields and images, at the first version and with an id that no product ever had.
    fn insert_product(&mut self, new: &NewProduct) -> Result<Product, Self::Error>;

    /// Writes what the patch names, the version and the time of a product that exists.
    fn update_product(&mut self, id: ProductId, patch: &ProductPatch, version: Version)
    -> Result<Product, Self::Error>;

    /// Marks the row as deleted; the version goes on growing, so that an entry cached before the delete can never look
    /// newer. `false` when there is no such product.
    fn delete_product(&mut self, id: ProductId) -> Result<bool, Self::Error>;
}

/// Fields and images, which stand beside the products.
pub(crate) trait DetailsTx: Tx {
    /// The fields of a product; empty if it has none.
    fn fields(&mut self, product: ProductId) -> Result<Map<String, Value>, Self::Error>;

    /// The images of a product, in their order.
    fn images(&mut self, product: ProductId) -> Result<Vec<Image>, Self::Error>;

    /// Replaces the fields of a product.
    fn set_fields(&mut self, product: ProductId, fields: &Map<String, Value>) -> Result<(), Self::Error>;

    /// Replaces the images of a product. Each has the id that it names, or else a new one.
    fn set_images(&mut self, product: ProductId, images: &[NewImage]) -> Result<(), Self::Error>;
}

/// Organizations.
pub(crate) trait OrganizationTx: Tx {
    /// Whether the organization exists, and has not ended.
    fn has_organization(&mut self, id: OrganizationId) -> Result<bool, Self::Error>;

    /// The organization, unless it has ended. No other transaction changes it before this one ends.
    fn organization(&mut self, id: OrganizationId) -> Result<Option<Organization>, Self::Error>;

    /// What the organization may have by its own quotas.
    fn quotas(&mut self, id: OrganizationId) -> Result<Quotas, Self::Error>;

    /// Writes the quotas of an organization.
    fn set_quotas(&mut self, id: OrganizationId, quotas: Quotas) -> Result<(), Self::Error>;

    /// How much of it the organization has, at this point of the transaction.
    fn used(&mut self, id: OrganizationId, resource: Resource) -> Result<i64, Self::Error>;

    /// Suspends or resumes it.
    fn set_suspended(&mut self, id: OrganizationId, suspended: bool) -> Result<(), Self::Error>;

    /// Marks the organization as ended, with its products still to be deleted, and forgets its name.
    fn end_organization(&mut self, id: OrganizationId) -> Result<(), Self::Error>;

    /// Deletes the schemas of an organization that has ended and has no products any more.
    fn finish_organization(&mut self, id: OrganizationId) -> Result<(), Self::Error>;

    /// Inserts it with an id that no organization ever had.
    fn insert_organization(&mut self, new: &NewOrganization) -> Result<Organization, Self::Error>;
}

/// Schemas.
pub(crate) trait SchemaTx: Tx {
    /// The schema. No other transaction changes it before this one ends.
    fn schema(&mut self, id: SchemaId) -> Result<Option<Schema>, Self::Error>;

    /// Inserts it at the first version, with an id that no schema ever had.
    fn insert_schema(&mut self, new: &NewSchema) -> Result<Schema, Self::Error>;

    /// Writes the name, the fields and the version of a schema that exists.
    fn update_schema(&mut self, schema: &Schema) -> Result<(), Self::Error>;

    /// Counts the products of the schema whose fields are `such`. It reads one after the other and keeps none in
    /// memory.
    fn count_products_with(
        &mut self,
        schema: SchemaId,
        such: impl Fn(&Map<String, Value>) -> bool,
    ) -> Result<i64, Self::Error>;
}

/// Users.
pub(crate) trait UserTx: Tx {
    /// The user, `None` when there is none.
    fn user(&mut self, id: UserId) -> Result<Option<User>, Self::Error>;

    /// The user of that address.
    fn holder(&mut self, email: &Email) -> Result<Option<User>, Self::Error>;

    /// Fails with [`StoreError::EmailTaken`] when another one has the address.
    fn insert_user(&mut self, new: &NewUser, organization: OrganizationId) -> Result<User, Self::Error>;

    /// Writes the role of a user.
    fn set_role(&mut self, id: UserId, role: Role) -> Result<(), Self::Error>;

    /// The users of the organization, by id.
    fn members(&mut self, organization: OrganizationId) -> Result<Vec<UserId>, Self::Error>;

    /// Deletes the user with all sessions, keys and resets.
    fn delete_user(&mut self, id: UserId) -> Result<(), Self::Error>;

    /// Notes that the address of the user is proven, if that is not noted yet.
    fn set_verified(&mut self, id: UserId) -> Result<(), Self::Error>;

    /// Counts the admins of the organization whose addresses are verified. No other transaction makes them fewer before
    /// this one ends.
    fn count_admins(&mut self, organization: OrganizationId) -> Result<i64, Self::Error>;

    /// The hash of the password, if the user exists and has chosen one.
    fn password_hash(&mut self, id: UserId) -> Result<Option<String>, Self::Error>;

    /// Writes the hash of the password.
    fn set_password_hash(&mut self, id: UserId, hash: &str) -> Result<(), Self::Error>;

    /// Increments the generation of the user's sessions, and returns it.
    fn next_session_generation(&mut self, id: UserId) -> Result<i64, Self::Error>;

    /// Increments the generation of the user's API keys, and returns it.
    fn next_key_generation(&mut self, id: UserId) -> Result<i64, Self::Error>;
}

/// Sessions.
pub(crate) trait SessionTx: Tx {
    /// Inserts a session of a user that exists.
    fn insert_session(&mut self, new: &NewSession) -> Result<Session, Self::Error>;

    /// Counts the sessions of the user that have not ended.
    fn count_sessions(&mut self, user: UserId) -> Result<i64, Self::Error>;

    /// The generation of the user's session, `None` when there is no such session.
    fn generation_of(&mut self, user: UserId, id: SessionId) -> Result<Option<i64>, Self::Error>;

    /// Moves the session into that generation.
    fn set_generation(&mut self, user: UserId, id: SessionId, generation: i64) -> Result<(), Self::Error>;

    /// Deletes the session, if there is one, and names it.
    fn delete_session(&mut self, token_hash: &TokenHash) -> Result<Option<SessionId>, Self::Error>;

    /// Deletes all sessions of the user but that one.
    fn delete_sessions(&mut self, user: UserId, but: Option<SessionId>) -> Result<(), Self::Error>;
}

/// API keys.
pub(crate) trait ApiKeyTx: Tx {
    /// Inserts a key of that generation.
    fn insert_api_key(
        &mut self,
        user: UserId,
        generation: i64,
        new: &NewApiKey,
        token_hash: &TokenHash,
    ) -> Result<ApiKey, Self::Error>;

    /// Counts the keys of the user.
    fn count_api_keys(&mut self, user: UserId) -> Result<i64, Self::Error>;

    /// Deletes the key, if there is one, and returns it.
    fn delete_api_key(&mut self, token_hash: &TokenHash) -> Result<Option<ApiKey>, Self::Error>;

    /// Deletes all keys of the user.
    fn delete_api_keys(&mut self, user: UserId) -> Result<(), Self::Error>;
}

/// Permissions to choose a new password.
pub(crate) trait ResetTx: Tx {
    /// Inserts a permission that is valid until then.
    fn insert_reset(&mut self, user: UserId, token_hash: &TokenHash, until: DateTime<Utc>) -> Result<(), Self::Error>;

    /// The user of the permission, if it is valid.
    fn user_of_reset(&mut self, token_hash: &TokenHash) -> Result<Option<UserId>, Self::Error>;

    /// Deletes all permissions of the user.
    fn delete_resets(&mut self, user: UserId) -> Result<(), Self::Error>;
}

/// Proofs of addresses.
pub(crate) trait ProofTx: Tx {
    /// Inserts a proof that is valid until then.
    fn insert_proof(&mut self, user: UserId, token_hash: &TokenHash, until: DateTime<Utc>) -> Result<(), Self::Error>;

    /// The user whose address it proves, if it is valid.
    fn user_of_proof(&mut self, token_hash: &TokenHash) -> Result<Option<UserId>, Self::Error>;

    /// Deletes all proofs of the user.
    fn delete_proofs(&mut self, user: UserId) -> Result<(), Self::Error>;
}

/// Invitations.
pub(crate) trait InvitationTx: Tx {
    /// Inserts it with an id that no invitation ever had.
    fn insert_invitation(&mut self, new: &NewInvitation) -> Result<Invitation, Self::Error>;

    /// The invitation, if it is valid.
    fn invitation_of(&mut self, token_hash: &TokenHash) -> Result<Option<Invitation>, Self::Error>;

    /// Counts the invitations of the organization that are valid.
    fn count_invitations(&mut self, organization: OrganizationId) -> Result<i64, Self::Error>;

    /// Deletes the invitation. `false` when the organization has no such invitation.
    fn delete_invitation(&mut self, organization: OrganizationId, id: InvitationId) -> Result<bool, Self::Error>;

    /// Deletes all invitations that the user made.
    fn delete_invitations_by(&mut self, user: UserId) -> Result<(), Self::Error>;
}

/// Addresses of removed users.
pub(crate) trait RemovalTx: Tx {
    /// Notes that the user with this address is removed now.
    fn insert_removal(&mut self, email: &Email) -> Result<(), Self::Error>;

    /// When the last user with this address was removed, in milliseconds since 1970, if that is noted.
    fn removed_at(&mut self, email: &Email) -> Result<Option<i64>, Self::Error>;

    /// Forgets that a user with this address was removed.
    fn delete_removal(&mut self, email: &Email) -> Result<(), Self::Error>;
}

/// Revoked tokens of an outside issuer.
pub(crate) trait RevocationTx: Tx {
    /// Revokes a token until `expires_at`; `None`: for ever. A later end extends a revocation. Returns whether the
    /// token was not revoked before.
    fn insert_revocation(
        &mut self,
        token_hash: &TokenHash,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, Self::Error>;
}

/// The audit log.
pub(crate) trait AuditTx: Tx {
    /// Adds an entry, of this time (milliseconds since 1970). Nothing changes one afterwards.
    fn insert_audit(&mut self, record: &AuditRecord, at: i64) -> Result<(), Self::Error>;
}

/// The epoch of the cached entries, in the same database as their rows.
pub(crate) trait EpochTx: Tx {
    /// The epoch, and the Redis server that it was reconciled with last.
    fn epoch(&mut self) -> Result<(Epoch, String), Self::Error>;

    /// Increments the epoch, and returns it.
    fn advance_epoch(&mut self) -> Result<Epoch, Self::Error>;

    /// Names the Redis server that the epoch is reconciled with.
    fn set_server(&mut self, server: &str) -> Result<(), Self::Error>;
}

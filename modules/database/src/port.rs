//! What the use cases ask of a database, inside a transaction of its writer. An adapter brings statements and no
//! rules: what may be written, in which order it is checked, and what else a write changes is in
//! [`usecases`](crate::usecases), once.
//!
//! Generic and never boxed: a create runs through here. Reads of one moment may use it as well. Lists and searches do
//! not: they may differ wholly from one database to another.

use chrono::{DateTime, Utc};
use hotshelf_cache::Epoch;
use hotshelf_domain::{
    ApiKey, Image, NewApiKey, NewImage, NewOrganization, NewProduct, NewSchema, NewSession, NewUser, Organization,
    OrganizationId, Product, ProductId, ProductPatch, Role, Schema, SchemaId, Session, SessionId, StoreError,
    TokenHash, User, UserId, Version,
};
use serde_json::{Map, Value};

/// A transaction.
pub(crate) trait Tx {
    /// Why a statement failed, in the adapter's own terms, which may tell more than callers are told; the verdicts of
    /// the rules pass through it.
    type Error: From<StoreError> + Into<StoreError>;
}

/// All of it.
pub(crate) trait WriteTx:
    ProductTx + DetailsTx + OrganizationTx + SchemaTx + UserTx + SessionTx + ApiKeyTx + ResetTx + EpochTx
{
}

impl<T> WriteTx for T where
    T: ProductTx + DetailsTx + OrganizationTx + SchemaTx + UserTx + SessionTx + ApiKeyTx + ResetTx + EpochTx
{
}

/// The rows of products.
pub(crate) trait ProductTx: Tx {
    /// Unless it is deleted. It stays as it is until the transaction ends.
    fn product(&mut self, id: ProductId) -> Result<Option<Product>, Self::Error>;

    /// Without its fields and images, at the first version, under an id that no product ever had.
    fn insert_product(&mut self, new: &NewProduct) -> Result<Product, Self::Error>;

    /// Writes what the patch names, this version, and the time. The product is there.
    fn update_product(&mut self, id: ProductId, patch: &ProductPatch, version: Version)
    -> Result<Product, Self::Error>;

    /// Marks the row; the version goes on growing, so that a copy made before the delete can never look newer.
    /// `false` when there is no such product.
    fn delete_product(&mut self, id: ProductId) -> Result<bool, Self::Error>;
}

/// Fields and images, which stand beside the products.
pub(crate) trait DetailsTx: Tx {
    /// Empty for a product that has none.
    fn fields(&mut self, product: ProductId) -> Result<Map<String, Value>, Self::Error>;

    /// In their order.
    fn images(&mut self, product: ProductId) -> Result<Vec<Image>, Self::Error>;

    /// Of a product that has none.
    fn insert_fields(&mut self, product: ProductId, fields: &Map<String, Value>) -> Result<(), Self::Error>;

    /// Under the ids that they name, which no image has, or the next ones.
    fn insert_images(&mut self, product: ProductId, images: &[NewImage]) -> Result<(), Self::Error>;

    /// All of the product's.
    fn delete_fields(&mut self, product: ProductId) -> Result<(), Self::Error>;

    /// All of the product's.
    fn delete_images(&mut self, product: ProductId) -> Result<(), Self::Error>;
}

/// Organizations.
pub(crate) trait OrganizationTx: Tx {
    /// Whether there is such an organization. It stays.
    fn has_organization(&mut self, id: OrganizationId) -> Result<bool, Self::Error>;

    /// Under an id that none ever had.
    fn insert_organization(&mut self, new: &NewOrganization) -> Result<Organization, Self::Error>;
}

/// Schemas.
pub(crate) trait SchemaTx: Tx {
    /// It stays as it is until the transaction ends.
    fn schema(&mut self, id: SchemaId) -> Result<Option<Schema>, Self::Error>;

    /// At the first version, under an id that none ever had.
    fn insert_schema(&mut self, new: &NewSchema) -> Result<Schema, Self::Error>;

    /// Writes the name, the fields and the version. The schema is there.
    fn update_schema(&mut self, schema: &Schema) -> Result<(), Self::Error>;

    /// How many of the schema's products have such fields. Looks at one after the other and keeps none.
    fn count_products_with(
        &mut self,
        schema: SchemaId,
        such: impl Fn(&Map<String, Value>) -> bool,
    ) -> Result<i64, Self::Error>;
}

/// Users.
pub(crate) trait UserTx: Tx {
    /// `None` when there is none.
    fn user(&mut self, id: UserId) -> Result<Option<User>, Self::Error>;

    /// Fails with [`StoreError::EmailTaken`] when another one has the address.
    fn insert_user(&mut self, new: &NewUser, organization: OrganizationId) -> Result<User, Self::Error>;

    /// Writes the role.
    fn set_role(&mut self, id: UserId, role: Role) -> Result<(), Self::Error>;

    /// With all sessions, keys and resets.
    fn delete_user(&mut self, id: UserId) -> Result<(), Self::Error>;

    /// How many admins the organization has. No other transaction makes them fewer before this one ends.
    fn count_admins(&mut self, organization: OrganizationId) -> Result<i64, Self::Error>;

    /// The hash of the password, if there is such a user who has chosen one.
    fn password_hash(&mut self, id: UserId) -> Result<Option<String>, Self::Error>;

    /// Writes it.
    fn set_password_hash(&mut self, id: UserId, hash: &str) -> Result<(), Self::Error>;

    /// Counts the generation of the user's sessions up by one, and returns it.
    fn next_session_generation(&mut self, id: UserId) -> Result<i64, Self::Error>;

    /// The same of the user's API keys.
    fn next_key_generation(&mut self, id: UserId) -> Result<i64, Self::Error>;
}

/// Sessions.
pub(crate) trait SessionTx: Tx {
    /// The user is there.
    fn insert_session(&mut self, new: &NewSession) -> Result<Session, Self::Error>;

    /// How many of the user's have not ended.
    fn count_sessions(&mut self, user: UserId) -> Result<i64, Self::Error>;

    /// The generation of the user's session, `None` when there is no such session.
    fn generation_of(&mut self, user: UserId, id: SessionId) -> Result<Option<i64>, Self::Error>;

    /// Moves the session into that generation.
    fn set_generation(&mut self, user: UserId, id: SessionId, generation: i64) -> Result<(), Self::Error>;

    /// That there is none is as good.
    fn delete_session(&mut self, token_hash: &TokenHash) -> Result<(), Self::Error>;

    /// All of the user's but that one.
    fn delete_sessions(&mut self, user: UserId, but: Option<SessionId>) -> Result<(), Self::Error>;
}

/// API keys.
pub(crate) trait ApiKeyTx: Tx {
    /// Of that generation of the user's keys.
    fn insert_api_key(
        &mut self,
        user: UserId,
        generation: i64,
        new: &NewApiKey,
        token_hash: &TokenHash,
    ) -> Result<ApiKey, Self::Error>;

    /// How many the user has.
    fn count_api_keys(&mut self, user: UserId) -> Result<i64, Self::Error>;

    /// That there is none is as good.
    fn delete_api_key(&mut self, token_hash: &TokenHash) -> Result<(), Self::Error>;

    /// All of the user's.
    fn delete_api_keys(&mut self, user: UserId) -> Result<(), Self::Error>;
}

/// Permissions to choose a new password.
pub(crate) trait ResetTx: Tx {
    /// Valid until then.
    fn insert_reset(&mut self, user: UserId, token_hash: &TokenHash, until: DateTime<Utc>) -> Result<(), Self::Error>;

    /// Whose it is, as long as it is valid.
    fn user_of_reset(&mut self, token_hash: &TokenHash) -> Result<Option<UserId>, Self::Error>;

    /// All of the user's.
    fn delete_resets(&mut self, user: UserId) -> Result<(), Self::Error>;
}

/// The epoch of the copies, in the same database as the rows they are copies of.
pub(crate) trait EpochTx: Tx {
    /// The epoch, and the server whose memory goes with it.
    fn epoch(&mut self) -> Result<(Epoch, String), Self::Error>;

    /// Counts it up by one, and returns it.
    fn advance_epoch(&mut self) -> Result<Epoch, Self::Error>;

    /// Names the server whose memory goes with the epoch.
    fn set_server(&mut self, server: &str) -> Result<(), Self::Error>;
}

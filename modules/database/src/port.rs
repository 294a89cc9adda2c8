//! What the use cases ask of a database, on one of its connections. An adapter brings statements and no rules: what may
//! be written, in which order it is checked, and what else a write changes is in [`usecases`](crate::usecases), once.
//!
//! A write runs on the connection of the writer, in a transaction in which no other process writes: what it reads stays
//! so until the commit. On other connections each statement stands alone, but for [`Tx::moment`].
//!
//! The use cases take it as a trait object: a call through it takes nanoseconds, the statement behind it takes
//! microseconds. Lists and searches are not in it ([`listing`](crate::listing)).

mod accounts;

use hotshelf_cache::Epoch;
use hotshelf_domain::{
    AuditRecord, History, Image, NewImage, NewOrganization, NewProduct, NewSchema, Organization, OrganizationId,
    Product, ProductId, ProductPatch, Quotas, Resource, Schema, SchemaId, StoreError, Version,
};
use serde_json::{Map, Value};

use crate::copying::{Cell, Table};
use crate::error::SqlError;
pub(crate) use accounts::{ApiKeyTx, InvitationTx, ProofTx, RemovalTx, ResetTx, RevocationTx, SessionTx, UserTx};

/// All subjects.
pub(crate) trait Tx:
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
    + RevocationTx
    + AuditTx
    + ReadCountTx
    + EpochTx
    + HistoryTx
    + SealTx
    + CopyTx
{
    /// Runs `read` once. All that it reads is of the same moment. Not inside a write, where that is so anyway.
    fn at_one_moment(&mut self, read: &mut dyn FnMut(&mut dyn Tx) -> Result<(), SqlError>) -> Result<(), SqlError>;

    /// Reads something cheap that every list needs, to find out whether the database is read.
    fn probe_read(&mut self) -> Result<(), SqlError>;

    /// Writes something that nobody needs, to find out whether the database is written.
    fn probe_write(&mut self) -> Result<(), SqlError>;
}

impl dyn Tx + '_ {
    /// All that `read` reads is of the same moment.
    pub(crate) fn moment<T>(&mut self, read: impl FnOnce(&mut dyn Tx) -> Result<T, SqlError>) -> Result<T, SqlError> {
        let (mut read, mut answer) = (Some(read), None);
        self.at_one_moment(&mut |tx| {
            answer = read.take().map(|read| read(tx)).transpose()?;
            Ok(())
        })?;
        Ok(answer.ok_or_else(|| StoreError::failed("a read was not run".to_owned()))?)
    }
}

/// The rows of products.
pub(crate) trait ProductTx {
    /// The product, unless it is deleted. No other transaction changes it before this one ends.
    fn product(&mut self, id: ProductId) -> Result<Option<Product>, SqlError>;

    /// Those of the products that exist.
    fn products(&mut self, ids: &[ProductId]) -> Result<Vec<Product>, SqlError>;

    /// Inserts the row alone, without fields and images, at the first version and with an id that no product ever had.
    fn insert_product(&mut self, new: &NewProduct) -> Result<Product, SqlError>;

    /// As [`insert_product`](ProductTx::insert_product), of many. Returns the ids in the order given.
    fn insert_products(&mut self, new: &[&NewProduct]) -> Result<Vec<ProductId>, SqlError> {
        new.iter().map(|new| Ok(self.insert_product(new)?.id)).collect()
    }

    /// Writes what the patch names, the version and the time of a product that exists.
    fn update_product(&mut self, id: ProductId, patch: &ProductPatch, version: Version) -> Result<Product, SqlError>;

    /// Marks the row as deleted; the version goes on growing, so that an entry cached before the delete can never look
    /// newer. `false` when there is no such product.
    fn delete_product(&mut self, id: ProductId) -> Result<bool, SqlError>;
}

/// Fields and images, which stand beside the products.
pub(crate) trait DetailsTx {
    /// The fields of a product; empty if it has none.
    fn fields(&mut self, product: ProductId) -> Result<Map<String, Value>, SqlError>;

    /// The images of a product, in their order.
    fn images(&mut self, product: ProductId) -> Result<Vec<Image>, SqlError>;

    /// Replaces the fields of a product.
    fn set_fields(&mut self, product: ProductId, fields: &Map<String, Value>) -> Result<(), SqlError>;

    /// Replaces the images of a product. Each has the id that it names, or else a new one.
    fn set_images(&mut self, product: ProductId, images: &[NewImage]) -> Result<(), SqlError>;
}

/// Organizations.
pub(crate) trait OrganizationTx {
    /// Whether the organization exists, and has not ended.
    fn has_organization(&mut self, id: OrganizationId) -> Result<bool, SqlError>;

    /// The organization, unless it has ended. No other transaction changes it before this one ends.
    fn organization(&mut self, id: OrganizationId) -> Result<Option<Organization>, SqlError>;

    /// What the organization may have by its own quotas.
    fn quotas(&mut self, id: OrganizationId) -> Result<Quotas, SqlError>;

    /// Writes the quotas of an organization.
    fn set_quotas(&mut self, id: OrganizationId, quotas: Quotas) -> Result<(), SqlError>;

    /// How much of it the organization has, at this point of the transaction.
    fn used(&mut self, id: OrganizationId, resource: Resource) -> Result<i64, SqlError>;

    /// Suspends or resumes it.
    fn set_suspended(&mut self, id: OrganizationId, suspended: bool) -> Result<(), SqlError>;

    /// Marks the organization as ended, with its products still to be deleted, and forgets its name.
    fn end_organization(&mut self, id: OrganizationId) -> Result<(), SqlError>;

    /// Deletes the schemas of an organization that has ended and has no products any more.
    fn finish_organization(&mut self, id: OrganizationId) -> Result<(), SqlError>;

    /// Those that have ended, with products that are still to be deleted.
    fn ending_organizations(&mut self) -> Result<Vec<OrganizationId>, SqlError>;

    /// Some of the products of an organization, also of one that has ended.
    fn some_products(&mut self, of: OrganizationId, limit: i64) -> Result<Vec<ProductId>, SqlError>;

    /// The schemas of an organization.
    fn schemas_of(&mut self, of: OrganizationId) -> Result<Vec<SchemaId>, SqlError>;

    /// Inserts it with an id that no organization ever had.
    fn insert_organization(&mut self, new: &NewOrganization) -> Result<Organization, SqlError>;
}

/// Schemas.
pub(crate) trait SchemaTx {
    /// The schema. No other transaction changes it before this one ends.
    fn schema(&mut self, id: SchemaId) -> Result<Option<Schema>, SqlError>;

    /// Inserts it at the first version, with an id that no schema ever had.
    fn insert_schema(&mut self, new: &NewSchema) -> Result<Schema, SqlError>;

    /// Writes the name, the fields and the version of a schema that exists.
    fn update_schema(&mut self, schema: &Schema) -> Result<(), SqlError>;

    /// Counts the products of the schema whose fields are `such`. It reads one after the other and keeps none in
    /// memory.
    fn count_products_with(
        &mut self,
        schema: SchemaId,
        such: &dyn Fn(&Map<String, Value>) -> bool,
    ) -> Result<i64, SqlError>;
}

/// The audit log.
pub(crate) trait AuditTx {
    /// Adds an entry, of this time (milliseconds since 1970). Nothing changes one afterwards.
    fn insert_audit(&mut self, record: &AuditRecord, at: i64) -> Result<(), SqlError>;

    /// Some of the entries that are older than that (milliseconds since 1970).
    fn older_audits(&mut self, than: i64) -> Result<Vec<i64>, SqlError>;

    /// Of the entries about who came and who was refused, some of the oldest if there are more than `most`.
    fn audits_of_access_beyond(&mut self, most: i64) -> Result<Vec<i64>, SqlError>;

    /// Deletes these entries, and counts those that were there.
    fn forget_audits(&mut self, ids: &[i64]) -> Result<usize, SqlError>;
}

/// How often products are read, as the service counted it last.
pub(crate) trait ReadCountTx {
    /// Products and their counts, most read first.
    fn most_read(&mut self, limit: i64) -> Result<Vec<(i64, i64)>, SqlError>;

    /// Stores these counts in place of those from before.
    fn replace_read_counts(&mut self, counts: &[(i64, i64)]) -> Result<(), SqlError>;
}

/// Bytes of the secret that seals the values in Redis.
pub(crate) const SECRET: usize = 32;

/// The secret that seals the values in Redis.
pub(crate) trait SealTx {
    /// The secret, if there is one yet.
    fn secret(&mut self) -> Result<Option<[u8; SECRET]>, SqlError>;

    /// The secret; this one, if there is none yet.
    fn secret_or(&mut self, new: [u8; SECRET]) -> Result<[u8; SECRET], SqlError>;
}

/// The epoch of the cached entries, in the same database as their rows.
pub(crate) trait EpochTx {
    /// The epoch, and the Redis server that it was reconciled with last.
    fn epoch(&mut self) -> Result<(Epoch, String), SqlError>;

    /// Increments the epoch, and returns it.
    fn advance_epoch(&mut self) -> Result<Epoch, SqlError>;

    /// Names the Redis server that the epoch is reconciled with.
    fn set_server(&mut self, server: &str) -> Result<(), SqlError>;
}

/// The history of the database.
pub(crate) trait HistoryTx {
    /// Begins a new history, unless another than `known` has begun: ids go on a million later, the epoch advances, and
    /// all sessions end. Returns the history that counts from then on.
    fn begin_history(&mut self, known: History) -> Result<History, SqlError>;
}

/// What a [copy](crate::copying) of a whole database needs.
pub(crate) trait CopyTx {
    /// Deletes what a new database has, and fails if there is more.
    fn clear_for_copy(&mut self) -> Result<(), SqlError>;

    /// Inserts rows with what follows from them, such as counters.
    fn insert_rows(&mut self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), SqlError>;

    /// The last ids that were given in the tables [`WITH_IDS`](crate::copying::WITH_IDS), 0 where none was.
    fn last_ids(&mut self) -> Result<Vec<i64>, SqlError>;

    /// How many rows there are.
    fn count_rows(&mut self, table: &Table) -> Result<i64, SqlError>;

    /// Ids go on behind these, and behind those that there are.
    fn raise_ids(&mut self, last_ids: &[i64]) -> Result<(), SqlError>;
}

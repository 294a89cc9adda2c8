//! Organizations and schemas.

use hotshelf_domain::{
    Actor, Expect, NewOrganization, NewSchema, Organization, OrganizationId, Schema, SchemaId, SchemaPatch, StoreError,
};

use super::Database;
use crate::port::SchemaTx;
use crate::sqlite;
use crate::usecases::{organizations, schemas};

impl Database {
    /// Stores a new organization under an id that none ever had.
    pub async fn create_organization(&self, new: NewOrganization, by: Actor) -> Result<Organization, StoreError> {
        self.write_recorded(move |conn| organizations::create(conn, &new, &by)).await
    }

    /// The organization, `None` when there is none.
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.0
            .operations
            .organizations
            .of(self.0.readers.keyed.read(move |conn| sqlite::organizations::find(conn, id)))
            .await
    }

    /// All organizations, by id.
    pub async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        self.0.operations.organizations.of(self.list(None, false, sqlite::organizations::all)).await
    }

    /// Stores a new schema under an id that none ever had.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its organization does not exist.
    pub async fn create_schema(&self, new: NewSchema) -> Result<Schema, StoreError> {
        self.0.writer.submit(1, move |conn| schemas::create(conn, &new)).await
    }

    /// The schema, `None` when there is none.
    pub async fn schema(&self, id: SchemaId) -> Result<Option<Schema>, StoreError> {
        self.0.operations.schemas.of(self.0.readers.keyed.read(move |conn| conn.schema(id))).await
    }

    /// Changes what the patch names and counts the version up by one. A patch that names nothing changes nothing.
    ///
    /// Every product of the schema fits it afterwards. Where the change only allows more, no product is looked at;
    /// otherwise all of the schema's are, one after the other, while other writes wait.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSchema`], [`StoreError::SchemaBuiltIn`], [`StoreError::SchemaPreconditionFailed`],
    /// [`StoreError::SchemaInUse`] when products would not fit.
    pub async fn update_schema(&self, id: SchemaId, patch: SchemaPatch, expect: Expect) -> Result<Schema, StoreError> {
        self.0.writer.submit(1, move |conn| schemas::update(conn, id, &patch, &expect)).await
    }
}

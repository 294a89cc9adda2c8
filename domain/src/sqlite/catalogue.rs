//! What the catalogue does around its products: organizations, schemas, details, many at once.

use super::{SqliteCatalogue, bulk, details, organizations, schemas};
use crate::details::{DetailsPatch, ProductDetails};
use crate::draft::{Invalid, NewProduct};
use crate::error::StoreError;
use crate::ids::{OrganizationId, ProductId, SchemaId};
use crate::organization::{NewOrganization, Organization};
use crate::product::Version;
use crate::repository::Expect;
use crate::schema::{NewSchema, Schema, SchemaPatch};
use hotshelf_cache::{Committed, Fencing};

impl SqliteCatalogue {
    pub(crate) async fn create_organization(&self, new: NewOrganization) -> Result<Organization, StoreError> {
        self.writer.submit(move |conn| organizations::insert(conn, &new)).await
    }

    pub(crate) async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.operations.organizations.of(self.readers.keyed.read(move |conn| organizations::find(conn, id))).await
    }

    pub(crate) async fn create_schema(&self, new: NewSchema) -> Result<Schema, StoreError> {
        self.writer.submit(move |conn| schemas::insert(conn, &new)).await
    }

    pub(crate) async fn schema(&self, id: SchemaId) -> Result<Option<Schema>, StoreError> {
        self.operations.schemas.of(self.readers.keyed.read(move |conn| schemas::find(conn, id))).await
    }

    pub(crate) async fn update_schema(
        &self,
        id: SchemaId,
        patch: SchemaPatch,
        expect: Expect,
    ) -> Result<Schema, StoreError> {
        self.writer.submit(move |conn| schemas::update(conn, id, patch.clone(), &expect)).await
    }

    pub(crate) async fn details(&self, id: ProductId) -> Result<Option<ProductDetails>, StoreError> {
        self.operations.details.of(self.readers.keyed.read(move |conn| details::find(conn, id))).await
    }

    pub(crate) async fn put_details(
        &self,
        id: ProductId,
        patch: DetailsPatch,
        expect: Expect,
        seen: Option<Version>,
        fencing: Fencing,
    ) -> Result<Committed<ProductDetails>, StoreError> {
        self.commit(fencing, move |conn| details::put(conn, id, &patch, &expect, seen)).await
    }

    pub(crate) async fn create_many(
        &self,
        new: Vec<NewProduct>,
        all_or_nothing: bool,
        fencing: Fencing,
    ) -> Result<Committed<Vec<Result<ProductId, Invalid>>>, StoreError> {
        let create = if all_or_nothing { bulk::create_all } else { bulk::create_valid };
        self.commit_rows(new.len(), fencing, move |conn| create(conn, &new)).await
    }

    pub(crate) async fn delete_many(
        &self,
        ids: Vec<ProductId>,
        fencing: Fencing,
    ) -> Result<Committed<Vec<ProductId>>, StoreError> {
        self.commit_rows(ids.len(), fencing, move |conn| bulk::delete(conn, &ids)).await
    }
}

//! What the repository does around its products: organizations, schemas, details, many at once.

use super::{Expect, ProductRepository};
use crate::details::{DetailsPatch, ProductDetails};
use crate::draft::{Invalid, NewProduct};
use crate::error::StoreError;
use crate::ids::{OrganizationId, ProductId, SchemaId};
use crate::organization::{NewOrganization, Organization};
use crate::product::Version;
use crate::schema::{NewSchema, Schema, SchemaPatch};
use hotshelf_cache::{Committed, Fencing};

impl ProductRepository {
    /// Stores a new organization under an id that none ever had.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find); see [`StoreError::changed_nothing`].
    pub async fn create_organization(&self, new: NewOrganization) -> Result<Organization, StoreError> {
        self.0.create_organization(new).await
    }

    /// The organization, `None` when there is none.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.0.organization(id).await
    }

    /// All organizations, by id.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        self.0.organizations().await
    }

    /// Stores a new schema under an id that none ever had.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its organization does not exist, and as
    /// [`create_organization`](ProductRepository::create_organization).
    pub async fn create_schema(&self, new: NewSchema) -> Result<Schema, StoreError> {
        self.0.create_schema(new).await
    }

    /// The schema, `None` when there is none.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn schema(&self, id: SchemaId) -> Result<Option<Schema>, StoreError> {
        self.0.schema(id).await
    }

    /// Changes what the patch names and counts the version up by one. A patch that names nothing changes nothing.
    ///
    /// Every product of the schema fits it afterwards. Where the change only allows more, no product is looked at;
    /// otherwise all of the schema's are, one after the other, while other writes wait.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSchema`], [`StoreError::SchemaBuiltIn`], [`StoreError::SchemaPreconditionFailed`],
    /// [`StoreError::SchemaInUse`] when products would not fit, and as
    /// [`create_organization`](ProductRepository::create_organization).
    pub async fn update_schema(&self, id: SchemaId, patch: SchemaPatch, expect: Expect) -> Result<Schema, StoreError> {
        self.0.update_schema(id, patch, expect).await
    }

    /// The product with its fields and images, all of one moment; `None` when there is none or no longer.
    ///
    /// # Errors
    /// As [`find`](ProductRepository::find).
    pub async fn details(&self, id: ProductId) -> Result<Option<ProductDetails>, StoreError> {
        self.0.details(id).await
    }

    /// Replaces the fields, or the images, or both, and counts the product's version up by one. A patch that names
    /// neither changes nothing. An image of the patch that names one of the product's keeps its id.
    ///
    /// # Errors
    /// As [`update`](ProductRepository::update); [`StoreError::Invalid`] when the fields do not fit the product's
    /// schema, or an image is named that the product does not have.
    pub async fn put_details(
        &self,
        id: ProductId,
        patch: DetailsPatch,
        expect: Expect,
        seen: Option<Version>,
        fencing: Fencing,
    ) -> Result<Committed<ProductDetails>, StoreError> {
        self.0.put_details(id, patch, expect, seen, fencing).await
    }

    /// Stores many products in one transaction, and says of each, in the same order, which id it got or why it could
    /// not be stored. With `all_or_nothing`, one that is not valid keeps all of them out.
    ///
    /// # Errors
    /// [`StoreError::InvalidMany`] with `all_or_nothing`, and as
    /// [`create_organization`](ProductRepository::create_organization); on any error, none is stored.
    pub async fn create_many(
        &self,
        new: Vec<NewProduct>,
        all_or_nothing: bool,
        fencing: Fencing,
    ) -> Result<Committed<Vec<Result<ProductId, Invalid>>>, StoreError> {
        self.0.create_many(new, all_or_nothing, fencing).await
    }

    /// Takes the products out of the catalogue, in one transaction, and returns those that were in it, in the order
    /// given.
    ///
    /// # Errors
    /// As [`create_organization`](ProductRepository::create_organization); on any error, none is deleted.
    pub async fn delete_many(
        &self,
        ids: Vec<ProductId>,
        fencing: Fencing,
    ) -> Result<Committed<Vec<ProductId>>, StoreError> {
        self.0.delete_many(ids, fencing).await
    }
}

//! Organizations and schemas.

use hotshelf_cache::{Committed, Fencing};
use hotshelf_domain::{
    Actor, Expect, NewOrganization, NewSchema, Organization, OrganizationId, OrganizationPatch, OrganizationUsage,
    ProductId, Schema, SchemaId, SchemaPatch, StoreError, UserId,
};

use super::Database;
use crate::listing;
use crate::port::Tx;
use crate::usecases::{organizations, quotas, schemas};

impl Database {
    /// Stores a new organization under an id that none ever had.
    pub async fn create_organization(&self, new: NewOrganization, by: Actor) -> Result<Organization, StoreError> {
        self.write_recorded(move |tx| organizations::create(tx, &new, &by)).await
    }

    /// The organization, `None` when there is none.
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.0.operations.organizations.of(self.0.readers.keyed.read(move |tx| tx.organization(id))).await
    }

    /// All organizations, by id.
    pub async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        self.0.operations.organizations.of(self.list(None, false, listing::organizations::all)).await
    }

    /// The users of an organization, by id.
    pub async fn members(&self, id: OrganizationId) -> Result<Vec<UserId>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.members(id)).await
    }

    /// What an organization has, and may have, all of one moment.
    pub async fn usage(&self, id: OrganizationId) -> Result<OrganizationUsage, StoreError> {
        let of_service = self.0.quotas;
        let usage = move |tx: &mut dyn Tx| tx.moment(|tx| quotas::usage(tx, id, of_service));
        self.0.readers.keyed.read(usage).await
    }

    /// Suspends or resumes an organization whose users are `fenced`, and no others: their cached entries are. Sets its
    /// quotas; where they say nothing, those of the service hold. What it has already stays.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`], [`StoreError::OrganizationBuiltIn`], [`StoreError::MembersChanged`].
    pub async fn change_organization(
        &self,
        id: OrganizationId,
        patch: OrganizationPatch,
        fenced: Vec<UserId>,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<Organization>, StoreError> {
        let work = move |tx: &mut dyn Tx| organizations::change(tx, id, patch, &fenced, &by);
        self.commit_recorded(1, fencing, work).await
    }

    /// Ends an organization and all its users, sessions, API keys and invitations, on the same condition. Its products
    /// are still to be deleted ([`ending_organizations`](Database::ending_organizations)); nobody adds any.
    ///
    /// # Errors
    /// As [`change_organization`](Database::change_organization).
    pub async fn end_organization(
        &self,
        id: OrganizationId,
        fenced: Vec<UserId>,
        by: Actor,
        fencing: Fencing,
    ) -> Result<Committed<()>, StoreError> {
        let rows = 1 + fenced.len();
        self.commit_recorded(rows, fencing, move |tx| organizations::end(tx, id, &fenced, &by)).await
    }

    /// The organizations that have ended and may still have products.
    pub async fn ending_organizations(&self) -> Result<Vec<OrganizationId>, StoreError> {
        self.0.readers.keyed.read(|tx| tx.ending_organizations()).await
    }

    /// Some of the products of an organization, also of one that has ended.
    pub async fn some_products(&self, of: OrganizationId, limit: u32) -> Result<Vec<ProductId>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.some_products(of, limit.into())).await
    }

    /// The schemas of an organization.
    pub async fn schemas_of(&self, of: OrganizationId) -> Result<Vec<SchemaId>, StoreError> {
        self.0.readers.keyed.read(move |tx| tx.schemas_of(of)).await
    }

    /// Deletes the schemas of an organization that has ended and has no products any more.
    pub async fn finish_organization(&self, id: OrganizationId, fencing: Fencing) -> Result<Committed<()>, StoreError> {
        self.commit(1, fencing, move |tx| tx.finish_organization(id)).await
    }

    /// Stores a new schema under an id that none ever had.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its organization does not exist; [`StoreError::QuotaExceeded`].
    pub async fn create_schema(&self, new: NewSchema) -> Result<Schema, StoreError> {
        let quotas = self.0.quotas;
        self.0.writer.submit(1, move |tx| schemas::create(tx, &new, quotas)).await
    }

    /// The schema, `None` when there is none.
    pub async fn schema(&self, id: SchemaId) -> Result<Option<Schema>, StoreError> {
        self.0.operations.schemas.of(self.0.readers.keyed.read(move |tx| tx.schema(id))).await
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
        let history = self.history();
        self.0.writer.submit_in(history, 1, move |tx| schemas::update(tx, id, &patch, &expect, history)).await
    }
}

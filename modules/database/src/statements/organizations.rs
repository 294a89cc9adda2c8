//! The statements on organizations, each on a blocking connection.

use chrono::Utc;
use diesel::dsl::exists;
use diesel::prelude::*;
use hotshelf_domain::{NewOrganization, Organization, OrganizationId, ProductId, Quotas, Resource, SchemaId};

use super::{Connection, count_products};
use crate::error::SqlError;
use crate::port::OrganizationTx;
use crate::rows::{corrupt, time_of};
use crate::tables::organizations::dsl::{
    created_at, ended_at, ending, id, name, organizations, quota_products, quota_schemas, quota_users, suspended_at,
};
use crate::tables::{products, schemas, users};

type Row = (i64, String, i64, Option<i64>);

fn from_row((number, title, created, suspended): Row) -> Result<Organization, SqlError> {
    let created = time_of(created).ok_or_else(|| corrupt(&format!("organization {number}: created_at is no time")))?;
    Ok(Organization {
        id: OrganizationId::from_row(number),
        name: title,
        suspended: suspended.is_some(),
        created_at: created,
    })
}

impl OrganizationTx for Connection {
    fn has_organization(&mut self, wanted: OrganizationId) -> Result<bool, SqlError> {
        Ok(diesel::select(exists(live(wanted))).get_result(self)?)
    }

    fn organization(&mut self, wanted: OrganizationId) -> Result<Option<Organization>, SqlError> {
        let row: Option<Row> = live(wanted).select((id, name, created_at, suspended_at)).first(self).optional()?;
        row.map(from_row).transpose()
    }

    fn insert_organization(&mut self, new: &NewOrganization) -> Result<Organization, SqlError> {
        let row = (name.eq(&new.name), created_at.eq(Utc::now().timestamp_millis()));
        let inserted = diesel::insert_into(organizations).values(row);
        from_row(inserted.returning((id, name, created_at, suspended_at)).get_result(self)?)
    }

    fn quotas(&mut self, wanted: OrganizationId) -> Result<Quotas, SqlError> {
        let quotas = organizations.find(wanted.get()).select((quota_products, quota_users, quota_schemas));
        let row: Option<(Option<i64>, Option<i64>, Option<i64>)> = quotas.first(self).optional()?;
        let (of_products, of_users, of_schemas) = row.unwrap_or_default();
        let quota = |stored: Option<i64>| stored.map(|stored| u32::try_from(stored).unwrap_or(u32::MAX));
        Ok(Quotas { products: quota(of_products), users: quota(of_users), schemas: quota(of_schemas) })
    }

    fn set_quotas(&mut self, wanted: OrganizationId, quotas: Quotas) -> Result<(), SqlError> {
        let quota = |given: Option<u32>| given.map(i64::from);
        let set = (
            quota_products.eq(quota(quotas.products)),
            quota_users.eq(quota(quotas.users)),
            quota_schemas.eq(quota(quotas.schemas)),
        );
        diesel::update(organizations.find(wanted.get())).set(set).execute(self)?;
        Ok(())
    }

    fn used(&mut self, of: OrganizationId, resource: Resource) -> Result<i64, SqlError> {
        let of = of.get();
        Ok(match resource {
            Resource::Products => count_products(self, of)?,
            Resource::Users => users::table.filter(users::organization_id.eq(of)).count().get_result(self)?,
            Resource::Schemas => schemas::table.filter(schemas::organization_id.eq(of)).count().get_result(self)?,
        })
    }

    fn set_suspended(&mut self, wanted: OrganizationId, suspended: bool) -> Result<(), SqlError> {
        let since = suspended.then(|| Utc::now().timestamp_millis());
        diesel::update(organizations.find(wanted.get())).set(suspended_at.eq(since)).execute(self)?;
        Ok(())
    }

    fn end_organization(&mut self, wanted: OrganizationId) -> Result<(), SqlError> {
        let end = (ended_at.eq(Utc::now().timestamp_millis()), ending.eq(1), name.eq(""));
        diesel::update(organizations.find(wanted.get())).set(end).execute(self)?;
        Ok(())
    }

    fn finish_organization(&mut self, wanted: OrganizationId) -> Result<(), SqlError> {
        diesel::delete(schemas::table.filter(schemas::organization_id.eq(wanted.get()))).execute(self)?;
        diesel::update(organizations.find(wanted.get())).set(ending.eq(0)).execute(self)?;
        Ok(())
    }

    fn ending_organizations(&mut self) -> Result<Vec<OrganizationId>, SqlError> {
        let ids: Vec<i64> = organizations.filter(ending.eq(1)).order(id).select(id).load(self)?;
        Ok(ids.into_iter().map(OrganizationId::from_row).collect())
    }

    fn some_products(&mut self, of: OrganizationId, limit: i64) -> Result<Vec<ProductId>, SqlError> {
        let live =
            products::table.filter(products::organization_id.eq(of.get())).filter(products::deleted_at.is_null());
        let ids: Vec<i64> = live.order(products::id).limit(limit).select(products::id).load(self)?;
        Ok(ids.into_iter().map(ProductId::from_row).collect())
    }

    fn schemas_of(&mut self, of: OrganizationId) -> Result<Vec<SchemaId>, SqlError> {
        let own = schemas::table.filter(schemas::organization_id.eq(of.get()));
        let ids: Vec<i64> = own.select(schemas::id).load(self)?;
        Ok(ids.into_iter().map(SchemaId::from_row).collect())
    }
}

#[diesel::dsl::auto_type(no_type_alias)]
fn live(wanted: OrganizationId) -> _ {
    let wanted: i64 = wanted.get();
    organizations.find(wanted).filter(ended_at.is_null())
}

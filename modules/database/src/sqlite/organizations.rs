//! The statements on organizations, each on a blocking connection.

use chrono::Utc;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{NewOrganization, Organization, OrganizationId};

use super::reader::Reader;
use super::rows::{corrupt, time_of};
use super::schema::organizations::dsl::{created_at, id, name, organizations};
use super::statement::Statement;
use crate::port::OrganizationTx;
use crate::sqlite::error::SqlError;

type Row = (i64, String, i64);

fn from_row((number, title, created): Row) -> Result<Organization, SqlError> {
    let created = time_of(created).ok_or_else(|| corrupt(&format!("organization {number}: created_at is no time")))?;
    Ok(Organization { id: OrganizationId::from_row(number), name: title, created_at: created })
}

impl OrganizationTx for SqliteConnection {
    fn has_organization(&mut self, wanted: OrganizationId) -> Result<bool, SqlError> {
        Ok(diesel::select(exists(organizations.find(wanted.get()))).get_result(self)?)
    }

    fn insert_organization(&mut self, new: &NewOrganization) -> Result<Organization, SqlError> {
        let row = (name.eq(&new.name), created_at.eq(Utc::now().timestamp_millis()));
        let inserted = diesel::insert_into(organizations).values(row).returning((id, name, created_at));
        from_row(inserted.get_result(self)?)
    }
}

pub(crate) fn find(conn: &mut SqliteConnection, wanted: OrganizationId) -> Result<Option<Organization>, SqlError> {
    let row: Option<Row> = organizations.find(wanted.get()).first(conn).optional()?;
    row.map(from_row).transpose()
}

pub(crate) fn all(conn: &Reader) -> Result<Vec<Organization>, SqlError> {
    let rows: Vec<Row> = Statement::new("SELECT id, name, created_at FROM organizations ORDER BY id").load(conn)?;
    rows.into_iter().map(from_row).collect()
}

//! Schemas.

use hotshelf_domain::{
    Expect, History, Invalid, NewSchema, Quotas, Resource, Schema, SchemaId, SchemaPatch, StoreError, VersionInHistory,
    does_not_exist,
};

use super::quotas::check_room;
use crate::error::SqlError;
use crate::port::{SchemaTx, Tx};

pub(crate) fn create(tx: &mut dyn Tx, new: &NewSchema, quotas: Quotas) -> Result<Schema, SqlError> {
    let organization = new.organization_id;
    if !tx.has_organization(organization)? {
        let invalid = Invalid::one("organization_id", &does_not_exist(organization));
        return Err(StoreError::from(invalid).into());
    }
    check_room(tx, organization, Resource::Schemas, quotas)?;
    tx.insert_schema(new)
}

pub(crate) fn update(
    tx: &mut dyn SchemaTx,
    id: SchemaId,
    patch: &SchemaPatch,
    expect: &Expect,
    history: History,
) -> Result<Schema, SqlError> {
    let current = tx.schema(id)?.ok_or(StoreError::NoSuchSchema(id))?;
    if id == SchemaId::BUILT_IN {
        return Err(StoreError::SchemaBuiltIn(id).into());
    }
    if !expect.holds(VersionInHistory { history, version: current.version }, None) {
        return Err(StoreError::SchemaPreconditionFailed { id, current: current.version }.into());
    }
    if *patch == SchemaPatch::default() {
        return Ok(current);
    }
    let changed = Schema {
        name: patch.name.clone().unwrap_or_else(|| current.name.clone()),
        fields: patch.fields.clone().unwrap_or_else(|| current.fields.clone()),
        version: current.version.next(),
        ..current
    };
    if !changed.accepts_all_of(&current) {
        match tx.count_products_with(id, &|fields| changed.check(fields).is_err())? {
            0 => {}
            products => return Err(StoreError::SchemaInUse { schema: id, products }.into()),
        }
    }
    tx.update_schema(&changed)?;
    Ok(changed)
}

//! The statements on schemas, each on a blocking connection. The callers decide about transactions.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{
    Expect, Invalid, NewSchema, OrganizationId, Schema, SchemaField, SchemaId, SchemaPatch, StoreError, Version,
    does_not_exist,
};
use serde_json::Map;

use super::details;
use super::organizations;
use super::rows::corrupt;
use super::schema::{product_details, products, schemas};
use crate::sqlite::error::SqlError;

type Row = (i64, i64, String, String, i64);

fn from_row((id, organization_id, name, fields, version): Row) -> Result<Schema, SqlError> {
    Ok(Schema {
        id: SchemaId::from_row(id),
        organization_id: OrganizationId::from_row(organization_id),
        name,
        fields: serde_json::from_str(&fields).map_err(|error| corrupt(format!("schema {id}: fields: {error}")))?,
        version: Version::new(version),
    })
}

pub(crate) fn insert(conn: &mut SqliteConnection, new: &NewSchema) -> Result<Schema, SqlError> {
    let organization = new.organization_id;
    if !organizations::is_known(conn, organization)? {
        return Err(Invalid::one("organization_id", &does_not_exist(organization)).into());
    }
    let row = (
        schemas::organization_id.eq(organization.get()),
        schemas::name.eq(&new.name),
        schemas::fields.eq(text_of(&new.fields)?),
        schemas::version.eq(Version::FIRST.get()),
    );
    from_row(diesel::insert_into(schemas::table).values(row).returning(schemas::all_columns).get_result(conn)?)
}

pub(crate) fn find(conn: &mut SqliteConnection, id: SchemaId) -> Result<Option<Schema>, SqlError> {
    let row: Option<Row> = schemas::table.find(id.get()).first(conn).optional()?;
    row.map(from_row).transpose()
}

pub(crate) fn update(
    conn: &mut SqliteConnection,
    id: SchemaId,
    patch: SchemaPatch,
    expect: &Expect,
) -> Result<Schema, SqlError> {
    let current = find(conn, id)?.ok_or(StoreError::NoSuchSchema(id))?;
    if id == SchemaId::BUILT_IN {
        return Err(StoreError::SchemaBuiltIn(id).into());
    }
    if !expect.holds(current.version) {
        return Err(StoreError::SchemaPreconditionFailed { id, current: current.version }.into());
    }
    if patch == SchemaPatch::default() {
        return Ok(current);
    }
    let changed = Schema {
        name: patch.name.unwrap_or_else(|| current.name.clone()),
        fields: patch.fields.unwrap_or_else(|| current.fields.clone()),
        version: current.version.next(),
        ..current
    };
    if !changed.accepts_all_of(&current) {
        match misfits(conn, &changed)? {
            0 => {}
            products => return Err(StoreError::SchemaInUse { schema: id, products }.into()),
        }
    }
    let row = (
        schemas::name.eq(&changed.name),
        schemas::fields.eq(text_of(&changed.fields)?),
        schemas::version.eq(changed.version.get()),
    );
    diesel::update(schemas::table.find(id.get())).set(row).execute(conn)?;
    Ok(changed)
}

/// How many of the schema's products do not fit it. Looks at one after the other and keeps none.
fn misfits(conn: &mut SqliteConnection, schema: &Schema) -> Result<i64, SqlError> {
    let live = products::table.filter(products::deleted_at.is_null()).filter(products::schema_id.eq(schema.id.get()));
    let fields = live.left_join(product_details::table).select((products::id, product_details::fields.nullable()));
    let without_fit = schema.check(&Map::new()).is_ok();
    let mut misfits = 0;
    for row in fields.load_iter::<(i64, Option<String>), DefaultLoadingMode>(conn)? {
        let (product, fields) = row?;
        let fits = match fields {
            None => without_fit,
            Some(text) => schema.check(&details::parse_fields(product, &text)?).is_ok(),
        };
        misfits += i64::from(!fits);
    }
    Ok(misfits)
}

fn text_of(fields: &[SchemaField]) -> Result<String, SqlError> {
    Ok(serde_json::to_string(fields).map_err(|error| StoreError::from_serialization(error.to_string()))?)
}

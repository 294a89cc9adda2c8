//! The statements on schemas, each on a blocking connection.

use diesel::prelude::*;
use hotshelf_domain::{NewSchema, OrganizationId, Schema, SchemaId, Version};
use serde_json::{Map, Value};

use super::Connection;
use super::details::parse_fields;
use crate::error::SqlError;
use crate::port::SchemaTx;
use crate::rows::corrupt;
use crate::tables::{product_details, products, schemas};

/// Fields of products that are in memory at a time.
const READ_AT_ONCE: i64 = 1_000;

type Row = (i64, i64, String, String, i64);

fn from_row((id, organization_id, name, fields, version): Row) -> Result<Schema, SqlError> {
    Ok(Schema {
        id: SchemaId::from_row(id),
        organization_id: OrganizationId::from_row(organization_id),
        name,
        fields: serde_json::from_str(&fields).map_err(|error| corrupt(&format!("schema {id}: fields: {error}")))?,
        version: Version::new(version),
    })
}

impl SchemaTx for Connection {
    fn schema(&mut self, id: SchemaId) -> Result<Option<Schema>, SqlError> {
        let row: Option<Row> = schemas::table.find(id.get()).first(self).optional()?;
        row.map(from_row).transpose()
    }

    fn insert_schema(&mut self, new: &NewSchema) -> Result<Schema, SqlError> {
        let row = (
            schemas::organization_id.eq(new.organization_id.get()),
            schemas::name.eq(&new.name),
            schemas::fields.eq(serde_json::to_string(&new.fields)?),
            schemas::version.eq(Version::FIRST.get()),
        );
        from_row(diesel::insert_into(schemas::table).values(row).returning(schemas::all_columns).get_result(self)?)
    }

    fn update_schema(&mut self, schema: &Schema) -> Result<(), SqlError> {
        let row = (
            schemas::name.eq(&schema.name),
            schemas::fields.eq(serde_json::to_string(&schema.fields)?),
            schemas::version.eq(schema.version.get()),
        );
        diesel::update(schemas::table.find(schema.id.get())).set(row).execute(self)?;
        Ok(())
    }

    fn count_products_with(
        &mut self,
        schema: SchemaId,
        such: &dyn Fn(&Map<String, Value>) -> bool,
    ) -> Result<i64, SqlError> {
        let without_any = such(&Map::new());
        let (mut count, mut last) = (0, 0);
        loop {
            let rows = fields_after(schema, last).load::<(i64, Option<String>)>(self)?;
            let Some((id, _)) = rows.last() else { return Ok(count) };
            last = *id;
            for (product, fields) in rows {
                let counts = match fields {
                    None => without_any,
                    Some(text) => such(&parse_fields(product, &text)?),
                };
                count += i64::from(counts);
            }
        }
    }
}

/// The next products of the schema by id, each with its fields.
#[diesel::dsl::auto_type(no_type_alias)]
fn fields_after(schema: SchemaId, id: i64) -> _ {
    let schema: i64 = schema.get();
    let live = products::table.filter(products::deleted_at.is_null()).filter(products::schema_id.eq(schema));
    let at_once: i64 = READ_AT_ONCE;
    let next = live.filter(products::id.gt(id)).order(products::id).limit(at_once);
    next.left_join(product_details::table).select((products::id, product_details::fields.nullable()))
}

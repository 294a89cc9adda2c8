//! The statements on schemas, each on a blocking connection.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{NewSchema, OrganizationId, Schema, SchemaId, Version};
use serde_json::{Map, Value};

use super::details;
use super::rows::corrupt;
use super::schema::{product_details, products, schemas};
use crate::port::SchemaTx;
use crate::sqlite::error::SqlError;

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

impl SchemaTx for SqliteConnection {
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
        such: impl Fn(&Map<String, Value>) -> bool,
    ) -> Result<i64, SqlError> {
        let live = products::table.filter(products::deleted_at.is_null()).filter(products::schema_id.eq(schema.get()));
        let fields = live.left_join(product_details::table).select((products::id, product_details::fields.nullable()));
        let without_any = such(&Map::new());
        let mut count = 0;
        for row in fields.load_iter::<(i64, Option<String>), DefaultLoadingMode>(self)? {
            let (product, fields) = row?;
            let counts = match fields {
                None => without_any,
                Some(text) => such(&details::parse_fields(product, &text)?),
            };
            count += i64::from(counts);
        }
        Ok(count)
    }
}

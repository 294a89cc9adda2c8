//! Rows of products, as they come from a statement.

use std::collections::HashMap;

use chrono::{DateTime, TimeZone, Utc};
use diesel::prelude::*;
use hotshelf_domain::{NewProduct, OrganizationId, Price, Product, ProductId, SchemaId, StoreError, Version};

use crate::backend::ListReader;
use crate::error::SqlError;
use crate::statement::Row;
use crate::tables::products;

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = products)]
pub(crate) struct ProductRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: i64,
    pub(crate) stock: i64,
    pub(crate) category: String,
    pub(crate) organization_id: i64,
    pub(crate) schema_id: i64,
    pub(crate) version: i64,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl ProductRow {
    /// Of a new product, without an id yet.
    pub(crate) fn of_new(new: &NewProduct) -> Self {
        let now = Utc::now().timestamp_millis();
        ProductRow {
            id: 0,
            name: new.name.clone(),
            description: new.description.clone(),
            price: new.price.minor_units(),
            stock: new.stock,
            category: new.category.clone(),
            organization_id: new.organization_id.get(),
            schema_id: new.schema_id.get(),
            version: Version::FIRST.get(),
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn into_product(self) -> Result<Product, SqlError> {
        let corrupt = |what: &str| corrupt(&format!("product {}: {what}", self.id));
        Ok(Product {
            id: ProductId::from_row(self.id),
            price: Price::from_minor_units(self.price).map_err(|error| corrupt(&format!("price {error}")))?,
            created_at: time_of(self.created_at).ok_or_else(|| corrupt("created_at is no time"))?,
            updated_at: time_of(self.updated_at).ok_or_else(|| corrupt("updated_at is no time"))?,
            name: self.name,
            description: self.description,
            stock: self.stock,
            category: self.category,
            organization_id: OrganizationId::from_row(self.organization_id),
            schema_id: SchemaId::from_row(self.schema_id),
            version: Version::new(self.version),
        })
    }

    /// In the order in which [`find_listed`] selects them.
    fn from_listed(row: &dyn Row) -> Result<Self, SqlError> {
        Ok(ProductRow {
            id: row.integer(0)?,
            name: row.text(1)?,
            description: row.text(2)?,
            price: row.integer(3)?,
            stock: row.integer(4)?,
            category: row.text(5)?,
            organization_id: row.integer(6)?,
            schema_id: row.integer(7)?,
            version: row.integer(8)?,
            created_at: row.integer(9)?,
            updated_at: row.integer(10)?,
        })
    }
}

pub(crate) type Found = HashMap<ProductId, Product>;

/// Those of the products that exist.
pub(crate) fn find_listed(conn: &dyn ListReader, ids: &[ProductId]) -> Result<Found, SqlError> {
    let select = "SELECT id, name, description, price, stock, category, organization_id, schema_id, version, created_at, \
        updated_at FROM products WHERE deleted_at IS NULL AND id";
    let rows = conn.rows(&conn.statement(select).among(ids), ProductRow::from_listed)?;
    rows.into_iter().map(|row| Ok((ProductId::from_row(row.id), row.into_product()?))).collect()
}

/// What is stored cannot be read; always a defect.
pub(crate) fn corrupt(what: &str) -> SqlError {
    StoreError::corrupt(what).into()
}

pub(crate) fn time_of(milliseconds: i64) -> Option<DateTime<Utc>> {
    Utc.timestamp_millis_opt(milliseconds).single()
}

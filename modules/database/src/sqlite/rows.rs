//! The statements on products, each on a blocking connection.

use std::collections::HashMap;

use chrono::{DateTime, TimeZone, Utc};
use diesel::define_sql_function;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use hotshelf_domain::{
    NewProduct, OrganizationId, Price, Product, ProductId, ProductPatch, SchemaId, StoreError, Version, name_key,
};
use rusqlite::Row;

use super::reader::Reader;
use super::schema::products;
use super::statement::Statement;
use crate::port::ProductTx;
use crate::sqlite::error::SqlError;

#[derive(Queryable, Selectable)]
#[diesel(table_name = products, check_for_backend(diesel::sqlite::Sqlite))]
struct ProductRow {
    id: i64,
    name: String,
    description: String,
    price: i64,
    stock: i64,
    category: String,
    organization_id: i64,
    schema_id: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl ProductRow {
    fn into_product(self) -> Result<Product, SqlError> {
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
}

/// What is stored cannot be read; always a defect.
pub(crate) fn corrupt(what: &str) -> SqlError {
    StoreError::corrupt(what).into()
}

pub(crate) fn time_of(milliseconds: i64) -> Option<DateTime<Utc>> {
    Utc.timestamp_millis_opt(milliseconds).single()
}

/// `OR FAIL`: what a failed statement has done already, the caller's savepoint undoes. To be able to undo it by
/// itself, it would set aside every page that it and its triggers touch, which costs several times as much as the
/// insert.
const INSERT: &str = "INSERT OR FAIL INTO products (name, description, category, price, stock, organization_id, \
    schema_id, version, created_at, updated_at, name_key) VALUES (";

/// diesel has no `OR FAIL`. Unlike its `sql_query`, this lets the connection keep the prepared statement.
struct Insert<'a> {
    row: &'a ProductRow,
    name_key: Vec<u8>,
}

impl QueryFragment<Sqlite> for Insert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let ProductRow { price, stock, organization_id, schema_id, version, created_at, updated_at, .. } = self.row;
        out.push_sql(INSERT);
        for text in [&self.row.name, &self.row.description, &self.row.category] {
            out.push_bind_param::<Text, _>(text)?;
            out.push_sql(", ");
        }
        for number in [price, stock, organization_id, schema_id, version, created_at, updated_at] {
            out.push_bind_param::<BigInt, _>(number)?;
            out.push_sql(", ");
        }
        out.push_bind_param::<Binary, _>(&self.name_key)?;
        out.push_sql(")");
        Ok(())
    }
}

impl QueryId for Insert<'_> {
    type QueryId = Insert<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<SqliteConnection> for Insert<'_> {}

define_sql_function! {
    fn last_insert_rowid() -> BigInt;
}

impl ProductTx for SqliteConnection {
    fn product(&mut self, id: ProductId) -> Result<Option<Product>, SqlError> {
        let live = products::table.filter(products::deleted_at.is_null()).filter(products::id.eq(id.get()));
        let row = live.select(ProductRow::as_select()).first(self).optional()?;
        row.map(ProductRow::into_product).transpose()
    }

    fn insert_product(&mut self, new: &NewProduct) -> Result<Product, SqlError> {
        let now = Utc::now().timestamp_millis();
        let mut row = ProductRow {
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
        };
        Insert { row: &row, name_key: name_key(&row.name) }.execute(self)?;
        // `RETURNING` would open a table in memory for the one number, and close it.
        row.id = diesel::select(last_insert_rowid()).get_result(self)?;
        row.into_product()
    }

    fn update_product(&mut self, id: ProductId, patch: &ProductPatch, version: Version) -> Result<Product, SqlError> {
        let change = (
            patch.name.as_deref().map(|name| (products::name.eq(name), products::name_key.eq(name_key(name)))),
            patch.description.as_deref().map(|description| products::description.eq(description)),
            patch.price.map(|price| products::price.eq(price.minor_units())),
            patch.stock.map(|stock| products::stock.eq(stock)),
            patch.category.as_deref().map(|category| products::category.eq(category)),
            patch.schema_id.map(|schema| products::schema_id.eq(schema.get())),
            products::version.eq(version.get()),
            products::updated_at.eq(Utc::now().timestamp_millis()),
        );
        let updated = diesel::update(products::table.find(id.get())).set(change).returning(ProductRow::as_returning());
        updated.get_result::<ProductRow>(self)?.into_product()
    }

    fn delete_product(&mut self, id: ProductId) -> Result<bool, SqlError> {
        let live = products::table.find(id.get()).filter(products::deleted_at.is_null());
        let now = Utc::now().timestamp_millis();
        let gone =
            (products::version.eq(products::version + 1), products::updated_at.eq(now), products::deleted_at.eq(now));
        Ok(diesel::update(live).set(gone).execute(self)? > 0)
    }
}

pub(crate) type Found = HashMap<ProductId, Product>;

pub(crate) fn find_many(conn: &mut SqliteConnection, ids: &[ProductId]) -> Result<Found, SqlError> {
    let ids = ids.iter().map(|id| id.get());
    let live = products::table.filter(products::deleted_at.is_null()).filter(products::id.eq_any(ids));
    by_id(live.select(ProductRow::as_select()).load(conn)?)
}

/// The same on a connection that can be interrupted, for lists.
pub(crate) fn find_listed(conn: &Reader, ids: &[ProductId]) -> Result<Found, SqlError> {
    let select = "SELECT id, name, description, price, stock, category, organization_id, schema_id, version, created_at, \
        updated_at FROM products WHERE deleted_at IS NULL AND id IN (SELECT value FROM json_each(";
    by_id(Statement::new(select).bind(serde_json::to_string(ids)?).sql("))").load(conn)?)
}

fn by_id(rows: Vec<ProductRow>) -> Result<Found, SqlError> {
    rows.into_iter().map(|row| Ok((ProductId::from_row(row.id), row.into_product()?))).collect()
}

/// In the order in which [`find_listed`] selects them: to look for each by its name would take longer.
impl TryFrom<&Row<'_>> for ProductRow {
    type Error = rusqlite::Error;

    fn try_from(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(ProductRow {
            id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            price: row.get(3)?,
            stock: row.get(4)?,
            category: row.get(5)?,
            organization_id: row.get(6)?,
            schema_id: row.get(7)?,
            version: row.get(8)?,
            created_at: row.get(9)?,
            updated_at: row.get(10)?,
        })
    }
}

//! The statements on products, each on a blocking connection.

use chrono::Utc;
use diesel::define_sql_function;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use hotshelf_domain::{NewProduct, Product, ProductId, ProductPatch, Version, name_key};

use crate::error::SqlError;
use crate::port::ProductTx;
use crate::rows::ProductRow;
use crate::tables::{organization_counts, products};

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

    fn products(&mut self, ids: &[ProductId]) -> Result<Vec<Product>, SqlError> {
        let ids = ids.iter().map(|id| id.get());
        let live = products::table.filter(products::deleted_at.is_null()).filter(products::id.eq_any(ids));
        live.select(ProductRow::as_select()).load(self)?.into_iter().map(ProductRow::into_product).collect()
    }

    fn insert_product(&mut self, new: &NewProduct) -> Result<Product, SqlError> {
        let mut row = ProductRow::of_new(new);
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

/// The products of the organization. Triggers count them.
pub(super) fn count_products(conn: &mut SqliteConnection, organization: i64) -> Result<i64, SqlError> {
    let live = organization_counts::table.find(organization).select(organization_counts::live);
    Ok(live.first(conn).optional()?.unwrap_or_default())
}

//! The statements on products. Each notes what its row was and is, for the counters and the search
//! ([`changes`](super::changes)).

use chrono::Utc;
use diesel::prelude::*;
use hotshelf_domain::{NewProduct, Product, ProductId, ProductPatch, Version, name_key};

use super::connection::Connection;
use super::inserts;
use crate::error::SqlError;
use crate::port::ProductTx;
use crate::rows::ProductRow;
use crate::tables::{organization_counts, products};

impl ProductTx for Connection {
    fn product(&mut self, id: ProductId) -> Result<Option<Product>, SqlError> {
        let live = products::table.find(id.get()).filter(products::deleted_at.is_null());
        let row: Option<ProductRow> = live.select(ProductRow::as_select()).first(self).optional()?;
        row.map(ProductRow::into_product).transpose()
    }

    fn products(&mut self, ids: &[ProductId]) -> Result<Vec<Product>, SqlError> {
        let ids = ids.iter().map(|id| id.get());
        let live = products::table.filter(products::deleted_at.is_null()).filter(products::id.eq_any(ids));
        live.select(ProductRow::as_select()).load(self)?.into_iter().map(ProductRow::into_product).collect()
    }

    fn insert_product(&mut self, new: &NewProduct) -> Result<Product, SqlError> {
        inserts::insert(self, ProductRow::of_new(new))?.into_product()
    }

    fn insert_products(&mut self, new: &[&NewProduct]) -> Result<Vec<ProductId>, SqlError> {
        let ids = inserts::insert_many(self, new.iter().map(|new| ProductRow::of_new(new)).collect())?;
        Ok(ids.into_iter().map(ProductId::from_row).collect())
    }

    fn update_product(&mut self, id: ProductId, patch: &ProductPatch, version: Version) -> Result<Product, SqlError> {
        let old: ProductRow = products::table.find(id.get()).select(ProductRow::as_select()).first(self)?;
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
        let new: ProductRow = updated.get_result(self)?;
        self.changes.updated(&old, &new);
        new.into_product()
    }

    fn delete_product(&mut self, id: ProductId) -> Result<bool, SqlError> {
        let live = products::table.find(id.get()).filter(products::deleted_at.is_null());
        let now = Utc::now().timestamp_millis();
        let gone =
            (products::version.eq(products::version + 1), products::updated_at.eq(now), products::deleted_at.eq(now));
        let deleted = diesel::update(live).set(gone).returning(ProductRow::as_returning());
        let Some(row) = deleted.get_result::<ProductRow>(self).optional()? else { return Ok(false) };
        self.changes.deleted(&row);
        Ok(true)
    }
}

/// The products of the organization, with those that this transaction has changed.
pub(super) fn count_products(conn: &mut Connection, organization: i64) -> Result<i64, SqlError> {
    let live = organization_counts::table.find(organization).select(organization_counts::live);
    let kept: Option<i64> = live.first(conn).optional()?;
    Ok(kept.unwrap_or_default() + conn.changes.products_of(organization))
}

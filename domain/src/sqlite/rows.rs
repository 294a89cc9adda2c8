//! The statements on products, each on a blocking connection. The callers decide about transactions.

use std::collections::HashMap;

use chrono::{DateTime, TimeZone, Utc};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::{catalogue_totals, products};
use crate::draft::{NewProduct, ProductPatch};
use crate::error::StoreError;
use crate::ids::{OrganizationId, ProductId, SchemaId};
use crate::page::{PageIds, PageRequest, PageStart, ProductPage};
use crate::price::Price;
use crate::product::{Product, Version};
use crate::repository::Expect;

type Stored = Result<Product, StoreError>;

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

#[derive(Insertable)]
#[diesel(table_name = products)]
struct NewRow<'a> {
    name: &'a str,
    description: &'a str,
    price: i64,
    stock: i64,
    category: &'a str,
    organization_id: i64,
    schema_id: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

#[derive(AsChangeset)]
#[diesel(table_name = products)]
struct Change<'a> {
    name: Option<&'a str>,
    description: Option<&'a str>,
    price: Option<i64>,
    stock: Option<i64>,
    category: Option<&'a str>,
    organization_id: Option<i64>,
    schema_id: Option<i64>,
    version: i64,
    updated_at: i64,
    deleted_at: Option<i64>,
}

impl ProductRow {
    fn into_product(self) -> Stored {
        let corrupt = |what: String| {
            StoreError::from(diesel::result::Error::DeserializationError(format!("product {}: {what}", self.id).into()))
        };
        Ok(Product {
            id: ProductId::from_row(self.id),
            price: Price::from_minor_units(self.price).map_err(|error| corrupt(format!("price {error}")))?,
            created_at: time_of(self.created_at).ok_or_else(|| corrupt("created_at is no time".to_owned()))?,
            updated_at: time_of(self.updated_at).ok_or_else(|| corrupt("updated_at is no time".to_owned()))?,
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

fn time_of(milliseconds: i64) -> Option<DateTime<Utc>> {
    Utc.timestamp_millis_opt(milliseconds).single()
}

pub(super) fn insert(conn: &mut SqliteConnection, new: &NewProduct) -> Stored {
    let now = Utc::now().timestamp_millis();
    let row = NewRow {
        name: &new.name,
        description: &new.description,
        price: new.price.minor_units(),
        stock: new.stock,
        category: &new.category,
        organization_id: new.organization_id,
        schema_id: new.schema_id,
        version: Version::FIRST.get(),
        created_at: now,
        updated_at: now,
    };
    let inserted = diesel::insert_into(products::table).values(row).returning(ProductRow::as_returning());
    inserted.get_result::<ProductRow>(conn)?.into_product()
}

pub(super) fn update(conn: &mut SqliteConnection, id: ProductId, patch: &ProductPatch, expect: &Expect) -> Stored {
    let current = find_expected(conn, id, expect)?;
    if *patch == ProductPatch::default() {
        return Ok(current);
    }
    let change = Change {
        name: patch.name.as_deref(),
        description: patch.description.as_deref(),
        price: patch.price.map(Price::minor_units),
        stock: patch.stock,
        category: patch.category.as_deref(),
        organization_id: patch.organization_id,
        schema_id: patch.schema_id,
        ..Change::of(&current)
    };
    let updated = diesel::update(products::table.find(id.get())).set(change).returning(ProductRow::as_returning());
    updated.get_result::<ProductRow>(conn)?.into_product()
}

/// Marks the row; the version goes on growing, so that a copy made before the delete can never look newer.
pub(super) fn delete(conn: &mut SqliteConnection, id: ProductId, expect: &Expect) -> Result<(), StoreError> {
    let current = find_expected(conn, id, expect)?;
    let change = Change::of(&current);
    let change = Change { deleted_at: Some(change.updated_at), ..change };
    diesel::update(products::table.find(id.get())).set(change).execute(conn)?;
    Ok(())
}

impl Change<'_> {
    /// What every change does: one version more, and the time.
    fn of(current: &Product) -> Self {
        Change {
            name: None,
            description: None,
            price: None,
            stock: None,
            category: None,
            organization_id: None,
            schema_id: None,
            version: current.version.get() + 1,
            updated_at: Utc::now().timestamp_millis(),
            deleted_at: None,
        }
    }
}

fn find_expected(conn: &mut SqliteConnection, id: ProductId, expect: &Expect) -> Stored {
    let live = products::table.filter(products::deleted_at.is_null()).filter(products::id.eq(id.get()));
    let row = live.select(ProductRow::as_select()).first(conn).optional()?;
    let current = row.ok_or(StoreError::NotFound(id))?.into_product()?;
    match expect {
        Expect::OneOf(versions) if !versions.contains(&current.version) => {
            Err(StoreError::PreconditionFailed { id, current: current.version })
        }
        Expect::OneOf(_) | Expect::Anything => Ok(current),
    }
}

pub(super) fn find_many(conn: &mut SqliteConnection, ids: &[i64]) -> Result<HashMap<i64, Product>, StoreError> {
    let live = products::table.filter(products::deleted_at.is_null()).filter(products::id.eq_any(ids));
    let rows: Vec<ProductRow> = live.select(ProductRow::as_select()).load(conn)?;
    rows.into_iter().map(|row| Ok((row.id, row.into_product()?))).collect()
}

pub(super) fn page_ids(conn: &mut SqliteConnection, request: &PageRequest) -> Result<PageIds, StoreError> {
    // One transaction, so that the total and the ids are of the same moment.
    conn.transaction(|conn| {
        let total: i64 = catalogue_totals::table.select(catalogue_totals::live_products).first(conn)?;
        let one_more = i64::from(request.limit) + 1;
        let live = products::table
            .filter(products::deleted_at.is_null())
            .select(products::id)
            .order(products::id)
            .limit(one_more);
        let mut ids: Vec<i64> = match request.start {
            PageStart::Offset(offset) => live.offset(offset).load(conn)?,
            PageStart::After { id, .. } => live.filter(products::id.gt(id.get())).load(conn)?,
        };
        let has_more = ids.len() as i64 == one_more;
        ids.truncate(request.limit as usize);
        let ids = ids.into_iter().filter_map(ProductId::new).collect();
        Ok(PageIds { ids, total, has_more })
    })
}

pub(super) fn page(conn: &mut SqliteConnection, request: &PageRequest) -> Result<ProductPage, StoreError> {
    // One transaction, so that the total and the rows are of the same moment.
    conn.transaction(|conn| {
        let total: i64 = catalogue_totals::table.select(catalogue_totals::live_products).first(conn)?;
        let one_more = i64::from(request.limit) + 1;
        let live = products::table
            .filter(products::deleted_at.is_null())
            .select(ProductRow::as_select())
            .order(products::id)
            .limit(one_more);
        let rows: Vec<ProductRow> = match request.start {
            PageStart::Offset(offset) => live.offset(offset).load(conn)?,
            PageStart::After { id, .. } => live.filter(products::id.gt(id.get())).load(conn)?,
        };
        let has_more = rows.len() as i64 == one_more;
        let rows = rows.into_iter().take(request.limit as usize);
        let products = rows.map(ProductRow::into_product).collect::<Result<Vec<_>, _>>()?;
        Ok(ProductPage { products, total, has_more })
    })
}

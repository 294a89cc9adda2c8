//! The statements on fields and images of products, each on a blocking connection. The callers decide about
//! transactions.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{
    DetailsPatch, Expect, Image, ImageId, NewImage, Product, ProductDetails, ProductId, StoreError, Version,
};
use serde_json::{Map, Value};

use super::references;
use super::rows::{corrupt, find_expected, find_live, touch};
use super::schema::{product_details, product_images};
use crate::sqlite::error::SqlError;

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_images, check_for_backend(diesel::sqlite::Sqlite))]
struct ImageRow {
    id: i64,
    url: String,
    alt: String,
    position: i64,
}

#[derive(Insertable)]
#[diesel(table_name = product_images)]
struct NewImageRow<'a> {
    /// `None`: the next one.
    id: Option<i64>,
    product_id: i64,
    url: &'a str,
    alt: &'a str,
    position: i64,
}

pub(crate) fn find(conn: &mut SqliteConnection, id: ProductId) -> Result<Option<ProductDetails>, SqlError> {
    // One transaction, so that all parts are of the same moment.
    conn.transaction(|conn| find_live(conn, id)?.map(|product| of(conn, product)).transpose())
}

/// Keeps the image ids that the patch names, and gives the other images new ones.
pub(crate) fn put(
    conn: &mut SqliteConnection,
    id: ProductId,
    patch: &DetailsPatch,
    expect: &Expect,
    seen: Option<Version>,
) -> Result<ProductDetails, SqlError> {
    let current = find_expected(conn, id, expect, seen)?;
    if *patch == DetailsPatch::default() {
        return of(conn, current);
    }
    references::check_details(conn, &current, patch)?;
    if let Some(fields) = &patch.fields {
        diesel::delete(product_details::table.find(id.get())).execute(conn)?;
        insert_fields(conn, id, fields)?;
    }
    if let Some(images) = &patch.images {
        diesel::delete(product_images::table.filter(product_images::product_id.eq(id.get()))).execute(conn)?;
        insert_images(conn, id, images)?;
    }
    let product = touch(conn, &current)?;
    of(conn, product)
}

/// Of a product that has none.
pub(crate) fn insert(
    conn: &mut SqliteConnection,
    id: ProductId,
    fields: &Map<String, Value>,
    images: &[NewImage],
) -> Result<(), SqlError> {
    insert_fields(conn, id, fields)?;
    insert_images(conn, id, images)
}

fn insert_fields(conn: &mut SqliteConnection, id: ProductId, fields: &Map<String, Value>) -> Result<(), SqlError> {
    if fields.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string(fields).map_err(|error| StoreError::from_serialization(error.to_string()))?;
    let row = (product_details::product_id.eq(id.get()), product_details::fields.eq(text));
    diesel::insert_into(product_details::table).values(row).execute(conn)?;
    Ok(())
}

fn insert_images(conn: &mut SqliteConnection, id: ProductId, images: &[NewImage]) -> Result<(), SqlError> {
    for image in images {
        let row = NewImageRow {
            id: image.id.map(ImageId::get),
            product_id: id.get(),
            url: &image.url,
            alt: &image.alt,
            position: image.position,
        };
        diesel::insert_into(product_images::table).values(row).execute(conn)?;
    }
    Ok(())
}

fn of(conn: &mut SqliteConnection, product: Product) -> Result<ProductDetails, SqlError> {
    let (fields, images) = (fields_of(conn, product.id)?, images_of(conn, product.id)?);
    Ok(ProductDetails { product, fields, images })
}

pub(crate) fn fields_of(conn: &mut SqliteConnection, id: ProductId) -> Result<Map<String, Value>, SqlError> {
    let fields = product_details::table.find(id.get()).select(product_details::fields);
    let text: Option<String> = fields.first(conn).optional()?;
    text.map_or_else(|| Ok(Map::new()), |text| parse_fields(id.get(), &text))
}

pub(crate) fn parse_fields(product: i64, text: &str) -> Result<Map<String, Value>, SqlError> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("product {product}: fields: {error}")))
}

fn images_of(conn: &mut SqliteConnection, id: ProductId) -> Result<Vec<Image>, SqlError> {
    let images = product_images::table.filter(product_images::product_id.eq(id.get()));
    let in_order = images.order((product_images::position, product_images::id));
    let rows: Vec<ImageRow> = in_order.select(ImageRow::as_select()).load(conn)?;
    let image = |ImageRow { id, url, alt, position }| Image { id: ImageId::from_row(id), url, alt, position };
    Ok(rows.into_iter().map(image).collect())
}

pub(crate) fn image_ids_of(conn: &mut SqliteConnection, id: ProductId) -> Result<Vec<i64>, SqlError> {
    let images = product_images::table.filter(product_images::product_id.eq(id.get()));
    Ok(images.select(product_images::id).load(conn)?)
}

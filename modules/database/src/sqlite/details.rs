//! The statements on fields and images of products, each on a blocking connection.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{Image, ImageId, NewImage, ProductId, StoreError};
use serde_json::{Map, Value};

use super::rows::corrupt;
use super::schema::{product_details, product_images};
use crate::port::DetailsTx;
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

impl DetailsTx for SqliteConnection {
    fn fields(&mut self, product: ProductId) -> Result<Map<String, Value>, SqlError> {
        let fields = product_details::table.find(product.get()).select(product_details::fields);
        let text: Option<String> = fields.first(self).optional()?;
        text.map_or_else(|| Ok(Map::new()), |text| parse_fields(product.get(), &text))
    }

    fn images(&mut self, product: ProductId) -> Result<Vec<Image>, SqlError> {
        let images = product_images::table.filter(product_images::product_id.eq(product.get()));
        let in_order = images.order((product_images::position, product_images::id));
        let rows: Vec<ImageRow> = in_order.select(ImageRow::as_select()).load(self)?;
        let image = |ImageRow { id, url, alt, position }| Image { id: ImageId::from_row(id), url, alt, position };
        Ok(rows.into_iter().map(image).collect())
    }

    fn insert_fields(&mut self, product: ProductId, fields: &Map<String, Value>) -> Result<(), SqlError> {
        let text = serde_json::to_string(fields).map_err(|error| StoreError::from_serialization(error.to_string()))?;
        let row = (product_details::product_id.eq(product.get()), product_details::fields.eq(text));
        diesel::insert_into(product_details::table).values(row).execute(self)?;
        Ok(())
    }

    fn insert_images(&mut self, product: ProductId, images: &[NewImage]) -> Result<(), SqlError> {
        for image in images {
            let row = NewImageRow {
                id: image.id.map(ImageId::get),
                product_id: product.get(),
                url: &image.url,
                alt: &image.alt,
                position: image.position,
            };
            diesel::insert_into(product_images::table).values(row).execute(self)?;
        }
        Ok(())
    }

    fn delete_fields(&mut self, product: ProductId) -> Result<(), SqlError> {
        diesel::delete(product_details::table.find(product.get())).execute(self)?;
        Ok(())
    }

    fn delete_images(&mut self, product: ProductId) -> Result<(), SqlError> {
        let images = product_images::table.filter(product_images::product_id.eq(product.get()));
        diesel::delete(images).execute(self)?;
        Ok(())
    }
}

pub(crate) fn parse_fields(product: i64, text: &str) -> Result<Map<String, Value>, SqlError> {
    serde_json::from_str(text).map_err(|error| corrupt(&format!("product {product}: fields: {error}")))
}

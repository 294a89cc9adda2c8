//! The statements on fields and images of products, each on a blocking connection.

use diesel::prelude::*;
use diesel::upsert::excluded;
use hotshelf_domain::{Image, ImageId, NewImage, ProductId};
use serde_json::{Map, Value};

use super::Connection;
use crate::error::SqlError;
use crate::port::DetailsTx;
use crate::rows::corrupt;
use crate::tables::{product_details, product_images};

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_images)]
struct ImageRow {
    id: i64,
    url: String,
    alt: String,
    position: i64,
}

impl DetailsTx for Connection {
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

    fn set_fields(&mut self, product: ProductId, fields: &Map<String, Value>) -> Result<(), SqlError> {
        if fields.is_empty() {
            diesel::delete(product_details::table.find(product.get())).execute(self)?;
            return Ok(());
        }
        let text = serde_json::to_string(fields)?;
        let row = (product_details::product_id.eq(product.get()), product_details::fields.eq(text));
        let inserted = diesel::insert_into(product_details::table).values(row);
        let replaced = inserted.on_conflict(product_details::product_id).do_update();
        replaced.set(product_details::fields.eq(excluded(product_details::fields))).execute(self)?;
        Ok(())
    }

    fn set_images(&mut self, product: ProductId, images: &[NewImage]) -> Result<(), SqlError> {
        let own = product_images::table.filter(product_images::product_id.eq(product.get()));
        diesel::delete(own).execute(self)?;
        for NewImage { id, url, alt, position, .. } in images {
            let row = (
                // `None`: the next one.
                id.map(|id| product_images::id.eq(id.get())),
                product_images::product_id.eq(product.get()),
                product_images::url.eq(url),
                product_images::alt.eq(alt),
                product_images::position.eq(position),
            );
            diesel::insert_into(product_images::table).values(row).execute(self)?;
        }
        Ok(())
    }
}

pub(crate) fn parse_fields(product: i64, text: &str) -> Result<Map<String, Value>, SqlError> {
    serde_json::from_str(text).map_err(|error| corrupt(&format!("product {product}: fields: {error}")))
}

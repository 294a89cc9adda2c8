//! What is cached: JSON as it goes out, made once when it is loaded.

use bytes::Bytes;
use hotshelf_cache::Value;
use hotshelf_domain::{PageRequest, Product, ProductPage, StoreError};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::cursor::Cursor;

#[derive(Serialize)]
struct PageView<'a> {
    products: &'a [Product],
    total: i64,
    offset: i64,
    limit: u32,
    next_cursor: Option<String>,
}

/// A product; its revision is its version.
pub(crate) fn product(product: &Product) -> Result<Value, StoreError> {
    let revision = u64::try_from(product.version.get()).unwrap_or_default();
    Ok(Value { payload: json(product)?, revision })
}

/// A page; its revision is a hash of what it shows.
pub(crate) fn page(request: &PageRequest, page: &ProductPage) -> Result<Value, StoreError> {
    let offset = request.start.position();
    let last = page.products.last().filter(|_| page.has_more);
    let next = last.map(|last| Cursor { after: last.id, position: offset.saturating_add(page.products.len() as i64) });
    let view = PageView {
        products: &page.products,
        total: page.total,
        offset,
        limit: request.limit,
        next_cursor: next.map(|cursor| cursor.to_string()),
    };
    let payload = json(&view)?;
    Ok(Value { revision: xxh3_64(&payload), payload })
}

fn json(view: &impl Serialize) -> Result<Bytes, StoreError> {
    let json = serde_json::to_vec(view).map_err(|error| {
        // No value of these types is known to get here.
        StoreError::from_serialization(error.to_string())
    })?;
    Ok(Bytes::from(json))
}

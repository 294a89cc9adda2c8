//! What is cached: JSON as it goes out, made once when it is loaded.

use bytes::Bytes;
use hotshelf_cache::Value;
use hotshelf_domain::{Product, ProductDetails, StoreError};
use serde::Serialize;

/// A product; its revision is its version.
pub(crate) fn product(product: &Product) -> Result<Value, StoreError> {
    Ok(Value { payload: json(product)?, revision: revision(product) })
}

/// A product with its details, without the closing brace; its revision is the product's version.
pub(crate) fn details(details: &ProductDetails) -> Result<Value, StoreError> {
    Ok(Value { payload: open_json(details)?, revision: revision(&details.product) })
}

fn revision(product: &Product) -> u64 {
    u64::try_from(product.version.get()).unwrap_or_default()
}

pub(crate) fn json(view: &impl Serialize) -> Result<Bytes, StoreError> {
    let json = serde_json::to_vec(view).map_err(|error| {
        // No value of these types is known to get here.
        StoreError::from_serialization(error.to_string())
    })?;
    Ok(Bytes::from(json))
}

/// An object without its closing brace, to be continued.
pub(crate) fn open_json(view: &impl Serialize) -> Result<Bytes, StoreError> {
    let mut json = json(view)?;
    json.truncate(json.len().saturating_sub(1));
    Ok(json)
}

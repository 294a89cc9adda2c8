//! What is cached: JSON as it goes out, made once when it is loaded.

use bytes::Bytes;
use hotshelf_cache::Value;
use hotshelf_domain::{Product, StoreError};
use serde::Serialize;

/// A product; its revision is its version.
pub(crate) fn product(product: &Product) -> Result<Value, StoreError> {
    let revision = u64::try_from(product.version.get()).unwrap_or_default();
    Ok(Value { payload: json(product)?, revision })
}

pub(crate) fn json(view: &impl Serialize) -> Result<Bytes, StoreError> {
    let json = serde_json::to_vec(view).map_err(|error| {
        // No value of these types is known to get here.
        StoreError::from_serialization(error.to_string())
    })?;
    Ok(Bytes::from(json))
}

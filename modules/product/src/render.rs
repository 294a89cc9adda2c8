//! What is cached: JSON as it goes out, made once when it is loaded.

use bytes::Bytes;
use hotshelf_cache::Value;
use hotshelf_domain::{OrganizationId, Product, ProductDetails, StoreError};
use memchr::memmem;
use serde::Serialize;

/// A product; its revision is its version.
pub(crate) fn product(product: &Product) -> Result<Value, StoreError> {
    Ok(Value { payload: json(product)?, revision: revision(product) })
}

/// A product with its details, without the closing brace; its revision is the product's version.
pub(crate) fn details(details: &ProductDetails) -> Result<Value, StoreError> {
    Ok(Value { payload: open_json(details)?, revision: revision(&details.product) })
}

/// The organization of a product, or of a product with its details, as it is cached. Costs a look for one word.
pub fn owner_of(json: &[u8]) -> Option<OrganizationId> {
    // Within a text, its quotation marks would have backslashes before them; and the first one is the product's own.
    const NAME: &[u8] = b"\"organization_id\":";
    let begin = memmem::find(json, NAME)? + NAME.len();
    let digits = json[begin..].iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    OrganizationId::new(number)
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

#[cfg(test)]
mod tests {
    use hotshelf_domain::{ProductId, SchemaId, Version};

    use super::*;

    #[test]
    fn the_owner_is_the_products_own() {
        let cup = Product {
            id: ProductId::new(1).unwrap(),
            name: r#"","organization_id":9,""#.to_owned(),
            description: r#"\","organization_id":9,"\"#.to_owned(),
            price: "1".parse().unwrap(),
            stock: 0,
            category: r#"organization_id":9"#.to_owned(),
            organization_id: OrganizationId::new(1_234_567).unwrap(),
            schema_id: SchemaId::BUILT_IN,
            version: Version::FIRST,
            created_at: chrono::DateTime::UNIX_EPOCH,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        };
        assert_eq!(owner_of(&product(&cup).unwrap().payload), Some(cup.organization_id));
        let fields = [("organization_id".to_owned(), 9.into())].into_iter().collect();
        let with_details = ProductDetails { product: cup.clone(), fields, images: Vec::new() };
        assert_eq!(owner_of(&details(&with_details).unwrap().payload), Some(cup.organization_id));
        assert_eq!(owner_of(b"{}"), None);
    }
}

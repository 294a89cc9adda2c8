//! The cached JSON of products, encoded once when it is loaded.

use bytes::Bytes;
use hotshelf_cache::Value;
use hotshelf_domain::{OrganizationId, Product, ProductDetails, StoreError};
use serde::Serialize;

/// A product.
pub(crate) fn product(product: &Product) -> Result<Value, StoreError> {
    Ok(value(product, json(product)?))
}

/// A product with its details, without the closing brace.
pub(crate) fn details(details: &ProductDetails) -> Result<Value, StoreError> {
    Ok(value(&details.product, open_json(details)?))
}

/// The revision is the product's version, the attribute its organization.
fn value(product: &Product, payload: Bytes) -> Value {
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    Value { payload, revision: number(product.version.get()), attribute: number(product.organization_id.get()) }
}

/// The organization of a cached product, or of a cached product with its details.
pub fn owner_of(value: &Value) -> Option<OrganizationId> {
    OrganizationId::new(i64::try_from(value.attribute).ok()?)
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
        assert_eq!(owner_of(&product(&cup).unwrap()), Some(cup.organization_id));
        let fields = [("organization_id".to_owned(), 9.into())].into_iter().collect();
        let with_details = ProductDetails { product: cup.clone(), fields, images: Vec::new() };
        assert_eq!(owner_of(&details(&with_details).unwrap()), Some(cup.organization_id));
        assert_eq!(owner_of(&Value::unversioned("{}")), None);
    }
}

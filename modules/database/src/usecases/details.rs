//! The fields and the images of a product.

use hotshelf_domain::{DetailsPatch, Expect, Product, ProductDetails, ProductId, ProductPatch, Version};

use super::products::expected;
use super::references;
use crate::port::{DetailsTx, WriteTx};

/// All parts are of the moment of the transaction.
pub(crate) fn find<T: WriteTx>(tx: &mut T, id: ProductId) -> Result<Option<ProductDetails>, T::Error> {
    let product = tx.product(id)?;
    product.map(|product| of(tx, product)).transpose()
}

/// Keeps the image ids that the patch names, and gives the other images new ones.
pub(crate) fn put<T: WriteTx>(
    tx: &mut T,
    id: ProductId,
    patch: &DetailsPatch,
    expect: &Expect,
    expected_version: Option<Version>,
) -> Result<ProductDetails, T::Error> {
    let current = expected(tx, id, expect, expected_version)?;
    if *patch == DetailsPatch::default() {
        return of(tx, current);
    }
    references::check_details(tx, &current, patch)?;
    if let Some(fields) = &patch.fields {
        tx.set_fields(id, fields)?;
    }
    if let Some(images) = &patch.images {
        tx.set_images(id, images)?;
    }
    let product = tx.update_product(id, &ProductPatch::default(), current.version.next())?;
    of(tx, product)
}

fn of<T: DetailsTx>(tx: &mut T, product: Product) -> Result<ProductDetails, T::Error> {
    let (fields, images) = (tx.fields(product.id)?, tx.images(product.id)?);
    Ok(ProductDetails { product, fields, images })
}

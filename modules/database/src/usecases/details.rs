//! The fields and the images of a product.

use hotshelf_domain::{DetailsPatch, Expect, Product, ProductDetails, ProductId, ProductPatch};

use super::products::{Seen, expected};
use super::references;
use crate::error::SqlError;
use crate::port::{DetailsTx, Tx};

/// All parts are of the moment of the transaction.
pub(crate) fn find(tx: &mut dyn Tx, id: ProductId) -> Result<Option<ProductDetails>, SqlError> {
    let product = tx.product(id)?;
    product.map(|product| of(tx, product)).transpose()
}

/// Keeps the image ids that the patch names, and gives the other images new ones.
pub(crate) fn put(
    tx: &mut dyn Tx,
    id: ProductId,
    patch: &DetailsPatch,
    expect: &Expect,
    seen: Seen,
) -> Result<ProductDetails, SqlError> {
    let current = expected(tx, id, expect, seen)?;
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

fn of(tx: &mut dyn DetailsTx, product: Product) -> Result<ProductDetails, SqlError> {
    let (fields, images) = (tx.fields(product.id)?, tx.images(product.id)?);
    Ok(ProductDetails { product, fields, images })
}

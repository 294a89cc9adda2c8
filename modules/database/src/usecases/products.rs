//! One product.

use hotshelf_domain::{Expect, NewProduct, Product, ProductId, ProductPatch, StoreError, Version};

use super::references::{self, References};
use crate::port::{DetailsTx, ProductTx, WriteTx};

pub(crate) fn create<T: WriteTx>(tx: &mut T, new: &NewProduct) -> Result<Product, T::Error> {
    References::default().check(tx, new)?.map_err(StoreError::from)?;
    insert(tx, new)
}

/// What the product refers to has been checked.
pub(super) fn insert<T: ProductTx + DetailsTx>(tx: &mut T, new: &NewProduct) -> Result<Product, T::Error> {
    let product = tx.insert_product(new)?;
    if !new.fields.is_empty() {
        tx.insert_fields(product.id, &new.fields)?;
    }
    tx.insert_images(product.id, &new.images)?;
    Ok(product)
}

pub(crate) fn update<T: WriteTx>(
    tx: &mut T,
    id: ProductId,
    patch: &ProductPatch,
    expect: &Expect,
    expected_version: Option<Version>,
) -> Result<Product, T::Error> {
    let current = expected(tx, id, expect, expected_version)?;
    if patch.is_empty() {
        return Ok(current);
    }
    references::check_patch(tx, &current, patch)?;
    tx.update_product(id, patch, current.version.next())
}

pub(crate) fn delete<T: ProductTx>(
    tx: &mut T,
    id: ProductId,
    expect: &Expect,
    expected_version: Option<Version>,
) -> Result<(), T::Error> {
    expected(tx, id, expect, expected_version)?;
    tx.delete_product(id)?;
    Ok(())
}

/// The product, if it is as the client expects, and then as the cache has seen it: what a client is told does not
/// depend on who else writes.
pub(super) fn expected<T: ProductTx>(
    tx: &mut T,
    id: ProductId,
    expect: &Expect,
    expected_version: Option<Version>,
) -> Result<Product, T::Error> {
    let product = tx.product(id)?.ok_or(StoreError::NotFound(id))?;
    let current = product.version;
    if !expect.holds(current) {
        return Err(StoreError::PreconditionFailed { id, current }.into());
    }
    if expected_version.is_some_and(|expected| expected != current) {
        return Err(StoreError::VersionConflict { id, current }.into());
    }
    Ok(product)
}

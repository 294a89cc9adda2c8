//! One product.

use hotshelf_domain::{
    Actor, AuditAction, AuditTarget, Expect, NewProduct, Product, ProductId, ProductPatch, Quotas, StoreError, Version,
};

use super::audit::Recorded;
use super::quotas::ProductRoom;
use super::references::{self, References};
use crate::error::SqlError;
use crate::port::{ProductTx, Tx};

pub(crate) fn create(tx: &mut dyn Tx, new: &NewProduct, quotas: Quotas) -> Result<Product, SqlError> {
    References::default().check(tx, new)?.map_err(StoreError::from)?;
    ProductRoom::new(quotas).take(tx, new.organization_id)??;
    insert(tx, new)
}

/// The caller has checked what the product refers to.
fn insert(tx: &mut dyn Tx, new: &NewProduct) -> Result<Product, SqlError> {
    let product = tx.insert_product(new)?;
    insert_details(tx, product.id, new)?;
    Ok(product)
}

/// Fields and images of a product that was just inserted.
pub(super) fn insert_details(tx: &mut dyn Tx, id: ProductId, new: &NewProduct) -> Result<(), SqlError> {
    if !new.fields.is_empty() {
        tx.set_fields(id, &new.fields)?;
    }
    if !new.images.is_empty() {
        tx.set_images(id, &new.images)?;
    }
    Ok(())
}

pub(crate) fn update(
    tx: &mut dyn Tx,
    id: ProductId,
    patch: &ProductPatch,
    expect: &Expect,
    expected_version: Option<Version>,
) -> Result<Product, SqlError> {
    let current = expected(tx, id, expect, expected_version)?;
    if patch.is_empty() {
        return Ok(current);
    }
    references::check_patch(tx, &current, patch)?;
    tx.update_product(id, patch, current.version.next())
}

pub(crate) fn delete(
    tx: &mut dyn ProductTx,
    id: ProductId,
    expect: &Expect,
    expected_version: Option<Version>,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    expected(tx, id, expect, expected_version)?;
    tx.delete_product(id)?;
    Ok(Recorded::new((), by.does(AuditAction::ProductDeleted).to(AuditTarget::Product(id))))
}

/// The product, if it is as the client expects and at the version that the cache has seen. The client's condition comes
/// first, so that its answer does not depend on other writers.
pub(super) fn expected(
    tx: &mut dyn ProductTx,
    id: ProductId,
    expect: &Expect,
    expected_version: Option<Version>,
) -> Result<Product, SqlError> {
    let product = tx.product(id)?.ok_or(StoreError::NotFound(id))?;
    let current = product.version;
    if !expect.holds(current, Some(product.updated_at)) {
        return Err(StoreError::PreconditionFailed { id, current }.into());
    }
    if expected_version.is_some_and(|expected| expected != current) {
        return Err(StoreError::VersionConflict { id, current }.into());
    }
    Ok(product)
}

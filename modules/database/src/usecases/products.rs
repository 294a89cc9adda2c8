//! One product.

use hotshelf_domain::{
    Actor, AuditAction, AuditTarget, Expect, History, NewProduct, Product, ProductId, ProductPatch, Quotas, StoreError,
    Version, VersionInHistory,
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
    seen: Seen,
) -> Result<Product, SqlError> {
    let current = expected(tx, id, expect, seen)?;
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
    seen: Seen,
    by: &Actor,
) -> Result<Recorded<()>, SqlError> {
    expected(tx, id, expect, seen)?;
    tx.delete_product(id)?;
    Ok(Recorded::new((), by.does(AuditAction::ProductDeleted).to(AuditTarget::Product(id))))
}

/// What the caller of a write has seen of the product: nothing, or a version. The write is refused in any other history.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    history: History,
    version: Option<Version>,
}

impl Seen {
    /// `now`: the history, for a caller that has seen nothing.
    pub(crate) fn new(seen: Option<VersionInHistory>, now: impl FnOnce() -> History) -> Self {
        Seen { history: seen.map_or_else(now, |seen| seen.history), version: seen.map(|seen| seen.version) }
    }

    pub(crate) fn history(self) -> History {
        self.history
    }
}

/// The product, if it is as the client expects and at the version that the cache has seen. The client's condition comes
/// first, so that its answer does not depend on other writers.
pub(super) fn expected(
    tx: &mut dyn ProductTx,
    id: ProductId,
    expect: &Expect,
    seen: Seen,
) -> Result<Product, SqlError> {
    let product = tx.product(id)?.ok_or(StoreError::NotFound(id))?;
    let current = product.version;
    let version = VersionInHistory { history: seen.history, version: current };
    if !expect.holds(version, Some(product.updated_at)) {
        return Err(StoreError::PreconditionFailed { id, current }.into());
    }
    if seen.version.is_some_and(|version| version != current) {
        return Err(StoreError::VersionConflict { id, current }.into());
    }
    Ok(product)
}

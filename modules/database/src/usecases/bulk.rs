//! Many products at once.

use std::collections::HashSet;

use hotshelf_domain::{ErrorRoom, Invalid, NewProduct, ProductId, StoreError};

use super::products::insert;
use super::references::References;
use crate::port::{ProductTx, WriteTx};

/// Those that are valid; the others are named in their places.
pub(crate) fn create_valid<T: WriteTx>(
    tx: &mut T,
    new: &[NewProduct],
) -> Result<Vec<Result<ProductId, Invalid>>, T::Error> {
    let (mut references, mut room) = (References::default(), ErrorRoom::default());
    let created = new.iter().map(|new| match references.check(tx, new)? {
        Ok(()) => Ok(Ok(insert(tx, new)?.id)),
        Err(invalid) => Ok(Err(room.fit(invalid))),
    });
    created.collect()
}

/// All of them, or none and everything that is wrong.
pub(crate) fn create_all<T: WriteTx>(
    tx: &mut T,
    new: &[NewProduct],
) -> Result<Vec<Result<ProductId, Invalid>>, T::Error> {
    let (mut references, mut room) = (References::default(), ErrorRoom::default());
    let mut wrong = Vec::new();
    for (index, new) in new.iter().enumerate() {
        if let Err(invalid) = references.check(tx, new)? {
            wrong.push((index, room.fit(invalid)));
        }
    }
    if !wrong.is_empty() {
        return Err(StoreError::InvalidMany(wrong).into());
    }
    new.iter().map(|new| Ok(Ok(insert(tx, new)?.id))).collect()
}

/// Those that are there, each once, in the order given.
pub(crate) fn delete<T: ProductTx>(tx: &mut T, ids: &[ProductId]) -> Result<Vec<ProductId>, T::Error> {
    let mut deleted = HashSet::new();
    let mut in_order = Vec::new();
    for id in ids {
        if deleted.insert(*id) && tx.delete_product(*id)? {
            in_order.push(*id);
        }
    }
    Ok(in_order)
}

//! Many products at once, in one transaction that the caller has begun.

use std::collections::HashSet;

use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{ErrorRoom, Invalid, NewProduct, ProductId, StoreError};

use super::references::References;
use super::rows;

/// Those that are valid; the others are named in their places.
pub(crate) fn create_valid(
    conn: &mut SqliteConnection,
    new: &[NewProduct],
) -> Result<Vec<Result<ProductId, Invalid>>, StoreError> {
    let (mut references, mut room) = (References::default(), ErrorRoom::default());
    let created = new.iter().map(|new| match references.check(conn, new) {
        Ok(()) => Ok(Ok(rows::insert(conn, new)?.id)),
        Err(StoreError::Invalid(invalid)) => Ok(Err(room.fit(invalid))),
        Err(error) => Err(error),
    });
    created.collect()
}

/// All of them, or none and everything that is wrong.
pub(crate) fn create_all(
    conn: &mut SqliteConnection,
    new: &[NewProduct],
) -> Result<Vec<Result<ProductId, Invalid>>, StoreError> {
    let (mut references, mut room) = (References::default(), ErrorRoom::default());
    let mut wrong = Vec::new();
    for (index, new) in new.iter().enumerate() {
        match references.check(conn, new) {
            Ok(()) => {}
            Err(StoreError::Invalid(invalid)) => wrong.push((index, room.fit(invalid))),
            Err(error) => return Err(error),
        }
    }
    if !wrong.is_empty() {
        return Err(StoreError::InvalidMany(wrong));
    }
    new.iter().map(|new| Ok(Ok(rows::insert(conn, new)?.id))).collect()
}

/// Those that are there, each once, in the order given.
pub(crate) fn delete(conn: &mut SqliteConnection, ids: &[ProductId]) -> Result<Vec<ProductId>, StoreError> {
    let mut deleted = HashSet::new();
    let mut in_order = Vec::new();
    for id in ids {
        if deleted.insert(*id) && rows::delete_if_there(conn, *id)? {
            in_order.push(*id);
        }
    }
    Ok(in_order)
}

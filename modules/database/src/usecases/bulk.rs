//! Many products at once.

use std::collections::HashSet;

use hotshelf_domain::{Actor, AuditAction, ErrorRoom, Invalid, NewProduct, ProductId, Quotas, StoreError};

use super::audit::Recorded;
use super::products::insert_details;
use super::quotas::ProductRoom;
use super::references::References;
use crate::error::SqlError;
use crate::port::{ProductTx, Tx};

/// Creates those that are valid; the others are named in their places. With `all_or_nothing`, it creates all of them,
/// or none and names everything that is wrong.
pub(crate) fn create(
    tx: &mut dyn Tx,
    new: &[NewProduct],
    all_or_nothing: bool,
    quotas: Quotas,
) -> Result<Vec<Result<ProductId, Invalid>>, SqlError> {
    let (mut references, mut room) = (References::default(), ErrorRoom::default());
    let mut places = ProductRoom::new(quotas);
    let checked = new.iter().map(|new| {
        let mut checked = references.check(tx, new)?;
        if checked.is_ok() {
            let place = places.take(tx, new.organization_id)?;
            checked = place.map_err(|full| Invalid::one("organization_id", &full.to_string()));
        }
        Ok(checked.map_err(|invalid| room.fit(invalid)))
    });
    let checked: Vec<Result<(), Invalid>> = checked.collect::<Result<_, SqlError>>()?;
    if all_or_nothing && checked.iter().any(Result::is_err) {
        let wrong = checked.into_iter().enumerate().filter_map(|(index, checked)| Some((index, checked.err()?)));
        return Err(StoreError::InvalidMany(wrong.collect()).into());
    }
    let valid: Vec<&NewProduct> =
        new.iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(new, _)| new).collect();
    let ids = tx.insert_products(&valid)?;
    for (new, id) in valid.iter().zip(&ids) {
        insert_details(tx, *id, new)?;
    }
    let (mut ids, too_few) = (ids.into_iter(), || StoreError::failed("an insert brought too few ids".to_owned()));
    let created = checked.into_iter().map(|checked| match checked {
        Ok(()) => Ok(Ok(ids.next().ok_or_else(too_few)?)),
        Err(invalid) => Ok(Err(invalid)),
    });
    created.collect()
}

/// Deletes those that exist, and returns each of them once, in the order given. One record names all of them.
pub(crate) fn delete(
    tx: &mut dyn ProductTx,
    ids: &[ProductId],
    by: &Actor,
) -> Result<Recorded<Vec<ProductId>>, SqlError> {
    let mut deleted = HashSet::new();
    let mut in_order = Vec::new();
    for id in ids {
        if deleted.insert(*id) && tx.delete_product(*id)? {
            in_order.push(*id);
        }
    }
    if in_order.is_empty() {
        return Ok(Recorded { value: in_order, records: Vec::new() });
    }
    let numbers: Vec<String> = in_order.iter().map(ProductId::to_string).collect();
    let record = by.does(AuditAction::ProductsDeleted).times(in_order.len()).with(numbers.join(","));
    Ok(Recorded::new(in_order, record))
}

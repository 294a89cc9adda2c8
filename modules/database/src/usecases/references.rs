//! Checks that what a write names exists: organizations, schemas and the fields they require, images. It is checked
//! inside the write's transaction, where the result stays true until the commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hotshelf_domain::{
    DetailsPatch, FieldError, FieldErrors, ImageId, Invalid, NewImage, NewProduct, OrganizationId, Product,
    ProductPatch, Schema, SchemaId, StoreError, does_not_exist, not_of_the_product,
};

use crate::error::SqlError;
use crate::port::{OrganizationTx, SchemaTx, Tx};

/// What the new products of one transaction refer to; looked up once, however many they are.
#[derive(Default)]
pub(super) struct References {
    organizations: HashMap<OrganizationId, bool>,
    schemas: HashMap<SchemaId, Option<Schema>>,
}

impl References {
    /// A product of the built-in organization and schema, without details, costs no query.
    pub(super) fn check(&mut self, tx: &mut dyn Tx, new: &NewProduct) -> Result<Result<(), Invalid>, SqlError> {
        let mut errors = FieldErrors::default();
        if !self.has_organization(tx, new.organization_id)? {
            errors.append(missing("organization_id", new.organization_id));
        }
        if new.schema_id != SchemaId::BUILT_IN || !new.fields.is_empty() {
            match self.schema(tx, new.schema_id)?.filter(|schema| schema.serves(new.organization_id)) {
                Some(schema) => errors.append(errors_of(schema.check(&new.fields))),
                None => errors.append(missing("schema_id", new.schema_id)),
            }
        }
        errors.extend(foreign_images(&new.images, &[]));
        Ok(verdict(errors))
    }

    fn has_organization(&mut self, tx: &mut dyn OrganizationTx, id: OrganizationId) -> Result<bool, SqlError> {
        if id == OrganizationId::BUILT_IN {
            return Ok(true);
        }
        Ok(match self.organizations.entry(id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert(tx.has_organization(id)?),
        })
    }

    fn schema(&mut self, tx: &mut dyn SchemaTx, id: SchemaId) -> Result<Option<&Schema>, SqlError> {
        let schema = match self.schemas.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(tx.schema(id)?),
        };
        Ok(schema.as_ref())
    }
}

/// Checks that the product keeps its organization, and that its details fit its new schema.
pub(super) fn check_patch(tx: &mut dyn Tx, current: &Product, patch: &ProductPatch) -> Result<(), SqlError> {
    let mut errors = FieldErrors::default();
    if patch.organization_id.is_some_and(|id| id != current.organization_id) {
        errors.append(error("organization_id", "cannot be changed"));
    }
    if let Some(id) = patch.schema_id.filter(|id| *id != current.schema_id) {
        match tx.schema(id)?.filter(|schema| schema.serves(current.organization_id)) {
            Some(schema) => errors.append(errors_of(schema.check(&tx.fields(current.id)?))),
            None => errors.append(missing("schema_id", id)),
        }
    }
    Ok(verdict(errors).map_err(StoreError::from)?)
}

/// Checks that the fields fit the product's schema, and that the named images are its own.
pub(super) fn check_details(tx: &mut dyn Tx, current: &Product, patch: &DetailsPatch) -> Result<(), SqlError> {
    let mut errors = FieldErrors::default();
    if let Some(fields) = &patch.fields {
        let (product, id) = (current.id, current.schema_id);
        let schema = tx.schema(id)?;
        let schema =
            schema.ok_or_else(|| StoreError::corrupt(&format!("product {product}: there is no schema {id}")))?;
        errors.append(errors_of(schema.check(fields)));
    }
    if let Some(images) = &patch.images {
        let own: Vec<ImageId> = tx.images(current.id)?.into_iter().map(|image| image.id).collect();
        errors.extend(foreign_images(images, &own));
    }
    Ok(verdict(errors).map_err(StoreError::from)?)
}

fn foreign_images<'a>(images: &'a [NewImage], own: &'a [ImageId]) -> impl Iterator<Item = FieldError> + use<'a> {
    let named = images.iter().enumerate().filter_map(|(index, image)| Some((index, image.id?)));
    let foreign = named.filter(|(_, id)| !own.contains(id));
    foreign.map(|(index, id)| FieldError::new(&format!("images[{index}].id"), &not_of_the_product(id.get())))
}

fn error(field: &str, message: &str) -> FieldErrors {
    FieldError::new(field, message).into()
}

/// The same message for what exists but belongs to another organization: it must not tell that it exists.
fn missing(field: &str, id: impl std::fmt::Display) -> FieldErrors {
    error(field, &does_not_exist(id))
}

fn errors_of(checked: Result<(), Invalid>) -> FieldErrors {
    checked.err().map(|invalid| invalid.0).unwrap_or_default()
}

fn verdict(errors: FieldErrors) -> Result<(), Invalid> {
    if errors.is_empty() { Ok(()) } else { Err(Invalid(errors)) }
}

//! Whether what a write names is there: organizations, schemas and what they ask for, images. Asked inside the write's
//! transaction, where the answer stays true until the commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{
    DetailsPatch, FieldError, FieldErrors, Invalid, NewImage, NewProduct, OrganizationId, Product, ProductPatch,
    Schema, SchemaId, StoreError, does_not_exist, not_of_the_product,
};

use super::{details, organizations, rows, schemas};

/// What the new products of one transaction refer to; looked up once, however many they are.
#[derive(Default)]
pub(crate) struct References {
    organizations: HashMap<OrganizationId, bool>,
    schemas: HashMap<SchemaId, Option<Schema>>,
}

impl References {
    /// A product of the built-in organization and schema, without details, costs no query.
    pub(crate) fn check(&mut self, conn: &mut SqliteConnection, new: &NewProduct) -> Result<(), StoreError> {
        let mut errors = FieldErrors::default();
        if !self.has_organization(conn, new.organization_id)? {
            errors.append(missing("organization_id", new.organization_id));
        }
        if new.schema_id != SchemaId::BUILT_IN || !new.fields.is_empty() {
            match self.schema(conn, new.schema_id)?.filter(|schema| schema.serves(new.organization_id)) {
                Some(schema) => errors.append(errors_of(schema.check(&new.fields))),
                None => errors.append(missing("schema_id", new.schema_id)),
            }
        }
        errors.extend(foreign_images(&new.images, &[]));
        verdict(errors)
    }

    fn has_organization(&mut self, conn: &mut SqliteConnection, id: OrganizationId) -> Result<bool, StoreError> {
        if id == OrganizationId::BUILT_IN {
            return Ok(true);
        }
        Ok(match self.organizations.entry(id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => *unknown.insert(organizations::is_known(conn, id)?),
        })
    }

    fn schema(&mut self, conn: &mut SqliteConnection, id: SchemaId) -> Result<Option<&Schema>, StoreError> {
        let schema = match self.schemas.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(schemas::find(conn, id)?),
        };
        Ok(schema.as_ref())
    }
}

/// That the product stays with its organization, and that its details fit the schema that it is to have.
pub(crate) fn check_patch(
    conn: &mut SqliteConnection,
    current: &Product,
    patch: &ProductPatch,
) -> Result<(), StoreError> {
    let mut errors = FieldErrors::default();
    if patch.organization_id.is_some_and(|id| id != current.organization_id) {
        errors.append(error("organization_id", "cannot be changed"));
    }
    if let Some(id) = patch.schema_id.filter(|id| *id != current.schema_id) {
        match schemas::find(conn, id)?.filter(|schema| schema.serves(current.organization_id)) {
            Some(schema) => errors.append(errors_of(schema.check(&details::fields_of(conn, current.id)?))),
            None => errors.append(missing("schema_id", id)),
        }
    }
    verdict(errors)
}

/// That the fields fit the product's schema, and that the images it names are its own.
pub(crate) fn check_details(
    conn: &mut SqliteConnection,
    current: &Product,
    patch: &DetailsPatch,
) -> Result<(), StoreError> {
    let mut errors = FieldErrors::default();
    if let Some(fields) = &patch.fields {
        let (product, id) = (current.id, current.schema_id);
        let schema = schemas::find(conn, id)?;
        let schema = schema.ok_or_else(|| rows::corrupt(format!("product {product}: there is no schema {id}")))?;
        errors.append(errors_of(schema.check(fields)));
    }
    if let Some(images) = &patch.images {
        errors.extend(foreign_images(images, &details::image_ids_of(conn, current.id)?));
    }
    verdict(errors)
}

fn foreign_images<'a>(images: &'a [NewImage], own: &'a [i64]) -> impl Iterator<Item = FieldError> + use<'a> {
    let named = images.iter().enumerate().filter_map(|(index, image)| Some((index, image.id?.get())));
    let foreign = named.filter(|(_, id)| !own.contains(id));
    foreign.map(|(index, id)| FieldError::new(&format!("images[{index}].id"), &not_of_the_product(id)))
}

fn error(field: &str, message: &str) -> FieldErrors {
    FieldError::new(field, message).into()
}

/// The same for what is there but belongs to somebody else: nobody learns what others have.
fn missing(field: &str, id: impl std::fmt::Display) -> FieldErrors {
    error(field, &does_not_exist(id))
}

fn errors_of(checked: Result<(), Invalid>) -> FieldErrors {
    checked.err().map(|invalid| invalid.0).unwrap_or_default()
}

fn verdict(errors: FieldErrors) -> Result<(), StoreError> {
    if errors.is_empty() { Ok(()) } else { Err(Invalid(errors).into()) }
}

//! What somebody would like a product to be, and the rules that decide whether it may.

use std::mem;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::check::{bounded, does_not_exist, named, not_negative, organization};
use crate::details::{self, DetailsPatch, ImageDraft, NewImage};
use crate::fields::{Fields, MalformedInput};
use crate::ids::{OrganizationId, SchemaId};
use crate::invalid::{FieldErrors, Invalid};
use crate::patch::ProductPatch;
use crate::price::{Price, PriceError};

const NAME_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 1_000;
const CATEGORY_MAX: usize = 100;

/// Fields of a product that nobody has checked yet. What is `None` was not said.
///
/// A draft becomes a [`NewProduct`] or a [`ProductPatch`]; both exist only in valid form.
///
/// ```
/// use hotshelf_domain::ProductDraft;
///
/// let draft = ProductDraft::from_json(br#"{"name": " ", "price": -1, "stock": "many"}"#)?;
/// let invalid = draft.into_new().unwrap_err();
/// let fields: Vec<&str> = invalid.0.iter().map(|error| error.field.as_str()).collect();
/// assert_eq!(fields, ["stock", "name", "price"]);
/// # Ok::<(), hotshelf_domain::MalformedInput>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductDraft {
    /// Trimmed when accepted.
    pub name: Option<String>,
    /// Taken as it is.
    pub description: Option<String>,
    /// The decimal text of the price, such as `999.99`.
    pub price: Option<String>,
    /// Pieces at hand.
    pub stock: Option<i64>,
    /// Taken as it is.
    pub category: Option<String>,
    /// The organization it is to belong to.
    pub organization_id: Option<i64>,
    /// The schema its details are to follow.
    pub schema_id: Option<i64>,
    /// Details to create it with. Those of a product that exists are changed by a
    /// [`DetailsDraft`](crate::DetailsDraft).
    pub fields: Option<Map<String, Value>>,
    /// Images to create it with, as with the fields.
    pub images: Option<Vec<ImageDraft>>,
    /// What was wrong already when the draft was read: wrong types, unknown fields.
    pub errors: FieldErrors,
}

impl ProductDraft {
    /// Reads a JSON object. A field of the wrong type or of an unknown name is kept in
    /// [`errors`](ProductDraft::errors), to be reported together with the rules that are broken.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Ok(Self::from_fields(Fields::parse(json)?))
    }

    /// As [`from_json`](ProductDraft::from_json), passing over the fields that only the service sets (`id`,
    /// `version`, `created_at`, `updated_at`): for products that were exported as they stood.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_exported_json(json: &[u8]) -> Result<Self, MalformedInput> {
        let mut fields = Fields::parse(json)?;
        fields.ignore(&["id", "version", "created_at", "updated_at"]);
        Ok(Self::from_fields(fields))
    }

    /// As [`from_json`](ProductDraft::from_json), of a merge patch (RFC 7396): `null` removes a field, so that it has
    /// its default again. A field without a default cannot be removed.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_merge_patch(json: &[u8]) -> Result<Self, MalformedInput> {
        let mut fields = Fields::parse(json)?;
        for (name, default) in [("description", "\"\""), ("stock", "0"), ("category", "\"\"")] {
            fields.replace_null(name, default);
        }
        Ok(Self::from_fields(fields))
    }

    fn from_fields(mut fields: Fields) -> Self {
        ProductDraft {
            name: fields.take("name", "must be a string"),
            description: fields.take("description", "must be a string"),
            price: fields.take::<Box<RawValue>>("price", "must be a number").map(|raw| raw.get().to_owned()),
            stock: fields.take_integer("stock"),
            category: fields.take("category", "must be a string"),
            organization_id: fields.take_integer("organization_id"),
            schema_id: fields.take_integer("schema_id"),
            images: details::take_images(&mut fields),
            fields: details::take_fields(&mut fields),
            errors: fields.finish(),
        }
    }

    /// The product to create; fields left out take their defaults.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule that needs no look at the organization and the schema.
    pub fn into_new(mut self) -> Result<NewProduct, Invalid> {
        let (fields, images) = (self.fields.take(), self.images.take());
        let mut errors = mem::take(&mut self.errors);
        let patch = self.checked(&mut errors, true);
        let DetailsPatch { fields, images } = details::checked(&mut errors, fields, images);
        errors.or(patch.name.zip(patch.price).map(|(name, price)| NewProduct {
            name,
            description: patch.description.unwrap_or_default(),
            price,
            stock: patch.stock.unwrap_or_default(),
            category: patch.category.unwrap_or_default(),
            organization_id: patch.organization_id.unwrap_or(OrganizationId::BUILT_IN),
            schema_id: patch.schema_id.unwrap_or(SchemaId::BUILT_IN),
            fields: fields.unwrap_or_default(),
            images: images.unwrap_or_default(),
        }))
    }

    /// The change to make; fields left out stay.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule that needs no look at the product.
    pub fn into_patch(mut self) -> Result<ProductPatch, Invalid> {
        let mut errors = mem::take(&mut self.errors);
        for (name, given) in [("fields", self.fields.is_some()), ("images", self.images.is_some())] {
            if given {
                errors.add(name, "is changed with the details of the product");
            }
        }
        let patch = self.checked(&mut errors, false);
        errors.or(Some(patch))
    }

    /// All but the details. A complete product has a name and a price.
    fn checked(self, errors: &mut FieldErrors, complete: bool) -> ProductPatch {
        let name = |text: String| named(&text, NAME_MAX);
        let price = |text: String| text.parse().map_err(|error: PriceError| error.to_string());
        let schema = |id| SchemaId::new(id).ok_or_else(|| does_not_exist(id));
        ProductPatch {
            name: if complete {
                errors.required("name", self.name, name)
            } else {
                errors.check("name", self.name, name)
            },
            description: errors.check("description", self.description, |text| bounded(text, DESCRIPTION_MAX)),
            price: if complete {
                errors.required("price", self.price, price)
            } else {
                errors.check("price", self.price, price)
            },
            stock: errors.check("stock", self.stock, not_negative),
            category: errors.check("category", self.category, |text| bounded(text, CATEGORY_MAX)),
            organization_id: errors.check("organization_id", self.organization_id, organization),
            schema_id: errors.check("schema_id", self.schema_id, schema),
        }
    }
}

/// A valid product that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewProduct {
    /// 1 to 255 characters, without white space around them.
    pub name: String,
    /// At most 1,000 characters.
    pub description: String,
    /// Exact, in minor units.
    pub price: Price,
    /// Pieces at hand, never negative.
    pub stock: i64,
    /// At most 100 characters.
    pub category: String,
    /// The organization it is to belong to, if that exists.
    pub organization_id: OrganizationId,
    /// The schema its details are to follow, if that exists and its organization may use it.
    pub schema_id: SchemaId,
    /// What the schema asks for, by name.
    pub fields: Map<String, Value>,
    /// In the order given.
    pub images: Vec<NewImage>,
}

#[cfg(test)]
mod tests;

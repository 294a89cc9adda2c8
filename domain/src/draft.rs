//! What somebody would like a product to be, and the rules that decide whether it may.

use serde_json::value::RawValue;

use crate::fields::{Fields, MalformedInput};
use crate::price::Price;

const NAME_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 1_000;
const CATEGORY_MAX: usize = 100;
/// The one organization and the one schema that exist before anybody makes more.
const BUILT_IN: i64 = 1;

/// One reason why a field cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// The field's name as the caller wrote it.
    pub field: String,
    /// What is expected, as the rest of a sentence that starts with the field's name.
    pub message: String,
}

/// Every reason at once why a product cannot be accepted; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", sentence(.0))]
pub struct Invalid(pub Vec<FieldError>);

fn sentence(errors: &[FieldError]) -> String {
    let parts: Vec<String> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    parts.join("; ")
}

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
    /// What was wrong already when the draft was read: wrong types, unknown fields.
    pub errors: Vec<FieldError>,
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

    fn from_fields(mut fields: Fields) -> Self {
        ProductDraft {
            name: fields.take("name", "must be a string"),
            description: fields.take("description", "must be a string"),
            price: fields.take::<Box<RawValue>>("price", "must be a number").map(|raw| raw.get().to_owned()),
            stock: fields.take("stock", "must be an integer"),
            category: fields.take("category", "must be a string"),
            organization_id: fields.take("organization_id", "must be an integer"),
            schema_id: fields.take("schema_id", "must be an integer"),
            errors: fields.finish(),
        }
    }

    /// The product to create; fields left out take their defaults.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self) -> Result<NewProduct, Invalid> {
        let patch_of = self.checked(true)?;
        let (Some(name), Some(price)) = (patch_of.name, patch_of.price) else {
            // `checked(true)` has refused a draft without them.
            return Err(Invalid(vec![required("name"), required("price")]));
        };
        Ok(NewProduct {
            name,
            description: patch_of.description.unwrap_or_default(),
            price,
            stock: patch_of.stock.unwrap_or_default(),
            category: patch_of.category.unwrap_or_default(),
            organization_id: patch_of.organization_id.unwrap_or(BUILT_IN),
            schema_id: patch_of.schema_id.unwrap_or(BUILT_IN),
        })
    }

    /// The change to make; fields left out stay.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_patch(self) -> Result<ProductPatch, Invalid> {
        self.checked(false)
    }

    fn checked(self, complete: bool) -> Result<ProductPatch, Invalid> {
        let mut check = Check { errors: self.errors, complete };
        let patch = ProductPatch {
            name: check.required("name", self.name, |name| checked_name(&name)),
            description: check.field("description", self.description, |text| bounded(text, DESCRIPTION_MAX)),
            price: check.required("price", self.price, |text| text.parse().map_err(|error| format!("{error}"))),
            stock: check.field("stock", self.stock, not_negative),
            category: check.field("category", self.category, |text| bounded(text, CATEGORY_MAX)),
            organization_id: check.field("organization_id", self.organization_id, existing),
            schema_id: check.field("schema_id", self.schema_id, existing),
        };
        if check.errors.is_empty() { Ok(patch) } else { Err(Invalid(check.errors)) }
    }
}

/// A valid product that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price: Price,
    pub(crate) stock: i64,
    pub(crate) category: String,
    pub(crate) organization_id: i64,
    pub(crate) schema_id: i64,
}

/// A valid partial change; `None` leaves the field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPatch {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) price: Option<Price>,
    pub(crate) stock: Option<i64>,
    pub(crate) category: Option<String>,
    pub(crate) organization_id: Option<i64>,
    pub(crate) schema_id: Option<i64>,
}

struct Check {
    errors: Vec<FieldError>,
    complete: bool,
}

impl Check {
    fn field<T, U>(&mut self, name: &str, value: Option<T>, rule: impl FnOnce(T) -> Result<U, String>) -> Option<U> {
        match rule(value?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.errors.push(FieldError { field: name.to_owned(), message });
                None
            }
        }
    }

    fn required<T, U>(&mut self, name: &str, value: Option<T>, rule: impl FnOnce(T) -> Result<U, String>) -> Option<U> {
        let reported = self.errors.iter().any(|error| error.field == name);
        if value.is_none() && self.complete && !reported {
            self.errors.push(required(name));
        }
        self.field(name, value, rule)
    }
}

fn required(name: &str) -> FieldError {
    FieldError { field: name.to_owned(), message: "is required".to_owned() }
}

fn checked_name(name: &str) -> Result<String, String> {
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return Err("must not be empty".to_owned());
    }
    bounded(trimmed.to_owned(), NAME_MAX)
}

fn bounded(text: String, max: usize) -> Result<String, String> {
    if text.contains('\0') {
        Err("must not contain a NUL character".to_owned())
    } else if text.chars().count() > max {
        Err(format!("must be at most {max} characters"))
    } else {
        Ok(text)
    }
}

fn not_negative(stock: i64) -> Result<i64, String> {
    if stock < 0 { Err("must be 0 or more".to_owned()) } else { Ok(stock) }
}

fn existing(id: i64) -> Result<i64, String> {
    if id == BUILT_IN { Ok(id) } else { Err(format!("{id} does not exist")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(json: &str) -> Vec<(String, String)> {
        let draft = ProductDraft::from_json(json.as_bytes()).expect("an object");
        let invalid = draft.into_new().expect_err("invalid");
        invalid.0.into_iter().map(|error| (error.field, error.message)).collect()
    }

    fn pair(field: &str, message: &str) -> (String, String) {
        (field.to_owned(), message.to_owned())
    }

    #[test]
    fn a_minimal_product_takes_the_defaults() {
        let draft = ProductDraft::from_json(br#"{"name":"  Laptop ","price":999.99}"#).expect("an object");
        let new = draft.into_new().expect("valid");
        assert_eq!((new.name.as_str(), new.price.minor_units()), ("Laptop", 99_999));
        assert_eq!((new.description.as_str(), new.stock, new.category.as_str()), ("", 0, ""));
        assert_eq!((new.organization_id, new.schema_id), (1, 1));
    }

    #[test]
    fn all_errors_are_named_at_once_and_each_field_once() {
        assert_eq!(
            errors_of(r#"{"price":0,"stock":-1,"category":5,"colour":"red","organization_id":9}"#),
            [
                pair("category", "must be a string"),
                pair("colour", "is not a known field"),
                pair("name", "is required"),
                pair("price", "must be greater than 0"),
                pair("stock", "must be 0 or more"),
                pair("organization_id", "9 does not exist"),
            ]
        );
        assert_eq!(
            errors_of(r#"{"name":7,"price":"9.99"}"#),
            [pair("name", "must be a string"), pair("price", "must be a number")]
        );
        assert_eq!(
            errors_of(r#"{"name":null,"price":null,"stock":1.5}"#),
            [pair("name", "must be a string"), pair("price", "must be a number"), pair("stock", "must be an integer")]
        );
    }

    #[test]
    fn lengths_count_characters() {
        let fits = "é".repeat(255);
        let draft = ProductDraft { name: Some(fits), price: Some("1".into()), ..Default::default() };
        assert!(draft.into_new().is_ok());
        let draft = ProductDraft {
            name: Some("é".repeat(256)),
            description: Some("x".repeat(1_001)),
            category: Some("x".repeat(101)),
            price: Some("1".into()),
            ..Default::default()
        };
        assert_eq!(draft.into_new().expect_err("too long").0.len(), 3);
    }

    #[test]
    fn a_patch_requires_nothing_and_checks_the_rest() {
        let patch = ProductDraft::from_json(br#"{"stock":3}"#).expect("an object").into_patch().expect("valid");
        assert_eq!(patch, ProductPatch { stock: Some(3), ..Default::default() });
        assert!(ProductDraft::from_json(br#"{"name":" "}"#).expect("an object").into_patch().is_err());
    }

    #[test]
    fn an_exported_product_may_carry_what_the_service_set() {
        let json =
            br#"{"id":4,"name":"Cup","price":3,"version":9,"created_at":"2026-01-15T10:30:00Z","updated_at":"x"}"#;
        assert!(ProductDraft::from_exported_json(json).expect("an object").into_new().is_ok());
        assert_eq!(ProductDraft::from_json(json).expect("an object").into_new().expect_err("strict").0.len(), 4);
    }
}

//! The details of a product: the fields that its schema asks for, and its images. What can be said about them without
//! the schema is checked here; the rest is [`crate::schema`]'s, where the schema is known.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::check::{bounded, not_negative};
use crate::fields::{Fields, MalformedInput};
use crate::ids::ImageId;
use crate::invalid::{FieldErrors, Invalid};
use crate::product::Product;
use crate::schema::FIELDS_MAX;

const TEXT_MAX: usize = 10_000;
const IMAGES_MAX: usize = 100;
const URL_MAX: usize = 2_048;
const ALT_MAX: usize = 500;

/// A product with everything that belongs to it, of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProductDetails {
    /// The product itself; its version counts the changes of the rest too.
    pub product: Product,
    /// By name, each as the product's schema has it: text, number, boolean, or the text of a date or an option. Always
    /// in the same order.
    pub fields: Map<String, Value>,
    /// Ordered by position, then by id.
    pub images: Vec<Image>,
}

/// An image of a product. The service keeps its address, not its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Identifies it for ever.
    pub id: ImageId,
    /// Absolute, `http` or `https`, at most 2,048 characters.
    pub url: String,
    /// The text to show in its place, at most 500 characters.
    pub alt: String,
    /// Where it comes among the product's images: smaller is earlier, 0 the smallest.
    pub position: i64,
}

/// An image that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDraft {
    id: Option<i64>,
    url: Option<String>,
    alt: Option<String>,
    position: Option<i64>,
}

/// Details that nobody has checked yet.
pub struct DetailsDraft(Fields);

impl DetailsDraft {
    /// Reads a JSON object, as [`ProductDraft::from_json`](crate::ProductDraft::from_json) does.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Fields::parse(json).map(DetailsDraft)
    }

    /// The change to make: what is given replaces what was there, as a whole.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule that needs no look at the product or its schema.
    pub fn into_patch(self) -> Result<DetailsPatch, Invalid> {
        let DetailsDraft(mut given) = self;
        let (fields, images) = (take_fields(&mut given), take_images(&mut given));
        let mut errors = given.finish();
        let patch = checked(&mut errors, fields, images);
        errors.or(Some(patch))
    }
}

/// Details to replace, valid as far as that can be said without the product; `None` leaves them as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DetailsPatch {
    /// All of them anew, by name.
    pub fields: Option<Map<String, Value>>,
    /// All of them anew.
    pub images: Option<Vec<NewImage>>,
}

/// A valid image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewImage {
    /// That of an image which the product has, to be kept; `None` for one more.
    pub id: Option<ImageId>,
    /// Absolute, http or https.
    pub url: String,
    /// What is read out in its place.
    pub alt: String,
    /// The images of a product are shown in this order; ties go by id.
    pub position: i64,
}

pub(crate) fn take_fields(input: &mut Fields) -> Option<Map<String, Value>> {
    input.take_map("fields", FIELDS_MAX, EXPECTED)
}

const EXPECTED: &str = "must be text, a finite number, or true or false";

pub(crate) fn take_images(input: &mut Fields) -> Option<Vec<ImageDraft>> {
    input.take_list::<_, IMAGES_MAX>("images", |image| ImageDraft {
        id: image.take_integer("id"),
        url: image.take("url", "must be a string"),
        alt: image.take("alt", "must be a string"),
        position: image.take_integer("position"),
    })
}

/// The rules that hold whatever the product's schema is.
pub(crate) fn checked(
    errors: &mut FieldErrors,
    fields: Option<Map<String, Value>>,
    images: Option<Vec<ImageDraft>>,
) -> DetailsPatch {
    for (name, value) in fields.iter().flatten() {
        if let Err(message) = scalar(value) {
            errors.add(&format!("fields.{name}"), &message);
        }
    }
    let mut ids = HashSet::new();
    let images = images.map(|images| {
        let images = images.into_iter().enumerate();
        images.filter_map(|(index, image)| checked_image(errors, &mut ids, index, image)).collect()
    });
    DetailsPatch { fields, images }
}

fn scalar(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains('\0') => Err("must not contain a NUL character".to_owned()),
        Value::String(text) if text.chars().count() > TEXT_MAX => Err(format!("must be at most {TEXT_MAX} characters")),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(EXPECTED.to_owned()),
    }
}

fn checked_image(
    errors: &mut FieldErrors,
    ids: &mut HashSet<i64>,
    index: usize,
    image: ImageDraft,
) -> Option<NewImage> {
    let path = |field: &str| format!("images[{index}].{field}");
    let id = errors.check(&path("id"), image.id, |id| match ImageId::new(id) {
        None => Err(not_of_the_product(id)),
        Some(_) if !ids.insert(id) => Err(format!("{id} is there twice")),
        Some(id) => Ok(id),
    });
    let url = errors.required(&path("url"), image.url, checked_url);
    let alt = errors.check(&path("alt"), image.alt, |alt| bounded(alt, ALT_MAX)).unwrap_or_default();
    let position = errors.check(&path("position"), image.position, not_negative).unwrap_or(index as i64);
    Some(NewImage { id, url: url?, alt, position })
}

/// An id that the database does not find among the product's images; also of what cannot be an id.
pub fn not_of_the_product(id: i64) -> String {
    format!("{id} is not an image of this product")
}

fn checked_url(url: String) -> Result<String, String> {
    if url.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err("must not contain white space or control characters".to_owned());
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    if !web || rest.is_empty() || rest.starts_with(['/', '?', '#']) {
        return Err("must be an absolute http or https URL".to_owned());
    }
    bounded(url, URL_MAX)
}

#[cfg(test)]
mod tests;

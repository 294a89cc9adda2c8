//! The schema: what details a kind of product has, and whether given ones fit it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::check::IS_REQUIRED;
use crate::ids::{OrganizationId, SchemaId};
use crate::invalid::{FieldErrors, Invalid};
use crate::product::Version;

mod draft;

pub use draft::{NewSchema, SchemaDraft, SchemaPatch};

/// Fields of one schema at most.
pub(crate) const FIELDS_MAX: usize = 100;
/// As many options are named in an error; of more, only the number.
const OPTIONS_SHOWN: usize = 10;

/// A schema as it is stored and as it reads in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Identifies it for ever.
    pub id: SchemaId,
    /// Only products of this organization may use it; those of every one when it is the built-in schema.
    pub organization_id: OrganizationId,
    /// 1 to 255 characters, without white space around them.
    pub name: String,
    /// At most 100, in the order their author gave them.
    pub fields: Vec<SchemaField>,
    /// Grows by one with each committed change.
    pub version: Version,
}

/// One of the details that products of a schema have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaField {
    /// 1 to 100 characters, without white space around them; no two fields of a schema have the same.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Whether every product has to have it.
    pub required: bool,
    /// Of [`FieldKind::Select`] 1 to 100, each of 1 to 100 characters and no two the same; of all others none.
    pub options: Vec<String>,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// At most 10,000 characters, none of them NUL.
    Text,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day of the Gregorian calendar, `YYYY-MM-DD`.
    Date,
    /// One of the field's options.
    Select,
}

impl Schema {
    /// Whether products of that organization may use it.
    pub fn serves(&self, organization: OrganizationId) -> bool {
        self.id == SchemaId::BUILT_IN || self.organization_id == organization
    }

    /// Whether these fields of a product fit it.
    ///
    /// # Errors
    /// [`Invalid`] with every field that does not fit, as `fields.<name>`.
    pub fn check(&self, values: &Map<String, Value>) -> Result<(), Invalid> {
        let unknown = values.keys().filter(|name| !self.fields.iter().any(|field| field.name == **name));
        let unknown = unknown.map(|name| (name, format!("is not a field of schema {}", self.id)));
        let wrong = self.fields.iter().filter_map(|field| Some((&field.name, field.check(values).err()?)));
        let mut errors = FieldErrors::default();
        unknown.chain(wrong).for_each(|(name, message)| errors.add(&format!("fields.{name}"), &message));
        if errors.is_empty() { Ok(()) } else { Err(Invalid(errors)) }
    }

    /// Whether whatever fits `before` fits this too, so that no product need be looked at.
    pub fn accepts_all_of(&self, before: &Schema) -> bool {
        let kept = |old: &SchemaField| self.fields.iter().any(|new| new.name == old.name && new.accepts_all_of(old));
        let old = |new: &SchemaField| before.fields.iter().any(|old| new.name == old.name);
        before.fields.iter().all(kept) && self.fields.iter().all(|new| old(new) || !new.required)
    }
}

impl SchemaField {
    fn check(&self, values: &Map<String, Value>) -> Result<(), String> {
        let Some(value) = values.get(&self.name) else {
            return if self.required { Err(IS_REQUIRED.to_owned()) } else { Ok(()) };
        };
        let fits = match self.kind {
            FieldKind::Text => value.is_string(),
            FieldKind::Number => value.is_number(),
            FieldKind::Boolean => value.is_boolean(),
            FieldKind::Date => value.as_str().is_some_and(is_date),
            FieldKind::Select => self.options.iter().any(|option| value.as_str() == Some(option)),
        };
        if fits { Ok(()) } else { Err(format!("must be {}", self.expected())) }
    }

    fn expected(&self) -> String {
        match self.kind {
            FieldKind::Text => "text".to_owned(),
            FieldKind::Number => "a number".to_owned(),
            FieldKind::Boolean => "true or false".to_owned(),
            FieldKind::Date => "a date such as 2026-01-31".to_owned(),
            FieldKind::Select if self.options.len() <= OPTIONS_SHOWN => format!("one of {}", self.options.join(", ")),
            FieldKind::Select => format!("one of the {} options", self.options.len()),
        }
    }

    /// Of the same name.
    fn accepts_all_of(&self, old: &SchemaField) -> bool {
        let options = old.options.iter().all(|option| self.options.contains(option));
        self.kind == old.kind && options && (old.required || !self.required)
    }
}

fn is_date(text: &str) -> bool {
    // chrono alone takes signs, blanks and fewer digits too.
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    shape && text.parse::<chrono::NaiveDate>().is_ok()
}

#[cfg(test)]
mod tests;

//! What somebody would like a schema to be, and the rules that decide whether it may.

use std::collections::HashSet;

use super::{FIELDS_MAX, FieldKind, SchemaField};
use crate::check::{bounded, named, organization};
use crate::fields::{Fields, MalformedInput};
use crate::ids::OrganizationId;
use crate::invalid::{FieldErrors, Invalid};

const NAME_MAX: usize = 255;
const FIELD_NAME_MAX: usize = 100;
const OPTIONS_MAX: usize = 100;
const OPTION_MAX: usize = 100;

/// A schema that nobody has checked yet. What is `None` was not said.
///
/// ```
/// use hotshelf_domain::SchemaDraft;
///
/// let json = br#"{"name": "Shirts", "fields": [{"name": "size", "type": "select", "options": []}]}"#;
/// let invalid = SchemaDraft::from_json(json)?.into_new().unwrap_err();
/// assert_eq!(invalid.to_string(), "fields[0].options must have 1 to 100 entries");
/// # Ok::<(), hotshelf_domain::MalformedInput>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaDraft {
    /// The organization it is to belong to; the built-in one when left out. A change cannot name one.
    pub organization_id: Option<i64>,
    /// Trimmed when accepted.
    pub name: Option<String>,
    /// All fields, not only those that change.
    pub(super) fields: Option<Vec<SchemaFieldDraft>>,
    /// What was wrong already when the draft was read: wrong types, unknown fields.
    pub errors: FieldErrors,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SchemaFieldDraft {
    pub(super) name: Option<String>,
    pub(super) kind: Option<FieldKind>,
    pub(super) required: Option<bool>,
    pub(super) options: Option<Vec<String>>,
}

impl SchemaDraft {
    /// Reads a JSON object, as [`ProductDraft::from_json`](crate::ProductDraft::from_json) does.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        let mut input = Fields::parse(json)?;
        Ok(SchemaDraft {
            organization_id: input.take_integer("organization_id"),
            name: input.take("name", "must be a string"),
            fields: input.take_list::<_, FIELDS_MAX>("fields", |field| SchemaFieldDraft {
                name: field.take("name", "must be a string"),
                kind: field.take("type", "must be text, number, boolean, date or select"),
                required: field.take("required", "must be true or false"),
                options: field.take("options", "must be a list of strings"),
            }),
            errors: input.finish(),
        })
    }

    /// The schema to create; without fields when none are given.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self) -> Result<NewSchema, Invalid> {
        let mut errors = self.errors;
        let organization_id = errors.check("organization_id", self.organization_id, organization);
        let name = errors.required("name", self.name, |name| named(&name, NAME_MAX));
        let fields = self.fields.map(|fields| checked_fields(&mut errors, fields)).unwrap_or_default();
        let organization_id = organization_id.unwrap_or(OrganizationId::BUILT_IN);
        errors.or(name.map(|name| NewSchema { organization_id, name, fields }))
    }

    /// The change to make; what is left out stays.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_patch(self) -> Result<SchemaPatch, Invalid> {
        let mut errors = self.errors;
        if self.organization_id.is_some() {
            errors.add("organization_id", "cannot be changed");
        }
        let name = errors.check("name", self.name, |name| named(&name, NAME_MAX));
        let fields = self.fields.map(|fields| checked_fields(&mut errors, fields));
        errors.or(Some(SchemaPatch { name, fields }))
    }
}

/// A valid schema that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewSchema {
    /// Whose it is to be, if that exists.
    pub organization_id: OrganizationId,
    /// Trimmed, and not empty.
    pub name: String,
    /// In the order in which they are shown.
    pub fields: Vec<SchemaField>,
}

/// A valid partial change of a schema; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaPatch {
    /// As in [`NewSchema`].
    pub name: Option<String>,
    /// All of them anew.
    pub fields: Option<Vec<SchemaField>>,
}

fn checked_fields(errors: &mut FieldErrors, fields: Vec<SchemaFieldDraft>) -> Vec<SchemaField> {
    let mut names = HashSet::new();
    let fields = fields.into_iter().enumerate();
    fields.filter_map(|(index, field)| checked_field(errors, &mut names, index, field)).collect()
}

fn checked_field(
    errors: &mut FieldErrors,
    names: &mut HashSet<String>,
    index: usize,
    field: SchemaFieldDraft,
) -> Option<SchemaField> {
    let path = |part: &str| format!("fields[{index}].{part}");
    let name = errors.required(&path("name"), field.name, |name| {
        let name = exactly_named(name, FIELD_NAME_MAX)?;
        if names.insert(name.clone()) { Ok(name) } else { Err(format!("{name} is there twice")) }
    });
    let kind = errors.required(&path("type"), field.kind, Ok);
    let required = field.required.unwrap_or_default();
    let options = match kind {
        Some(FieldKind::Select) => errors.required(&path("options"), field.options, checked_options),
        Some(_) => errors.check(&path("options"), field.options, no_options),
        // It may be one whose type could not be read.
        None => None,
    };
    Some(SchemaField { name: name?, kind: kind?, required, options: options.unwrap_or_default() })
}

fn no_options(options: Vec<String>) -> Result<Vec<String>, String> {
    if options.is_empty() { Ok(options) } else { Err("must be left out unless the type is select".to_owned()) }
}

fn checked_options(options: Vec<String>) -> Result<Vec<String>, String> {
    if options.is_empty() || options.len() > OPTIONS_MAX {
        return Err(format!("must have 1 to {OPTIONS_MAX} entries"));
    }
    let mut known = HashSet::new();
    for (index, option) in options.iter().enumerate() {
        exactly_named(option.clone(), OPTION_MAX).map_err(|message| format!("{message} (entry {index})"))?;
        if !known.insert(option) {
            return Err(format!("must differ from each other (entry {index})"));
        }
    }
    Ok(options)
}

/// 1 to `max` characters. Values name it again, so that it is refused and not trimmed when there are blanks around it.
fn exactly_named(name: String, max: usize) -> Result<String, String> {
    if name.is_empty() {
        Err("must not be empty".to_owned())
    } else if name.trim() != name {
        Err("must not begin or end with white space".to_owned())
    } else {
        bounded(name, max)
    }
}

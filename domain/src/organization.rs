//! The organization: whom products and schemas belong to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::check::named;
use crate::fields::{Fields, MalformedInput};
use crate::ids::OrganizationId;
use crate::invalid::{FieldErrors, Invalid};
use crate::quota::Quotas;

const NAME_MAX: usize = 255;

/// An organization as it is stored and as it reads in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Identifies it for ever.
    pub id: OrganizationId,
    /// 1 to 255 characters, without white space around them. Others may have the same.
    pub name: String,
    /// Whether an operator has suspended it: nobody who belongs to it is let in.
    pub suspended: bool,
    /// When it was created, UTC, to the millisecond.
    pub created_at: DateTime<Utc>,
}

/// A change of an organization that nobody has checked yet.
pub struct OrganizationChange(Fields);

impl OrganizationChange {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Fields::parse(json).map(OrganizationChange)
    }

    /// What is to be changed.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_patch(self) -> Result<OrganizationPatch, Invalid> {
        let OrganizationChange(mut given) = self;
        let suspended = given.take("suspended", "must be true or false");
        let quotas = given.take_object("quotas", Quotas::read);
        given.finish().or(Some(OrganizationPatch { suspended, quotas }))
    }
}

/// A valid change of an organization. What it does not name stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrganizationPatch {
    /// Whether it is to be suspended.
    pub suspended: Option<bool>,
    /// Its quotas, all of them; where they have none, those of the service hold.
    pub quotas: Option<Quotas>,
}

/// An organization that nobody has checked yet.
///
/// ```
/// use hotshelf_domain::OrganizationDraft;
///
/// let invalid = OrganizationDraft::from_json(br#"{"name": " "}"#)?.into_new().unwrap_err();
/// assert_eq!(invalid.to_string(), "name must not be empty");
/// # Ok::<(), hotshelf_domain::MalformedInput>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationDraft {
    /// Trimmed when accepted.
    pub name: Option<String>,
    /// What was wrong already when the draft was read: wrong types, unknown fields.
    pub errors: FieldErrors,
}

impl OrganizationDraft {
    /// Reads a JSON object, as [`ProductDraft::from_json`](crate::ProductDraft::from_json) does.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        let mut fields = Fields::parse(json)?;
        Ok(OrganizationDraft { name: fields.take("name", "must be a string"), errors: fields.finish() })
    }

    /// The organization to create.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self) -> Result<NewOrganization, Invalid> {
        let mut errors = self.errors;
        let name = errors.required("name", self.name, |name| named(&name, NAME_MAX));
        errors.or(name.map(|name| NewOrganization { name }))
    }
}

/// A valid organization that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewOrganization {
    /// Trimmed, and not empty.
    pub name: String,
}

//! Collects every broken rule of a draft, each under the name of its field, and each field once.

use crate::ids::OrganizationId;
use crate::invalid::{FieldErrors, Invalid};

impl FieldErrors {
    /// The value by its rule; `None` when it was not given or breaks the rule.
    pub(crate) fn check<T, U>(
        &mut self,
        field: &str,
        value: Option<T>,
        rule: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        rule(value?).map_err(|message| self.add(field, &message)).ok()
    }

    /// As [`check`](FieldErrors::check), and an error when it was not given, unless it has one already.
    pub(crate) fn required<T, U>(
        &mut self,
        field: &str,
        value: Option<T>,
        rule: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        if value.is_none() && !self.iter().any(|error| error.field == field) {
            self.add(field, IS_REQUIRED);
        }
        self.check(field, value, rule)
    }

    /// What was made of the checked values, unless a rule is broken.
    pub(crate) fn or<T>(self, made: Option<T>) -> Result<T, Invalid> {
        made.filter(|_| self.is_empty()).ok_or(Invalid(self))
    }
}

pub(crate) const IS_REQUIRED: &str = "is required";

/// Trimmed, 1 to `max` characters.
pub(crate) fn named(name: &str, max: usize) -> Result<String, String> {
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return Err("must not be empty".to_owned());
    }
    bounded(trimmed.to_owned(), max)
}

/// At most `max` characters, none of them NUL, at which SQLite's own functions would cut the text off.
pub(crate) fn bounded(text: String, max: usize) -> Result<String, String> {
    if text.contains('\0') {
        Err("must not contain a NUL character".to_owned())
    } else if text.chars().count() > max {
        Err(format!("must be at most {max} characters"))
    } else {
        Ok(text)
    }
}

pub(crate) fn not_negative(number: i64) -> Result<i64, String> {
    if number < 0 { Err("must be 0 or more".to_owned()) } else { Ok(number) }
}

/// Whether there is one of that number only the database knows; there is none that is not positive.
pub(crate) fn organization(id: i64) -> Result<OrganizationId, String> {
    OrganizationId::new(id).ok_or_else(|| does_not_exist(id))
}

/// The sentence about an id that leads nowhere, or to what belongs to somebody else.
pub fn does_not_exist(id: impl std::fmt::Display) -> String {
    format!("{id} does not exist")
}

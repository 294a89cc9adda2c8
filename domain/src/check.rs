//! Collects every broken rule of a draft, each under the name of its field, and each field once.

use crate::draft::FieldErrors;
use crate::ids::OrganizationId;

pub(crate) struct Check {
    errors: FieldErrors,
    /// Whether what is required has to be there. For a partial change it need not be.
    complete: bool,
}

impl Check {
    /// Starts from what was wrong already when the draft was read.
    pub(crate) fn new(errors: FieldErrors, complete: bool) -> Self {
        Check { errors, complete }
    }

    pub(crate) fn error(&mut self, field: &str, message: impl Into<String>) {
        self.errors.add(field, &message.into());
    }

    /// The value by its rule; `None` when it was not given or breaks the rule.
    pub(crate) fn field<T, U>(
        &mut self,
        name: &str,
        value: Option<T>,
        rule: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        match rule(value?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.error(name, message);
                None
            }
        }
    }

    /// As [`field`](Check::field), and an error when it was not given although it has to be.
    pub(crate) fn required<T, U>(
        &mut self,
        name: &str,
        value: Option<T>,
        rule: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        if self.complete { self.always(name, value, rule) } else { self.field(name, value, rule) }
    }

    /// As [`required`](Check::required), in a partial change too: for the parts of what is replaced as a whole.
    pub(crate) fn always<T, U>(
        &mut self,
        name: &str,
        value: Option<T>,
        rule: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        let reported = || self.errors.iter().any(|error| error.field == name);
        if value.is_none() && !reported() {
            self.error(name, IS_REQUIRED);
        }
        self.field(name, value, rule)
    }

    pub(crate) fn finish(self) -> FieldErrors {
        self.errors
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

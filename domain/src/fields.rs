//! Reads a JSON object field by field, so that every wrong field can be reported at once. A derived `Deserialize` stops
//! at the first.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::draft::FieldError;

/// The input is no JSON object: broken syntax, or another kind of value. The message says where.
#[derive(Debug, thiserror::Error)]
#[error("the body is not a JSON object: {0}")]
pub struct MalformedInput(#[from] serde_json::Error);

pub(crate) struct Fields {
    unread: BTreeMap<String, Box<RawValue>>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, MalformedInput> {
        Ok(Fields { unread: serde_json::from_slice(json)?, errors: Vec::new() })
    }

    /// The field's value if it is there and of the right type; else `None`, and `expectation` becomes an error when it
    /// is there.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str, expectation: &str) -> Option<T> {
        let raw = self.unread.remove(name)?;
        let value = serde_json::from_str(raw.get()).ok().filter(|_| raw.get() != "null");
        if value.is_none() {
            self.errors.push(FieldError { field: name.to_owned(), message: expectation.to_owned() });
        }
        value
    }

    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.unread.remove(*name);
        }
    }

    /// The errors so far and one for each field that nobody has taken.
    pub(crate) fn finish(mut self) -> Vec<FieldError> {
        let unknown = self.unread.into_keys();
        let message = || "is not a known field".to_owned();
        self.errors.extend(unknown.map(|field| FieldError { field, message: message() }));
        self.errors
    }
}

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
    /// Where the object is in the whole input, such as `images[2].`; comes before the names in errors.
    path: String,
}

impl Fields {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, MalformedInput> {
        Ok(Fields { unread: serde_json::from_slice(json)?, errors: Vec::new(), path: String::new() })
    }

    /// The field's value if it is there and of the right type; else `None`, and `expectation` becomes an error when it
    /// is there.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str, expectation: &str) -> Option<T> {
        let raw = self.unread.remove(name)?;
        let value = serde_json::from_str(raw.get()).ok().filter(|_| raw.get() != "null");
        if value.is_none() {
            self.error(name, expectation);
        }
        value
    }

    /// A list of at most `max` objects, each read by `read`; its errors are reported under its place in the list.
    pub(crate) fn take_list<T>(&mut self, name: &str, max: usize, read: impl Fn(&mut Fields) -> T) -> Option<Vec<T>> {
        let elements: Vec<Box<RawValue>> = self.take(name, "must be a list")?;
        if elements.len() > max {
            self.error(name, &format!("must have at most {max} entries"));
            return None;
        }
        let mut list = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let path = format!("{}{name}[{index}]", self.path);
            match serde_json::from_str(element.get()) {
                Ok(unread) => {
                    let mut object = Fields { unread, errors: Vec::new(), path: format!("{path}.") };
                    list.push(read(&mut object));
                    self.errors.extend(object.finish());
                }
                Err(_) => self.errors.push(FieldError { field: path, message: "must be an object".to_owned() }),
            }
        }
        // With some missing, the others would be reported under wrong places.
        Some(list).filter(|list| list.len() == elements.len())
    }

    /// An object of at most `max` fields of any names, each read by `read`, which says what is expected when it fails.
    pub(crate) fn take_map<T>(
        &mut self,
        name: &str,
        max: usize,
        read: impl Fn(&RawValue) -> Result<T, String>,
    ) -> Option<Vec<(String, T)>> {
        let fields: BTreeMap<String, Box<RawValue>> = self.take(name, "must be an object")?;
        if fields.len() > max {
            self.error(name, &format!("must have at most {max} fields"));
            return None;
        }
        let mut values = Vec::with_capacity(fields.len());
        for (field, raw) in fields {
            match read(&raw) {
                Ok(value) => values.push((field, value)),
                Err(message) => self.error(&format!("{name}.{field}"), &message),
            }
        }
        Some(values)
    }

    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.unread.remove(*name);
        }
    }

    /// The errors so far and one for each field that nobody has taken.
    pub(crate) fn finish(mut self) -> Vec<FieldError> {
        for name in std::mem::take(&mut self.unread).into_keys() {
            self.error(&name, "is not a known field");
        }
        self.errors
    }

    fn error(&mut self, name: &str, message: &str) {
        self.errors.push(FieldError { field: format!("{}{name}", self.path), message: message.to_owned() });
    }
}

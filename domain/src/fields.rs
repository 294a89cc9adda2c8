//! Reads a JSON object field by field, so that every wrong field can be reported at once. A derived `Deserialize` stops
//! at the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::decimal::Decimal;
use crate::invalid::FieldErrors;

/// Fields of one object that are looked at. No object has so many: the rest is counted and not kept.
const KEPT_MAX: usize = 1_000;

/// The input is no JSON object: broken syntax, or another kind of value. The message says where.
#[derive(Debug, thiserror::Error)]
#[error("the body is not a JSON object: {0}")]
pub struct MalformedInput(#[from] serde_json::Error);

pub(crate) struct Fields {
    unread: Unread,
    errors: FieldErrors,
    /// Where the object is in the whole input, such as `images[2].`; comes before the names in errors.
    path: String,
}

impl Fields {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, MalformedInput> {
        Ok(Fields::of(serde_json::from_slice(json)?, String::new()))
    }

    /// The fields of an object at that path. Those that occur twice are errors: receivers disagree about which counts.
    fn of(unread: Unread, path: String) -> Self {
        let mut fields = Fields { unread, errors: FieldErrors::default(), path };
        for name in std::mem::take(&mut fields.unread.repeated) {
            fields.unread.fields.remove(&name);
            fields.error(&name, REPEATED);
        }
        fields
    }

    /// The field's value if it is there and of the right type; else `None`, and `expectation` becomes an error when it
    /// is there.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str, expectation: &str) -> Option<T> {
        let raw = self.unread.fields.remove(name)?;
        let value = serde_json::from_str(raw.get()).ok().filter(|_| raw.get() != "null");
        if value.is_none() {
            self.error(name, expectation);
        }
        value
    }

    /// A whole number.
    pub(crate) fn take_integer(&mut self, name: &str) -> Option<i64> {
        self.take(name, "must be an integer").map(|Integer(number)| number)
    }

    /// A whole number of that type.
    pub(crate) fn take_within<T: TryFrom<i64>>(&mut self, name: &str, expectation: &str) -> Option<T> {
        let Integer(number) = self.take(name, expectation)?;
        let within = T::try_from(number).ok();
        if within.is_none() {
            self.error(name, expectation);
        }
        within
    }

    /// An object, read by `read`; its errors are reported under its name.
    pub(crate) fn take_object<T>(&mut self, name: &str, read: impl Fn(&mut Fields) -> T) -> Option<T> {
        let unread = self.take(name, "must be an object")?;
        let mut object = Fields::of(unread, format!("{}{name}.", self.path));
        let value = read(&mut object);
        self.errors.append(object.finish());
        Some(value)
    }

    /// Replaces a field that is `null`.
    pub(crate) fn replace_null(&mut self, name: &str, json: &'static str) {
        if let Some(raw) = self.unread.fields.get_mut(name).filter(|raw| raw.get() == "null")
            && let Ok(instead) = RawValue::from_string(json.to_owned())
        {
            *raw = instead;
        }
    }

    /// A list of at most `MAX` objects, each read by `read`; its errors are reported under its place in the list.
    pub(crate) fn take_list<T, const MAX: usize>(
        &mut self,
        name: &str,
        read: impl Fn(&mut Fields) -> T,
    ) -> Option<Vec<T>> {
        let AtMost::<Box<RawValue>, MAX> { elements, more } = self.take(name, "must be a list")?;
        if more > 0 {
            self.error(name, &format!("must have at most {MAX} entries"));
            return None;
        }
        let mut list = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let path = format!("{}{name}[{index}]", self.path);
            match serde_json::from_str(element.get()) {
                Ok(unread) => {
                    let mut object = Fields::of(unread, format!("{path}."));
                    list.push(read(&mut object));
                    self.errors.append(object.finish());
                }
                Err(_) => self.errors.add(&path, "must be an object"),
            }
        }
        // With some missing, the others would be reported under wrong places.
        Some(list).filter(|list| list.len() == elements.len())
    }

    /// An object of at most `max` fields of any names.
    pub(crate) fn take_map(&mut self, name: &str, max: usize, expectation: &str) -> Option<Map<String, Value>> {
        let Unread { fields, more, repeated } = self.take(name, "must be an object")?;
        if fields.len() + more > max {
            self.error(name, &format!("must have at most {max} fields"));
            return None;
        }
        let mut values = Map::new();
        for (field, raw) in fields {
            match serde_json::from_str(raw.get()) {
                _ if repeated.contains(&field) => self.error(&format!("{name}.{field}"), REPEATED),
                Ok(Value::Number(number)) if !is_same(&number, raw.get()) => {
                    self.error(&format!("{name}.{field}"), "has more digits than can be kept");
                }
                Ok(value) => _ = values.insert(field, value),
                // A number past the range of floating point, or nested too deep.
                Err(_) => self.error(&format!("{name}.{field}"), expectation),
            }
        }
        Some(values)
    }

    /// Texts, each of them as [`take`](Fields::take) does.
    pub(crate) fn take_texts<const N: usize>(&mut self, names: [&str; N]) -> [Option<String>; N] {
        names.map(|name| self.take(name, "must be a string"))
    }

    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.unread.fields.remove(*name);
        }
    }

    /// The errors so far and one for each field that nobody has taken.
    pub(crate) fn finish(mut self) -> FieldErrors {
        let Unread { fields, more, .. } = std::mem::take(&mut self.unread);
        for name in fields.into_keys() {
            self.error(&name, "is not a known field");
        }
        self.errors.add_uncounted(more);
        self.errors
    }

    fn error(&mut self, name: &str, message: &str) {
        self.errors.add(&format!("{}{name}", self.path), message);
    }
}

const REPEATED: &str = "must occur only once";

/// Whether a number is kept as it was written, and not as another one that floating point can represent.
fn is_same(kept: &Number, written: &str) -> bool {
    Decimal::parse(&kept.to_string()) == Decimal::parse(written)
}

/// A whole number, also one that is written with a fraction of zeros or an exponent, as JSON Schema defines integers:
/// `1.0`, `1e2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer(pub i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let number = Decimal::parse(raw.get()).and_then(|number| number.in_units(0).ok());
        number.map(Integer).ok_or_else(|| D::Error::custom("must be an integer"))
    }
}

/// The fields of an object, the last one of each name, which of them occur more than once, and how many more it has
/// than anybody looks at.
#[derive(Default)]
struct Unread {
    fields: BTreeMap<String, Box<RawValue>>,
    repeated: BTreeSet<String>,
    more: usize,
}

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Unread;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unread, A::Error> {
                let mut unread = Unread::default();
                while unread.fields.len() < KEPT_MAX {
                    let Some((name, value)) = map.next_entry::<String, _>()? else { return Ok(unread) };
                    if unread.fields.contains_key(&name) {
                        unread.repeated.insert(name.clone());
                    }
                    unread.fields.insert(name, value);
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    unread.more += 1;
                }
                Ok(unread)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The first `MAX` elements of a list; what comes behind them is counted, and neither read nor kept.
#[derive(Debug)]
pub struct AtMost<T, const MAX: usize> {
    /// The first ones.
    pub elements: Vec<T>,
    /// How many come behind them.
    pub more: usize,
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for AtMost<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
            type Value = AtMost<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AtMost<T, MAX>, A::Error> {
                let mut elements = Vec::new();
                while elements.len() < MAX {
                    let Some(element) = list.next_element()? else { return Ok(AtMost { elements, more: 0 }) };
                    elements.push(element);
                }
                let mut more = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    more += 1;
                }
                Ok(AtMost { elements, more })
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

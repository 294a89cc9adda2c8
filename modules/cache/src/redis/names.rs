//! What the service's keys in Redis are called.
//!
//! Beside the entries, there are *markers*: keys that are set and deleted in one step, for nothing but the push that
//! Redis then sends to those who track their prefix. A marker names the key that has changed; its hash tag puts it into
//! the same slot of a cluster.

use crate::key::Key;
use crate::region::Collection;

#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

/// What a marker tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A writer has fenced this entry, or somebody waited for it and it is filled.
    Entry(Key),
    /// This collection has a new generation.
    Collection(String),
    /// The beat of that number of this process or another.
    Beat { instance: String, number: u64 },
}

impl Names {
    pub(crate) fn new(prefix: String) -> Self {
        Names { prefix }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn entry(&self, key: &Key) -> String {
        [&self.prefix, key.as_str()].concat()
    }

    pub(crate) fn generation(&self, collection: &Collection) -> String {
        [&self.prefix, "gen:", collection.name()].concat()
    }

    pub(crate) fn epoch(&self) -> String {
        [&self.prefix, "epoch"].concat()
    }

    /// What all markers begin with.
    pub(crate) fn markers(&self) -> String {
        [&self.prefix, "chg:"].concat()
    }

    /// The marker of a key by its full name.
    pub(crate) fn marker(&self, name: &str) -> String {
        [&self.prefix, "chg:{", name, "}"].concat()
    }

    pub(crate) fn beat(&self, instance: &str, number: u64) -> String {
        self.marker(&format!("beat:{instance}:{number}"))
    }

    /// What the marker of that name tells; `None` if it is no marker.
    pub(crate) fn read(&self, marker: &str) -> Option<Mark> {
        let inner = marker.strip_prefix(&self.prefix)?.strip_prefix("chg:{")?.strip_suffix('}')?;
        if let Some(beat) = inner.strip_prefix("beat:") {
            let (instance, number) = beat.split_once(':')?;
            return Some(Mark::Beat { instance: instance.to_owned(), number: number.parse().ok()? });
        }
        let key = inner.strip_prefix(&self.prefix)?;
        Some(match key.strip_prefix("gen:") {
            Some(collection) => Mark::Collection(collection.to_owned()),
            None => Mark::Entry(Key::new(key)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_read_back() {
        for prefix in ["product:", "", "{shop}:"] {
            let names = Names::new(prefix.to_owned());
            let read = |marker: String| {
                assert!(marker.starts_with(&names.markers()));
                names.read(&marker)
            };
            let key = Key::new("id:7");
            assert_eq!(read(names.marker(&names.entry(&key))), Some(Mark::Entry(key)));
            let products = Collection::new("products");
            let collection = Mark::Collection("products".to_owned());
            assert_eq!(read(names.marker(&names.generation(&products))), Some(collection));
            assert_eq!(read(names.beat("a1", 42)), Some(Mark::Beat { instance: "a1".to_owned(), number: 42 }));
            assert_eq!(names.read("other"), None);
        }
    }
}

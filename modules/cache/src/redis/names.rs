//! What the service's keys in Redis are called.
//!
//! Beside the entries, there are *markers*: keys that are set and deleted in one step, for nothing but the push that
//! Redis then sends to those who track their prefix. A marker names the key that has changed; its hash tag puts it into
//! the same slot of a cluster.

use crate::key::Key;
use crate::region::Collection;

/// What the names of generations begin with; in braces, what a cluster distributes them by.
const GENERATIONS: &str = "{gen}:";

/// What is no entry: the protocol's own keys, and those of others who count under the same prefix.
const OTHERS: [&str; 3] = [GENERATIONS, "chg:", "ratelimit:"];

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

    /// All generations are in one slot of a cluster, so that a page can be bound to several in one step.
    pub(crate) fn generation(&self, collection: &Collection) -> String {
        [&self.prefix, GENERATIONS, collection.name()].concat()
    }

    /// The marker of a collection, in the slot of its generation.
    pub(crate) fn collection_marker(&self, collection: &Collection) -> String {
        [&self.prefix, "chg:", GENERATIONS, collection.name()].concat()
    }

    pub(crate) fn epoch(&self) -> String {
        [&self.prefix, "epoch"].concat()
    }

    /// Whether that is the name of an entry.
    pub(crate) fn is_entry(&self, name: &str) -> bool {
        let name = name.strip_prefix(&self.prefix);
        name.is_some_and(|name| name != "epoch" && !OTHERS.iter().any(|others| name.starts_with(others)))
    }

    /// What all markers begin with.
    pub(crate) fn markers(&self) -> String {
        [&self.prefix, "chg:"].concat()
    }

    /// The marker of an entry by its full name.
    pub(crate) fn marker(&self, name: &str) -> String {
        [&self.prefix, "chg:{", name, "}"].concat()
    }

    pub(crate) fn beat(&self, instance: &str, number: u64) -> String {
        self.marker(&format!("beat:{instance}:{number}"))
    }

    /// What the marker of that name tells; `None` if it is no marker.
    pub(crate) fn read(&self, marker: &str) -> Option<Mark> {
        let marker = marker.strip_prefix(&self.prefix)?.strip_prefix("chg:")?;
        if let Some(collection) = marker.strip_prefix(GENERATIONS) {
            return Some(Mark::Collection(collection.to_owned()));
        }
        let inner = marker.strip_prefix('{')?.strip_suffix('}')?;
        if let Some(beat) = inner.strip_prefix("beat:") {
            let (instance, number) = beat.split_once(':')?;
            return Some(Mark::Beat { instance: instance.to_owned(), number: number.parse().ok()? });
        }
        Some(Mark::Entry(Key::new(inner.strip_prefix(&self.prefix)?)))
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
            assert_eq!(read(names.collection_marker(&products)), Some(collection));
            assert_eq!(read(names.beat("a1", 42)), Some(Mark::Beat { instance: "a1".to_owned(), number: 42 }));
            assert_eq!(names.read("other"), None);
        }
    }
}

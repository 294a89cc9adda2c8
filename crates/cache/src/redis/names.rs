//! What the service's keys in Redis are called.
//!
//! Beside the entries, there are *markers*: keys that are set and deleted in one step, for nothing but the push that
//! Redis then sends to those who track their prefix. A marker names the key that has changed; its hash tag puts it into
//! the same slot of a cluster.

use crate::key::Key;
use crate::namespace::Tag;

/// What the names of generations begin with; in braces, what a cluster distributes them by.
const GENERATIONS: &str = "{gen}:";

/// What keys begin with that are no entries: the protocol's own, and those of others who count under the same prefix.
pub(crate) const RESERVED: [&str; 4] = ["epoch", GENERATIONS, "chg:", "ratelimit:"];

#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

/// What a marker tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// A writer has fenced this entry, or somebody waited for it and it is filled.
    Entry(Key),
    /// This tag has a new generation.
    Tag(String),
    /// The heartbeat of that number of this process or another, where that hash tag leads.
    Heartbeat { instance: String, number: u64, hash_tag: String },
    /// That process asks who has heard of all that it has done before, where that hash tag leads and in other parts of
    /// the server, so many with this one.
    Barrier { of: String, number: u64, hash_tag: String, parts: usize },
    /// One process has heard of all that another one had done before its barrier of that number.
    Confirmation { of: String, by: String, number: u64 },
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
    pub(crate) fn generation(&self, tag: &Tag) -> String {
        [&self.prefix, GENERATIONS, tag.name()].concat()
    }

    /// The marker of a tag, in the slot of its generation.
    pub(crate) fn tag_marker(&self, tag: &Tag) -> String {
        [&self.prefix, "chg:", GENERATIONS, tag.name()].concat()
    }

    pub(crate) fn epoch(&self) -> String {
        [&self.prefix, "epoch"].concat()
    }

    /// Whether that is the name of an entry.
    pub(crate) fn is_entry(&self, name: &str) -> bool {
        let name = name.strip_prefix(&self.prefix);
        name.is_some_and(|name| !RESERVED.iter().any(|reserved| name.starts_with(reserved)))
    }

    /// What all markers begin with.
    pub(crate) fn markers(&self) -> String {
        [&self.prefix, "chg:"].concat()
    }

    /// The marker of an entry by its full name.
    pub(crate) fn marker(&self, name: &str) -> String {
        [&self.prefix, "chg:{", name, "}"].concat()
    }

    pub(crate) fn heartbeat(&self, instance: &str, number: u64, hash_tag: &str) -> String {
        format!("{}chg:{{{hash_tag}}}beat:{instance}:{number}", self.prefix)
    }

    pub(crate) fn barrier(&self, hash_tag: &str, of: &str, number: u64, parts: usize) -> String {
        format!("{}chg:{{{hash_tag}}}barrier:{of}:{number}:{parts}", self.prefix)
    }

    pub(crate) fn confirmation(&self, hash_tag: &str, of: &str, by: &str, number: u64) -> String {
        format!("{}chg:{{{hash_tag}}}heard:{of}:{by}:{number}", self.prefix)
    }

    /// What the marker of that name tells; `None` if it is no marker.
    pub(crate) fn read(&self, marker: &str) -> Option<Marker> {
        let marker = marker.strip_prefix(&self.prefix)?.strip_prefix("chg:")?;
        if let Some(tag) = marker.strip_prefix(GENERATIONS) {
            return Some(Marker::Tag(tag.to_owned()));
        }
        let marker = marker.strip_prefix('{')?;
        if let Some(name) = marker.strip_suffix('}') {
            return Some(Marker::Entry(Key::new(name.strip_prefix(&self.prefix)?)));
        }
        let (hash_tag, told) = marker.split_once('}')?;
        let hash_tag = hash_tag.to_owned();
        let words: Vec<&str> = told.split(':').collect();
        Some(match words[..] {
            ["beat", instance, number] => {
                Marker::Heartbeat { instance: instance.to_owned(), number: number.parse().ok()?, hash_tag }
            }
            ["barrier", of, number, parts] => Marker::Barrier {
                of: of.to_owned(),
                number: number.parse().ok()?,
                hash_tag,
                parts: parts.parse().ok()?,
            },
            ["heard", of, by, number] => {
                Marker::Confirmation { of: of.to_owned(), by: by.to_owned(), number: number.parse().ok()? }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use hotshelf_redis_client::slot;

    use super::*;

    /// In a cluster, a script may touch a key and its marker only then.
    #[test]
    fn a_marker_is_in_the_slot_of_what_it_tells_of() {
        let names = Names::new("product:".to_owned());
        for key in ["id:7", "7:details", "products:org:2:page:1:limit:20:search::order:id"] {
            let entry = names.entry(&Key::new(key));
            assert_eq!(slot(&names.marker(&entry)), slot(&entry), "{key}");
        }
        let (products, prices) = (Tag::new("products"), Tag::new("org:2:price"));
        let generation = slot(&names.generation(&products));
        assert_eq!(slot(&names.generation(&prices)), generation);
        assert_eq!(slot(&names.tag_marker(&prices)), generation);
        assert_eq!(slot(&names.heartbeat("a1", 42, "6")), slot("6"));
        assert_eq!(slot(&names.barrier("6", "a1", 42, 3)), slot("6"));
        assert_eq!(slot(&names.confirmation("6", "a1", "b2", 42)), slot("6"));
    }

    #[test]
    fn markers_read_back() {
        for prefix in ["product:", "", "{shop}:"] {
            let names = Names::new(prefix.to_owned());
            let read = |marker: String| {
                assert!(marker.starts_with(&names.markers()));
                names.read(&marker)
            };
            let key = Key::new("id:7");
            assert_eq!(read(names.marker(&names.entry(&key))), Some(Marker::Entry(key)));
            let products = Tag::new("products");
            let tag = Marker::Tag("products".to_owned());
            assert_eq!(read(names.tag_marker(&products)), Some(tag));
            let heartbeat = Marker::Heartbeat { instance: "a1".to_owned(), number: 42, hash_tag: "6".to_owned() };
            assert_eq!(read(names.heartbeat("a1", 42, "6")), Some(heartbeat));
            let [of, by, hash_tag] = ["a1", "b2", "6"].map(str::to_owned);
            let barrier = Marker::Barrier { of: of.clone(), number: 7, hash_tag, parts: 3 };
            assert_eq!(read(names.barrier("6", "a1", 7, 3)), Some(barrier));
            let confirmation = Marker::Confirmation { of, by, number: 7 };
            assert_eq!(read(names.confirmation("6", "a1", "b2", 7)), Some(confirmation));
            assert_eq!(names.read("other"), None);
        }
    }
}

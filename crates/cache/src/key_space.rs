//! Which keys belong to which namespace. All namespaces of a cache share one space of names, in memory and in Redis: an
//! entry is found by its name alone. So each namespace has a part of it to itself, and no two parts have a name in
//! common.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::counters::{Counters, Counts};
use crate::key::Key;
use crate::namespace::{Absence, NamespaceOptions};
use crate::redis::RESERVED;

/// In front of the name of a namespace, where that makes its part of the space. No declared key begins with it.
const MARK: char = '@';

/// Which keys the entries of a namespace have.
///
/// A key of another shape is not refused but gets the namespace's name in front, as in `@user:id:7`: whatever the key
/// says, it never leads to the entry of another namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Those that begin with this text: `Beginning("list:")` for `list:0:20`.
    Beginning(&'static str),
    /// A number, and behind it this text: `NumberThen(":details")` for `7:details`.
    NumberThen(&'static str),
}

/// A namespace cannot have the keys that it asks for. Each is a mistake in the program, and shows at its start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceError {
    /// The keys of two namespaces could be the same.
    #[error("keys of namespace `{name}` ({keys:?}) could be keys of {other}: let them begin with another text")]
    Overlap {
        /// The namespace that was asked for.
        name: &'static str,
        /// Its keys.
        keys: Keys,
        /// Whose keys they could be.
        other: String,
    },
    /// There is a namespace of that name that has other keys, or keeps its entries by other rules.
    #[error("there is a namespace `{name}` already, with other keys or other rules for what is kept where")]
    Different {
        /// The namespace that was asked for.
        name: &'static str,
    },
    /// The name or the text of the keys can be told from no others.
    #[error("namespace `{name}`: {why}")]
    Invalid {
        /// The namespace that was asked for.
        name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

impl Keys {
    /// Whether the key is one of these. Costs the comparison of the text.
    pub fn contains(self, key: &str) -> bool {
        match self {
            Keys::Beginning(text) => key.starts_with(text),
            Keys::NumberThen(text) => key.strip_suffix(text).is_some_and(is_number),
        }
    }

    /// Whether some key may be one of both.
    fn meet(self, other: Keys) -> bool {
        match (self, other) {
            (Keys::Beginning(one), Keys::Beginning(other)) => one.starts_with(other) || other.starts_with(one),
            (Keys::NumberThen(one), Keys::NumberThen(other)) => one == other,
            (Keys::Beginning(text), Keys::NumberThen(_)) | (Keys::NumberThen(_), Keys::Beginning(text)) => {
                text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            }
        }
    }

    fn complaint(self) -> Option<&'static str> {
        match self {
            Keys::Beginning("") => Some("its keys must begin with some text"),
            Keys::Beginning(text) if text.starts_with(MARK) => Some("its keys must not begin with `@`"),
            // Else nobody could say where the number ends.
            Keys::NumberThen(text) if text.is_empty() || text.starts_with(|first: char| first.is_ascii_digit()) => {
                Some("what is behind the number must be some text that begins with no digit")
            }
            _ => None,
        }
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A namespace's part of the space of names, which all handles of the namespace share.
#[derive(Debug)]
pub(crate) struct KeySpace {
    name: &'static str,
    keys: Keys,
    absence: Absence,
    in_redis: bool,
    /// Some entry of the namespace was looked up with tags.
    has_dependents: AtomicBool,
    /// That one was looked up with others than it was filled with, was told.
    mixed_use_told: AtomicBool,
    pub(crate) counters: Counters,
}

impl KeySpace {
    pub(crate) fn of(options: &NamespaceOptions) -> Arc<Self> {
        let NamespaceOptions { name, keys, absence, in_redis, .. } = options;
        Arc::new(KeySpace {
            name,
            keys: *keys,
            absence: absence.clone(),
            in_redis: *in_redis,
            has_dependents: AtomicBool::new(false),
            mixed_use_told: AtomicBool::new(false),
            counters: Counters::default(),
        })
    }

    /// The name of the entry: the key, or, if it is none of the namespace's, behind the namespace's name. Its own
    /// result is its own result again.
    pub(crate) fn place<'a>(&self, key: &'a Key) -> Cow<'a, Key> {
        let own = self.keys.contains(key.as_str()) || self.is_marked(key.as_str());
        if own { Cow::Borrowed(key) } else { Cow::Owned(Key::new(format!("{MARK}{}:{key}", self.name))) }
    }

    fn is_marked(&self, key: &str) -> bool {
        let name = key.strip_prefix(MARK).and_then(|key| key.strip_prefix(self.name));
        name.is_some_and(|rest| rest.starts_with(':'))
    }

    pub(crate) fn has_dependents(&self) -> bool {
        self.has_dependents.load(Ordering::Relaxed)
    }

    pub(crate) fn note_dependent(&self) {
        if !self.has_dependents() {
            self.has_dependents.store(true, Ordering::Relaxed);
        }
    }

    /// Says so, once: it is a mistake in the program.
    pub(crate) fn tell_mixed_use(&self, key: &Key) {
        if !self.mixed_use_told.swap(true, Ordering::Relaxed) {
            tracing::error!(region = self.name, %key, "one entry is looked up with different tags, and not served");
        }
    }
}

/// The parts that are taken.
#[derive(Default)]
pub(crate) struct KeySpaces(Mutex<Vec<Arc<KeySpace>>>);

impl KeySpaces {
    /// The counts of each namespace, by its name.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, Counts> {
        self.0.lock().iter().map(|key_space| (key_space.name, key_space.counters.read())).collect()
    }

    /// The part of a namespace. The same one, when there is a namespace of that name, which must then be the same.
    pub(crate) fn register(&self, options: &NamespaceOptions) -> Result<Arc<KeySpace>, NamespaceError> {
        let NamespaceOptions { name, keys, absence, in_redis, .. } = options;
        let (name, keys) = (*name, *keys);
        if name.is_empty() || name.contains(':') {
            return Err(NamespaceError::Invalid { name, why: "its name must be some text without `:`" });
        }
        if let Some(why) = keys.complaint() {
            return Err(NamespaceError::Invalid { name, why });
        }
        if RESERVED.iter().any(|other| keys.meet(Keys::Beginning(other))) {
            return Err(NamespaceError::Overlap { name, keys, other: "the cache itself".to_owned() });
        }
        let mut taken = self.0.lock();
        if let Some(same) = taken.iter().find(|key_space| key_space.name == name) {
            let agrees = same.keys == keys && same.absence == *absence && same.in_redis == *in_redis;
            return if agrees { Ok(Arc::clone(same)) } else { Err(NamespaceError::Different { name }) };
        }
        if let Some(other) = taken.iter().find(|key_space| key_space.keys.meet(keys)) {
            return Err(NamespaceError::Overlap { name, keys, other: format!("namespace `{}`", other.name) });
        }
        let key_space = KeySpace::of(options);
        taken.push(Arc::clone(&key_space));
        Ok(key_space)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::namespace::Tag;

    fn options(name: &'static str, keys: Keys) -> NamespaceOptions {
        let ttl = Duration::from_secs(1);
        NamespaceOptions { name, keys, ttl, negative_ttl: ttl, grace: ttl, absence: Absence::NotKept, in_redis: true }
    }

    fn registered(taken: &KeySpaces, name: &'static str, keys: Keys) -> Result<(), NamespaceError> {
        taken.register(&options(name, keys)).map(drop)
    }

    #[test]
    fn regions_whose_keys_could_meet_are_refused() {
        use Keys::{Beginning, NumberThen};
        let taken = KeySpaces::default();
        let service = [
            ("product", Beginning("id:")),
            ("details", NumberThen(":details")),
            ("list", Beginning("list:")),
            ("page", Beginning("products:")),
            ("total", Beginning("total")),
        ];
        for (name, keys) in service {
            assert_eq!(registered(&taken, name, keys), Ok(()), "{name}");
            assert_eq!(registered(&taken, name, keys), Ok(()), "{name}, once more");
        }
        for keys in ["id:", "id", "id:7", "i", "totally", "7", "-", "products:org:"].map(Beginning) {
            let refused = registered(&taken, "other", keys);
            assert!(matches!(refused, Err(NamespaceError::Overlap { .. })), "{keys:?}: {refused:?}");
        }
        assert!(matches!(registered(&taken, "other", NumberThen(":details")), Err(NamespaceError::Overlap { .. })));
        assert_eq!(registered(&taken, "other", NumberThen(":detail")), Ok(()));
        for own in ["epoch", "e", "chg:{", "{", "ratelimit:api"].map(Beginning) {
            assert!(matches!(registered(&taken, "own", own), Err(NamespaceError::Overlap { .. })), "{own:?}");
        }
    }

    #[test]
    fn what_nobody_could_tell_from_others_is_refused() {
        use Keys::{Beginning, NumberThen};
        let taken = KeySpaces::default();
        let invalid = [
            ("", Beginning("id:")),
            ("a:b", Beginning("id:")),
            ("a", Beginning("")),
            ("a", Beginning("@b:")),
            ("a", NumberThen("")),
            ("a", NumberThen("0:x")),
        ];
        for (name, keys) in invalid {
            let refused = registered(&taken, name, keys);
            assert!(matches!(refused, Err(NamespaceError::Invalid { .. })), "{name} {keys:?}: {refused:?}");
        }
    }

    #[test]
    fn regions_of_one_name_are_one() {
        let taken = KeySpaces::default();
        let first = options("user", Keys::Beginning("user:"));
        assert!(Arc::ptr_eq(&taken.register(&first).unwrap(), &taken.register(&first.clone()).unwrap()));
        let others = [
            NamespaceOptions { keys: Keys::Beginning("person:"), ..first.clone() },
            NamespaceOptions { absence: Absence::DependsOn(Tag::new("users")), ..first.clone() },
            NamespaceOptions { in_redis: false, ..first },
        ];
        for other in others {
            assert_eq!(taken.register(&other).unwrap_err(), NamespaceError::Different { name: "user" });
        }
    }

    #[test]
    fn a_key_of_another_shape_stays_in_its_region() {
        let users = KeySpace::of(&options("user", Keys::Beginning("user:")));
        let details = KeySpace::of(&options("details", Keys::NumberThen(":details")));
        let placed = |key_space: &KeySpace, key: &str| {
            let key = key_space.place(&Key::new(key)).into_owned();
            assert_eq!(*key_space.place(&key), key, "it stays where it is");
            key.as_str().to_owned()
        };
        assert_eq!(placed(&users, "user:7"), "user:7");
        assert_eq!(placed(&users, "id:7"), "@user:id:7");
        assert_eq!(placed(&users, "@details:7"), "@user:@details:7");
        assert_eq!(placed(&details, "7:details"), "7:details");
        assert_eq!(placed(&details, "-7:details"), "-7:details");
        for other in [":details", "-:details", "7a:details", "7:details:", "list:7:details"] {
            assert_eq!(placed(&details, other), format!("@details:{other}"));
        }
    }
}

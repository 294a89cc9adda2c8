use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;

use crate::counters::Event;
use crate::key::Key;
use crate::key_space::{KeySpace, Keys};
use crate::rng;

/// Data on which entries depend, such as "all products" or "the products of organization 7 by price". Invalidating a
/// tag invalidates all of them at once; their keys need not be known.
///
/// Each such entry carries the generations of its tags that it was loaded under, and is invalid as soon as one of them
/// has moved on. A tag is nothing but its name: it costs nothing until an entry depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(CompactString);

impl Tag {
    /// The tag of that name.
    pub fn new(name: impl Into<CompactString>) -> Self {
        Tag(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Which entries a namespace has, and how long they last.
#[derive(Clone, Debug)]
pub struct NamespaceOptions {
    /// The name in statistics, which tells the namespace from others. Without `:`.
    pub name: &'static str,
    /// The keys of its entries, which no other namespace may have.
    pub keys: Keys,
    /// TTL of an entry. Each gets up to a tenth more or less, so that what was filled together does not expire
    /// together.
    pub ttl: Duration,
    /// TTL of a negative entry.
    pub negative_ttl: Duration,
    /// How long after its TTL a value is still served when it cannot be loaded again.
    pub grace: Duration,
    /// What is kept where there is no such thing.
    pub absence: Absence,
    /// Whether Redis stores the values. If not, it holds only leases and fences of these entries, so that a client that
    /// can write to Redis can neither make up a value nor put back an old one. For values that grant rights. With Redis
    /// as the only tier, each lookup loads.
    pub in_redis: bool,
}

/// What a namespace keeps of what does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nothing: each lookup loads.
    NotKept,
    /// That it does not exist, until this tag is invalidated: a new member may prove it wrong. So every write that
    /// makes something exist names the tag.
    DependsOn(Tag),
    /// That it does not exist, for the whole TTL, whatever comes to exist. Right only where nobody looks anything up
    /// before it exists, as with names that are random.
    UntilItExpires,
}

/// The entries of one kind: their keys, their TTLs and their counters. A cheap handle.
#[derive(Clone, Debug)]
pub struct Namespace(Arc<NamespaceState>);

#[derive(Debug)]
struct NamespaceState {
    options: NamespaceOptions,
    key_space: Arc<KeySpace>,
    counts_lookups: bool,
}

/// The place of one entry: its key, the namespace whose rules it follows, and the tags it depends on. No key leads to
/// the entry of another namespace. The same key always goes with the same tags: what was kept with others is not
/// served.
#[derive(Clone, Debug)]
pub struct EntryRef {
    pub(crate) namespace: Namespace,
    pub(crate) key: Key,
    pub(crate) tags: Arc<[Tag]>,
}

impl Namespace {
    pub(crate) fn new(options: NamespaceOptions, key_space: Arc<KeySpace>) -> Self {
        Namespace(Arc::new(NamespaceState { options, key_space, counts_lookups: true }))
    }

    /// One that no cache has given its part of the space of names.
    #[cfg(test)]
    pub(crate) fn alone(options: NamespaceOptions) -> Self {
        let key_space = KeySpace::of(&options);
        Namespace::new(options, key_space)
    }

    /// The place of an entry that depends on nothing but itself, as long as it exists. A key that is none of the
    /// namespace's [`Keys`] gets the namespace's name in front.
    pub fn entry(&self, key: Key) -> EntryRef {
        self.tagged_entry(key, <Arc<[Tag]>>::default())
    }

    /// The place of an entry that is invalid as soon as one of the tags is. The key is as with
    /// [`entry`](Namespace::entry).
    pub fn tagged_entry(&self, key: Key, tags: impl Into<Arc<[Tag]>>) -> EntryRef {
        let tags = tags.into();
        if !tags.is_empty() {
            self.0.key_space.note_dependent();
        }
        let key = match self.place(&key) {
            Cow::Borrowed(_) => key,
            Cow::Owned(placed) => placed,
        };
        EntryRef { namespace: self.clone(), key, tags }
    }

    /// The name of the entry of that key.
    pub(crate) fn place<'a>(&self, key: &'a Key) -> Cow<'a, Key> {
        self.0.key_space.place(key)
    }

    pub(crate) fn key_space(&self) -> &KeySpace {
        &self.0.key_space
    }

    /// The same entries for lookups that are part of another one, and must not be counted beside it. What is done for
    /// them, loads and fills, is.
    pub fn uncounted(&self) -> Namespace {
        let NamespaceState { options, key_space, .. } = &*self.0;
        let (options, key_space) = (options.clone(), Arc::clone(key_space));
        Namespace(Arc::new(NamespaceState { options, key_space, counts_lookups: false }))
    }

    /// Whether entries of both live in one place: by the same name.
    pub(crate) fn is_kin_of(&self, other: &Namespace) -> bool {
        self.0.options.name == other.0.options.name
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.options.name
    }

    pub(crate) fn count(&self, event: Event) {
        self.count_many(event, 1);
    }

    pub(crate) fn count_many(&self, event: Event, count: u64) {
        if self.0.counts_lookups || !event.is_lookup() {
            self.0.key_space.counters.add(event, count);
        }
    }

    #[cfg(test)]
    pub(crate) fn counts(&self) -> crate::counters::Counts {
        self.0.key_space.counters.read()
    }

    /// Whether Redis stores values of its entries.
    pub(crate) fn in_redis(&self) -> bool {
        self.0.options.in_redis
    }

    /// Whether it is kept that something does not exist.
    pub(crate) fn keeps_absence(&self) -> bool {
        self.0.options.absence != Absence::NotKept
    }

    /// How long an entry is kept beyond its TTL. A negative one is not.
    pub(crate) fn grace(&self, absent: bool) -> Duration {
        if absent { Duration::ZERO } else { self.0.options.grace }
    }

    /// What is left of the TTL of an entry when it is loaded again in advance.
    pub(crate) fn refresh_ahead(&self) -> Duration {
        self.0.options.ttl / 5
    }

    pub(crate) fn longest_ttl(&self) -> Duration {
        self.0.options.ttl.max(self.0.options.negative_ttl).mul_f64(1.1)
    }

    /// How long an entry may be kept that is filled now.
    pub(crate) fn longest_kept(&self, absent: bool) -> Duration {
        let ttl = if absent { self.0.options.negative_ttl } else { self.0.options.ttl };
        ttl.mul_f64(1.1) + self.grace(absent)
    }

    /// The TTL of the next entry, with its jitter of ±10 %.
    pub(crate) fn next_ttl(&self, absent: bool) -> Duration {
        let ttl = if absent { self.0.options.negative_ttl } else { self.0.options.ttl };
        ttl.mul_f64(rng::about_one())
    }
}

impl EntryRef {
    /// The same entry in the [uncounted](Namespace::uncounted) namespace.
    pub fn uncounted(&self) -> EntryRef {
        EntryRef { namespace: self.namespace.uncounted(), ..self.clone() }
    }

    /// The key: the name of the entry, without the prefix that all keys share.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What an entry here depends on.
    pub(crate) fn dependencies(&self, absent: bool) -> impl Iterator<Item = &Tag> {
        let of_absent = match &self.namespace.0.options.absence {
            Absence::DependsOn(tag) if absent => Some(tag),
            _ => None,
        };
        self.tags.iter().chain(of_absent)
    }

    pub(crate) fn depends(&self, absent: bool) -> bool {
        self.dependencies(absent).next().is_some()
    }
}

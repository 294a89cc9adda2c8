use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hotshelf_stats::CacheCounters;

use crate::chance;

/// A set of things, such as "all products", whose membership some entries depend on. Void it, and all of them are void
/// at once, without anybody knowing their keys.
///
/// Each copy of such an entry carries the generation that it was loaded under; the collection has moved on to another one
/// when the copy is void. A cheap handle.
#[derive(Clone)]
pub struct Collection(Arc<CollectionState>);

struct CollectionState {
    name: &'static str,
    /// The generation that copies in this process' memory carry. Copies elsewhere carry the one that is kept there.
    generation: AtomicU64,
}

impl Collection {
    /// A collection of that name, unique within the cache.
    pub fn new(name: &'static str) -> Self {
        Collection(Arc::new(CollectionState { name, generation: AtomicU64::new(1) }))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    pub(crate) fn is(&self, other: &Collection) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    pub(crate) fn advance(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collection({} at {})", self.0.name, self.generation())
    }
}

/// Which of a region's entries are void when its collection changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depends {
    /// All: they are pages of the collection.
    Always,
    /// Those that say "does not exist": a new member may prove them wrong.
    WhenAbsent,
}

/// How the entries of one region live.
#[derive(Clone, Debug)]
pub struct RegionOptions {
    /// The name in statistics.
    pub name: &'static str,
    /// Life of an entry. Each gets up to a tenth more or less, so that what was filled together does not expire together.
    pub ttl: Duration,
    /// Life of an entry that says "does not exist".
    pub negative_ttl: Duration,
    /// How long after the end of its life a value is still served when it cannot be loaded again.
    pub grace: Duration,
    /// The collection that the region's entries depend on.
    pub collection: Collection,
    /// Which of them do.
    pub depends: Depends,
}

/// The entries of one kind: their lives, their collection, their statistics. A cheap handle.
#[derive(Clone, Debug)]
pub struct Region(Arc<RegionState>);

#[derive(Debug)]
struct RegionState {
    options: RegionOptions,
    counters: CacheCounters,
}

impl Region {
    pub(crate) fn new(options: RegionOptions, counters: CacheCounters) -> Self {
        Region(Arc::new(RegionState { options, counters }))
    }

    /// The same entries for lookups that are part of another one, and must not be counted beside it. What is done for
    /// them, loads and fills, is.
    pub fn uncounted(&self) -> Region {
        let RegionState { options, counters } = &*self.0;
        Region::new(options.clone(), counters.without_lookups())
    }

    /// Whether entries of both live in one place: by the same name.
    pub(crate) fn is_kin_of(&self, other: &Region) -> bool {
        self.0.options.name == other.0.options.name
    }

    pub(crate) fn counters(&self) -> &CacheCounters {
        &self.0.counters
    }

    pub(crate) fn collection(&self) -> &Collection {
        &self.0.options.collection
    }

    /// Whether an entry is bound to the collection's generation.
    pub(crate) fn depends(&self, absent: bool) -> bool {
        absent || self.0.options.depends == Depends::Always
    }

    /// How long an entry is kept beyond its life. What does not exist is not kept.
    pub(crate) fn grace(&self, absent: bool) -> Duration {
        if absent { Duration::ZERO } else { self.0.options.grace }
    }

    /// What is left of the life of an entry when it is loaded again ahead of its end.
    pub(crate) fn refresh_ahead(&self) -> Duration {
        self.0.options.ttl / 5
    }

    pub(crate) fn longest_life(&self) -> Duration {
        self.0.options.ttl.max(self.0.options.negative_ttl).mul_f64(1.1)
    }

    /// The life of the next entry, with its jitter of ±10 %.
    pub(crate) fn next_ttl(&self, absent: bool) -> Duration {
        let ttl = if absent { self.0.options.negative_ttl } else { self.0.options.ttl };
        ttl.mul_f64(chance::about_one())
    }
}

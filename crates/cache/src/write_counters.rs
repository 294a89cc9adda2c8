//! Prevents stale sets within this process. Loads take time; a write may commit in the middle of one. So a fill needs
//! the snapshot that was taken before its load, and memory refuses it when a write of that key has finished since
//! ("Scaling Memcache at Facebook", NSDI '13, calls this a lease).

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::key::Key;
use crate::namespace::EntryRef;
use crate::rng::Hashing;

/// A power of two. Keys that share a stripe only refuse each other's fills now and then, which costs a load.
const STRIPES: usize = 1_024;
/// A power of two, half a mebibyte of counters. Tags that share one only invalidate each other's entries in memory
/// now and then.
const TAG_STRIPES: usize = 1 << 16;

/// What was true of a key before a load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    pub(crate) flushes: u64,
    epoch: u64,
    /// Of the entry's tags, and of those that only what does not exist depends on as well.
    pub(crate) generation: u64,
    pub(crate) generation_if_absent: u64,
}

pub(crate) struct WriteCounters {
    /// How often everything was invalidated. Entries from before the last flush are invalid.
    flushes: AtomicU64,
    stripes: Box<[Mutex<u64>]>,
    /// How often the tags of each stripe have moved on. The sum over several tags grows whenever one of
    /// them does, so one number stands for the generations of all.
    generations: Box<[AtomicU64]>,
    hasher: Hashing,
}

/// What a copy in memory depends on, and how far that had come.
pub(crate) struct Dependencies {
    stripes: Box<[u16]>,
    generation: u64,
}

impl WriteCounters {
    pub(crate) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(0)).collect();
        let generations = (0..TAG_STRIPES).map(|_| AtomicU64::new(0)).collect();
        WriteCounters { flushes: AtomicU64::new(0), stripes, generations, hasher: Hashing::default() }
    }

    fn stripe(&self, key: &Key) -> &Mutex<u64> {
        &self.stripes[self.hasher.hash_one(key) as usize & (STRIPES - 1)]
    }

    pub(crate) fn snapshot(&self, entry: &EntryRef) -> Snapshot {
        // These first: if they move right after, what is filled under this snapshot is invalid on its first read.
        let flushes = self.flushes();
        let [generation, generation_if_absent] = [false, true].map(|absent| self.generation(entry, absent));
        Snapshot { flushes, epoch: *self.stripe(&entry.key).lock(), generation, generation_if_absent }
    }

    fn tag_stripe(&self, name: &str) -> usize {
        self.hasher.hash_one(name) as usize & (TAG_STRIPES - 1)
    }

    fn generation(&self, entry: &EntryRef, absent: bool) -> u64 {
        let stripes = entry.dependencies(absent).map(|tag| self.tag_stripe(tag.name()));
        stripes.map(|stripe| self.generations[stripe].load(Ordering::Acquire)).sum()
    }

    /// The tag has moved on: entries that depend on it are invalid.
    pub(crate) fn tag_changed(&self, name: &str) {
        self.generations[self.tag_stripe(name)].fetch_add(1, Ordering::AcqRel);
    }

    /// What a copy of this entry depends on that was loaded under the snapshot.
    pub(crate) fn dependencies(&self, entry: &EntryRef, absent: bool, snapshot: Snapshot) -> Dependencies {
        let stripes = entry.dependencies(absent).map(|tag| self.tag_stripe(tag.name()) as u16);
        let generation = if absent { snapshot.generation_if_absent } else { snapshot.generation };
        Dependencies { stripes: stripes.collect(), generation }
    }

    /// Whether none of the tags has moved on since.
    pub(crate) fn hold(&self, dependencies: &Dependencies) -> bool {
        let counters = dependencies.stripes.iter().map(|stripe| &self.generations[usize::from(*stripe)]);
        dependencies.stripes.is_empty()
            || counters.map(|counter| counter.load(Ordering::Acquire)).sum::<u64>() == dependencies.generation
    }

    /// Runs `keep` if no write of the key has finished since `snapshot`. The stripe is held meanwhile: a write that
    /// finishes now comes before, and the snapshot does not fit, or after, and forgets what was kept.
    pub(crate) fn fill(&self, key: &Key, snapshot: Snapshot, keep: impl FnOnce()) -> bool {
        let epoch = self.stripe(key).lock();
        let fits = *epoch == snapshot.epoch;
        if fits {
            keep();
        }
        fits
    }

    pub(crate) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// Invalidates every entry, and every one that is yet to be filled under a snapshot from before.
    pub(crate) fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::AcqRel);
    }

    /// Invalidates every snapshot of every key.
    pub(crate) fn advance_all(&self) {
        self.stripes.iter().for_each(|stripe| *stripe.lock() += 1);
    }

    /// Invalidates every snapshot of the key and runs `change`, both in one step.
    pub(crate) fn advance(&self, key: &Key, change: impl FnOnce()) {
        let mut epoch = self.stripe(key).lock();
        *epoch += 1;
        change();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key_space::Keys;
    use crate::namespace::{Absence, Namespace, NamespaceOptions, Tag};

    fn entries(keys: impl IntoIterator<Item = Key>) -> Vec<EntryRef> {
        let ttl = Duration::from_secs(1);
        let absence = Absence::DependsOn(Tag::new("things"));
        let shape = Keys::Beginning("id:");
        let options = NamespaceOptions {
            name: "thing",
            keys: shape,
            ttl,
            negative_ttl: ttl,
            grace: ttl,
            absence,
            in_redis: true,
        };
        let namespace = Namespace::alone(options);
        keys.into_iter().map(|key| namespace.entry(key)).collect()
    }

    fn entry() -> EntryRef {
        entries([Key::new("id:1")]).remove(0)
    }

    fn fills(write_counters: &WriteCounters, entry: &EntryRef, snapshot: Snapshot) -> bool {
        let mut kept = false;
        assert_eq!(write_counters.fill(&entry.key, snapshot, || kept = true), kept, "says what it has done");
        kept
    }

    #[test]
    fn a_write_bars_what_was_loaded_before_it_and_nothing_after_it() {
        let (write_counters, entry) = (WriteCounters::new(), entry());
        let before = write_counters.snapshot(&entry);
        assert!(fills(&write_counters, &entry, before));
        write_counters.advance(&entry.key, || {});
        assert!(!fills(&write_counters, &entry, before));
        assert!(fills(&write_counters, &entry, write_counters.snapshot(&entry)));
    }

    #[test]
    fn a_write_bars_few_other_keys() {
        let write_counters = WriteCounters::new();
        let entries = entries((0..1_000).map(|id| Key::numbered("id:", id)));
        let snapshots: Vec<_> = entries.iter().map(|entry| write_counters.snapshot(entry)).collect();
        write_counters.advance(&Key::new("written"), || {});
        let barred =
            entries.iter().zip(snapshots).filter(|(entry, snapshot)| !fills(&write_counters, entry, *snapshot)).count();
        assert!(barred < 20, "{barred} of 1,000 share one of {STRIPES} stripes");
    }

    #[test]
    fn the_stamp_tells_the_generations() {
        let (write_counters, entry) = (WriteCounters::new(), entry());
        let before = write_counters.snapshot(&entry);
        write_counters.tag_changed("things");
        let after = write_counters.snapshot(&entry);
        assert_eq!(before.generation, after.generation, "what exists does not depend on the others");
        assert!(before.generation_if_absent < after.generation_if_absent);
    }

    #[test]
    fn what_depends_on_several_collections_ends_with_any_of_them() {
        let write_counters = WriteCounters::new();
        let tags = ["org:7", "org:7:price"].map(Tag::new);
        let page = entry().namespace.tagged_entry(Key::new("page"), tags.clone());
        for tag in &tags {
            let dependencies = write_counters.dependencies(&page, false, write_counters.snapshot(&page));
            write_counters.tag_changed("org:8");
            assert!(write_counters.hold(&dependencies), "that of another one does not matter");
            write_counters.tag_changed(tag.name());
            assert!(!write_counters.hold(&dependencies));
        }
    }
}

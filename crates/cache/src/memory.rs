//! The in-process tier: bounded by bytes, with TinyLFU admission (Einziger, Friedman, Manes: "TinyLFU: A Highly
//! Efficient Cache Admission Policy", 2017). What may be kept is decided under a stripe of [`WriteCounters`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant as ProcessInstant};

use bytes::Bytes;
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::sync::Cache as Moka;
use tokio::sync::Mutex;
use tokio::time::Instant;
use wildmatch::WildMatch;

use crate::counters::{Event, TierLevels};
use crate::key::Key;
use crate::lease::Lease;
use crate::namespace::{EntryRef, Namespace, Tag};
use crate::redis::GENERATION_TTL;
use crate::rng::Hashing;
use crate::tier::{Copy, DeleteError, Fill, Hit, Lookup, TierName, Until};
use crate::value::Value;
use crate::write_counters::{Dependencies, Snapshot, WriteCounters};

/// What an entry costs beyond its key and payload: the map's node, the policy's queues, the reference counts. Measured
/// with a million entries of 250 bytes.
const OVERHEAD: usize = 200;

pub(crate) struct MemoryTier {
    entries: Moka<Key, Arc<Entry>, Hashing>,
    write_counters: Arc<WriteCounters>,
    lease: Arc<Lease>,
    /// Other processes write to the same database.
    shared: bool,
    /// There is a tier behind this one, of which it takes copies.
    copies: bool,
    /// One deletion by pattern at a time.
    deleting: Arc<Mutex<()>>,
}

/// A copy in memory.
struct Entry {
    namespace: Namespace,
    /// How long it is kept after it has expired.
    grace: Duration,
    value: Option<Value>,
    expires_at: Instant,
    /// From then on, it should be loaded again.
    due_at: Instant,
    /// Void when everything was flushed since.
    flushes: u64,
    /// With which it was filled.
    tags: Arc<[Tag]>,
    /// Void when one of its tags has moved on.
    dependencies: Dependencies,
}

/// Lets moka drop entries when they have expired and their grace is over, instead of carrying them until they are
/// evicted.
struct EntryExpiry;

impl Expiry<Key, Arc<Entry>> for EntryExpiry {
    fn expire_after_create(&self, _: &Key, copy: &Arc<Entry>, _: ProcessInstant) -> Option<Duration> {
        Some(copy.kept_for())
    }

    fn expire_after_update(
        &self,
        _: &Key,
        copy: &Arc<Entry>,
        _: ProcessInstant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(copy.kept_for())
    }
}

impl Entry {
    fn kept_for(&self) -> Duration {
        self.expires_at.saturating_duration_since(Instant::now()) + self.grace
    }

    /// Whether it is the entry with these tags. Kept with others, or with none, it would outlast what invalidates it.
    /// A reader who names none goes by those that it was kept with; none are too few where the namespace's entries have
    /// some.
    fn goes_with(&self, tags: Option<&[Tag]>) -> bool {
        match tags {
            Some(tags) => *self.tags == *tags,
            None => !self.tags.is_empty() || !self.namespace.key_space().has_dependents(),
        }
    }

    fn weight(&self) -> usize {
        let payload = self.value.as_ref().map_or(0, |value| value.payload.len());
        payload + size_of_val(&*self.tags)
    }
}

impl MemoryTier {
    pub(crate) fn new(
        max_bytes: u64,
        write_counters: Arc<WriteCounters>,
        lease: Arc<Lease>,
        shared: bool,
        copies: bool,
    ) -> Self {
        let entries = Moka::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &Key, copy: &Arc<Entry>| {
                u32::try_from(key.as_str().len() + copy.weight() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .expire_after(EntryExpiry)
            .eviction_listener(|_, copy: Arc<Entry>, cause| {
                if cause == RemovalCause::Size {
                    copy.namespace.count(Event::Eviction);
                }
            })
            .build_with_hasher(Hashing::default());
        MemoryTier { entries, write_counters, lease, shared, copies, deleting: Arc::default() }
    }

    /// The value that nothing has invalidated, expired or not.
    fn standing(&self, key: &Key, tags: Option<&[Tag]>, now: Instant) -> Option<Arc<Entry>> {
        // Before all else: whoever renews the lease has applied the writes that it vouches for.
        if !self.lease.holds_at(now) {
            return None;
        }
        let copy = self.entries.get(key)?;
        if !copy.goes_with(tags) {
            copy.namespace.key_space().tell_mixed_use(key);
            return None;
        }
        let current = copy.flushes == self.write_counters.flushes() && self.write_counters.hold(&copy.dependencies);
        current.then_some(copy)
    }

    fn keep(&self, entry: &EntryRef, value: Option<&Value>, snapshot: Snapshot, ttl: Duration) {
        let depends = entry.depends(value.is_none());
        let due_at = Instant::now() + ttl.saturating_sub(entry.namespace.refresh_ahead());
        // The writer of a generation may die before its second one, which alone would tell this process. Alone on the
        // database, it may have been an earlier run of this service, and the copy one that Redis has kept.
        let outlives = !(depends && self.copies);
        let ttl = if outlives { ttl } else { ttl.min(GENERATION_TTL) };
        let copy = Entry {
            namespace: entry.namespace.clone(),
            grace: if outlives { entry.namespace.grace(value.is_none()) } else { Duration::ZERO },
            value: value.cloned(),
            expires_at: Instant::now() + ttl,
            due_at,
            flushes: snapshot.flushes,
            tags: Arc::clone(&entry.tags),
            dependencies: self.write_counters.dependencies(entry, value.is_none(), snapshot),
        };
        self.entries.insert(entry.key.clone(), Arc::new(copy));
    }

    /// What can be told at once of the entry with these tags; `None`: with those that it goes with. Allocates nothing.
    pub(crate) fn peek(&self, key: &Key, tags: Option<&[Tag]>) -> Option<Hit> {
        let now = Instant::now();
        let copy = self.standing(key, tags, now)?;
        let (ttl, due) = (copy.expires_at.saturating_duration_since(now), copy.value.is_some() && now >= copy.due_at);
        (!ttl.is_zero()).then(|| Hit { value: copy.value.clone(), ttl, due })
    }

    /// The value, if it has not reached that point of its TTL; else the snapshot under which memory may be filled.
    pub(crate) fn lookup(&self, entry: &EntryRef, until: Until) -> Lookup<Snapshot> {
        // The snapshot comes before the look: what the look misses is loaded under it.
        let snapshot = self.write_counters.snapshot(entry);
        let hit = self.peek(&entry.key, Some(&entry.tags)).filter(|hit| until != Until::ItIsDue || !hit.due);
        hit.map_or(Lookup::Miss(snapshot), Lookup::Hit)
    }

    pub(crate) fn fill(&self, entry: &EntryRef, snapshot: Snapshot, value: Option<&Value>, ttl: Duration) -> Fill {
        let kept = self.write_counters.fill(&entry.key, snapshot, || self.keep(entry, value, snapshot, ttl));
        if kept { Fill::Stored } else { Fill::Refused }
    }

    /// Drops the copy of this process.
    pub(crate) fn forget(&self, key: &Key) {
        self.write_counters.advance(key, || self.entries.invalidate(key));
    }

    /// After the commit of a write, before it is acknowledged: drops the copies of these, or leaves what is to be kept.
    /// What was copied between the beginning of the write and its commit goes with them, so memory has no part in the
    /// beginning.
    pub(crate) fn finish(&self, entries: &[EntryRef], keep: &HashMap<Key, Value>) {
        for entry in entries {
            match keep.get(&entry.key) {
                // Alone on the database, writers of one key take turns, so this is the newest value there is.
                Some(value) if !self.shared && !entry.depends(false) => {
                    let snapshot = self.write_counters.snapshot(entry);
                    let keep = || self.keep(entry, Some(value), snapshot, entry.namespace.next_ttl(false));
                    self.write_counters.advance(&entry.key, keep);
                }
                _ => self.forget(&entry.key),
            }
        }
    }

    /// The value, though it may have expired, and how long ago it has.
    pub(crate) fn overdue(&self, entry: &EntryRef) -> Option<(Value, Duration)> {
        let now = Instant::now();
        let copy =
            self.standing(&entry.key, Some(&entry.tags), now).filter(|copy| now < copy.expires_at + copy.grace)?;
        Some((copy.value.clone()?, now.saturating_duration_since(copy.expires_at)))
    }

    /// The copy that a lookup would be answered with.
    pub(crate) fn inspect(&self, entry: &EntryRef) -> Option<Copy> {
        let now = Instant::now();
        let copy = self.standing(&entry.key, Some(&entry.tags), now).filter(|copy| copy.expires_at > now)?;
        let identity = Bytes::copy_from_slice(&(Arc::as_ptr(&copy) as usize).to_be_bytes());
        Some(Copy { tier: TierName::Memory, identity, value: copy.value.clone() })
    }

    /// Deletes the entries whose keys match, and tells how many there were. In a thread that may block, since a walk
    /// over millions of entries takes seconds, and one at a time. It goes on when the caller goes away.
    pub(crate) async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError> {
        let turn = Arc::clone(&self.deleting).lock_owned().await;
        let (entries, write_counters, pattern) =
            (self.entries.clone(), Arc::clone(&self.write_counters), WildMatch::new(pattern));
        let walk = move || {
            let _turn = turn;
            delete(&entries, &write_counters, &pattern)
        };
        tokio::task::spawn_blocking(walk).await.map_err(|error| DeleteError(error.to_string()))
    }

    /// What is held. Does the policy's pending work first, so that the numbers are those of now.
    pub(crate) fn report(&self, levels: &mut TierLevels) {
        self.entries.run_pending_tasks();
        levels.l1_entries = self.entries.entry_count();
        levels.l1_bytes = self.entries.weighted_size();
        levels.l1_limit_bytes = self.entries.policy().max_capacity().unwrap_or_default();
    }

    /// Because another process has changed it.
    pub(crate) fn drop_copy(&self, key: &Key) {
        self.write_counters.advance(key, || {
            if let Some(copy) = self.entries.remove(key) {
                copy.namespace.count(Event::InvalidationPush);
            }
        });
    }

    /// Gives back the memory of values that a flush has invalidated.
    pub(crate) fn clear(&self) {
        self.entries.invalidate_all();
    }
}

/// While it walks, others fill and write. What was loaded, or copied from Redis, before it began is refused wherever it
/// is filled, since all snapshots from before are unfit first; so it does not matter on which side of the walk it would
/// come to stand. What is filled under a later snapshot was loaded later, and may stay or go. Each entry goes under the
/// stripe of its key, as with a write.
fn delete(entries: &Moka<Key, Arc<Entry>, Hashing>, write_counters: &WriteCounters, pattern: &WildMatch) -> u64 {
    write_counters.advance_all();
    let mut deleted = 0;
    for (key, _) in entries.iter().filter(|(key, _)| pattern.matches(key.as_str())) {
        write_counters.advance(&key, || entries.invalidate(&*key));
        deleted += 1;
    }
    deleted
}

#[cfg(test)]
mod tests;

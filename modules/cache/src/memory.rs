//! The in-process tier: bounded by bytes, with TinyLFU admission (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient
//! Cache Admission Policy", 2017). What may be kept is decided under a stripe of [`Epochs`].

use std::sync::Arc;
use std::time::{Duration, Instant as ProcessInstant};

use async_trait::async_trait;
use hotshelf_stats::{IntCounter, TierLevels};
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::sync::Cache as Moka;
use tokio::time::Instant;
use wildmatch::WildMatch;

use crate::epochs::Epochs;
use crate::key::Key;
use crate::region::Region;
use crate::tier::{Begun, Claim, DeleteError, Fill, Hit, Intent, Lookup, Outcome, Slot, Tier, Unsettled};
use crate::value::{Source, Value};

/// What an entry costs beyond its key and payload: the map's node, the policy's queues, the reference counts. Measured
/// with a million entries of 250 bytes.
const OVERHEAD: usize = 200;

pub(crate) struct MemoryTier {
    entries: Moka<Key, Arc<Entry>, foldhash::fast::RandomState>,
    epochs: Arc<Epochs>,
}

/// A copy in memory.
struct Entry {
    value: Option<Value>,
    expires_at: Instant,
    /// Void when the region's collection has moved on from here; `None` when the entry does not depend on it.
    generation: Option<u64>,
    evictions: IntCounter,
}

/// Lets moka drop entries at the end of their own lives instead of carrying them until they are evicted.
struct OwnLife;

impl Expiry<Key, Arc<Entry>> for OwnLife {
    fn expire_after_create(&self, _: &Key, entry: &Arc<Entry>, _: ProcessInstant) -> Option<Duration> {
        Some(entry.remaining())
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Arc<Entry>,
        _: ProcessInstant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.remaining())
    }
}

impl Entry {
    /// What is left of its life, zero at its end.
    fn remaining(&self) -> Duration {
        self.expires_at.saturating_duration_since(Instant::now())
    }
}

impl MemoryTier {
    pub(crate) fn new(max_bytes: u64, epochs: Arc<Epochs>) -> Self {
        let entries = Moka::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &Key, entry: &Arc<Entry>| {
                let payload = entry.value.as_ref().map_or(0, |value| value.payload.len());
                u32::try_from(key.as_str().len() + payload + OVERHEAD).unwrap_or(u32::MAX)
            })
            .expire_after(OwnLife)
            .eviction_listener(|_, entry: Arc<Entry>, cause| {
                if cause == RemovalCause::Size {
                    entry.evictions.inc();
                }
            })
            .build_with_hasher(foldhash::fast::RandomState::default());
        MemoryTier { entries, epochs }
    }

    /// The living copy, if there is one.
    fn get(&self, region: &Region, key: &Key) -> Option<Hit> {
        let entry = self.entries.get(key)?;
        let current = entry.generation.is_none_or(|generation| generation == region.collection().generation());
        let ttl = entry.remaining();
        let lives = current && !ttl.is_zero();
        lives.then(|| Hit { value: entry.value.clone(), ttl, source: |ttl| Source::L1 { ttl } })
    }

    fn keep(&self, slot: &Slot, value: Option<&Value>, generation: u64, ttl: Duration) {
        let entry = Entry {
            generation: slot.region.depends(value.is_none()).then_some(generation),
            value: value.cloned(),
            expires_at: Instant::now() + ttl,
            evictions: slot.region.counters().evictions.clone(),
        };
        self.entries.insert(slot.key.clone(), Arc::new(entry));
    }
}

#[async_trait]
impl Tier for MemoryTier {
    fn peek(&self, region: &Region, key: &Key) -> Option<Hit> {
        self.get(region, key)
    }

    fn peeked_in_vain(&self, region: &Region) {
        region.counters().misses_l1.inc();
    }

    fn forget(&self, slot: &Slot) {
        self.epochs.advance(&slot.key, || self.entries.invalidate(&slot.key));
    }

    async fn lookup(&self, slot: &Slot) -> Lookup {
        // The stamp comes before the look: what the look misses is loaded under it.
        let stamp = self.epochs.stamp(&slot.region, &slot.key);
        self.get(&slot.region, &slot.key).map_or(Lookup::Miss(Some(Claim::Memory(stamp))), Lookup::Hit)
    }

    async fn fill(&self, slot: &Slot, claim: Claim, value: Option<&Value>, ttl: Duration) -> Fill {
        let Claim::Memory(stamp) = claim else { return Fill::Refused };
        let kept = self.epochs.fill(&slot.key, stamp, || self.keep(slot, value, stamp.generation, ttl));
        if kept { Fill::Stored } else { Fill::Refused }
    }

    async fn begin(&self, _: &Intent) -> Begun {
        // A copy made from here to the commit is dropped in `finish`, before the write is acknowledged.
        Begun::Fenced
    }

    async fn finish(&self, intent: &Intent, outcome: &Outcome) -> Result<(), Unsettled> {
        let (Some(slot), Outcome::Changed { keep, .. }) = (&intent.slot, outcome) else { return Ok(()) };
        match keep {
            None => self.forget(slot),
            // Writers of one key take turns, so this is the newest value there is.
            Some(value) => self.epochs.advance(&slot.key, || {
                let generation = slot.region.collection().generation();
                self.keep(slot, Some(value), generation, slot.region.next_ttl(false));
            }),
        }
        Ok(())
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError> {
        let pattern = WildMatch::new(pattern);
        let matching = self.entries.iter().filter(|(key, _)| pattern.matches(key.as_str()));
        let keys: Vec<Key> = matching.map(|(key, _)| Key::clone(&key)).collect();
        for key in &keys {
            self.epochs.advance(key, || self.entries.invalidate(key));
        }
        Ok(keys.len() as u64)
    }

    /// Does the policy's pending work first, so that the numbers are those of now.
    fn report(&self, levels: &mut TierLevels) {
        self.entries.run_pending_tasks();
        levels.l1_entries = self.entries.entry_count();
        levels.l1_bytes = self.entries.weighted_size();
    }
}

#[cfg(test)]
mod tests;

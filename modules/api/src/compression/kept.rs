//! Compressed beginnings of bodies that were sent lately. What was kept of a body is used only for the very same bytes,
//! so it can be no staler than they are.

use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use xxhash_rust::xxh3::xxh3_64;

use super::beginning::Beginning;
use super::coding::Coding;

/// Bytes in memory, and those of one body.
const CAPACITY: u64 = 16 << 20;
const LARGEST: usize = 1 << 20;
/// What an entry takes besides its bytes.
const OVERHEAD: usize = 256;

pub(super) struct KeptBeginnings(Cache<(u64, Coding), Arc<Entry>>);

struct Entry {
    head: &'static str,
    payload: Bytes,
    beginning: Arc<Beginning>,
}

impl Entry {
    fn is_of(&self, head: &str, payload: &Bytes) -> bool {
        self.head == head && self.payload == *payload
    }

    fn size(&self) -> usize {
        self.payload.len() + self.beginning.len() + OVERHEAD
    }
}

impl KeptBeginnings {
    pub(super) fn new() -> Self {
        let weigher = |_: &(u64, Coding), entry: &Arc<Entry>| u32::try_from(entry.size()).unwrap_or(u32::MAX);
        KeptBeginnings(Cache::builder().max_capacity(CAPACITY).weigher(weigher).build())
    }

    /// The compressed beginning of a body.
    pub(super) fn find(&self, coding: Coding, head: &str, payload: &Bytes) -> Option<Arc<Beginning>> {
        let entry = self.0.get(&key(coding, payload))?;
        entry.is_of(head, payload).then(|| Arc::clone(&entry.beginning))
    }

    pub(super) fn keep(&self, coding: Coding, head: &'static str, payload: &Bytes, beginning: &Arc<Beginning>) {
        if payload.len() <= LARGEST {
            // A copy: the bytes may be a part of a larger buffer, which they would keep in memory.
            let copy = Bytes::copy_from_slice(payload);
            let entry = Entry { head, payload: copy, beginning: Arc::clone(beginning) };
            self.0.insert(key(coding, payload), Arc::new(entry));
        }
    }

    /// The bytes that are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}

/// Two bodies of the same key take turns.
fn key(coding: Coding, payload: &[u8]) -> (u64, Coding) {
    (xxh3_64(payload), coding)
}

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::mem;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::subject::Subject;
use crate::subject_state::SubjectState;

/// In both generations of all shards.
const MOST_SUBJECTS: usize = 65_536;
const SHARDS: usize = 64;

/// A subject, and the number of the scope under whose limit it is.
type SubjectKey = (u64, Subject);

/// What this process knows of all subjects, in shards with a lock each. A shard is bounded: when its young generation
/// is full, that becomes the old one, and the one that was is forgotten. What is used is young.
pub(crate) struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    young: HashMap<SubjectKey, SubjectState, RandomState>,
    old: HashMap<SubjectKey, SubjectState, RandomState>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Memory { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::default() }
    }

    /// Changes what is known of a subject, of which nothing need have been known.
    pub(crate) fn with<T>(&self, key: SubjectKey, change: impl FnOnce(&mut SubjectState) -> T) -> T {
        let mut shard = self.shards[self.hasher.hash_one(&key) as usize % SHARDS].lock();
        let Shard { young, old } = &mut *shard;
        let outcome = change(young.entry(key).or_insert_with_key(|key| old.remove(key).unwrap_or_default()));
        if young.len() >= MOST_SUBJECTS / SHARDS / 2 {
            *old = mem::take(young);
        }
        outcome
    }

    /// How many subjects are known.
    pub(crate) fn subjects(&self) -> usize {
        self.shards.iter().map(Mutex::lock).map(|shard| shard.young.len() + shard.old.len()).sum()
    }
}

#[cfg(test)]
mod tests;

//! What this process itself knows of subjects: what it has let through, and who was refused until when. Bounded.
//!
//! It serves three ends. Without Redis, it is the limit. With Redis, who is known to be refused costs Redis nothing. And
//! when Redis has lost its memory, what this process has let through still counts.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::limit::Limit;
use crate::subject::Subject;
use crate::window::{Taken, Window};

const SHARDS: usize = 16;
/// Over all shards, in both generations. A subject is about 150 bytes.
const MOST_SUBJECTS: usize = 65_536;
/// Over all shards, in both generations: 16 bytes each.
const MOST_BUCKETS: usize = 1 << 20;
/// A refusal is forgotten after this long at the latest, so that an operator who deletes a key in Redis is soon obeyed.
const LONGEST_REFUSAL: u64 = 1_000;

/// A subject under the limit of one scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SubjectKey {
    /// The number of the scope.
    pub(crate) scope: usize,
    pub(crate) subject: Subject,
}

pub(crate) struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

/// Two generations. What is used moves to the young one; when that is full, it becomes the old one, and the one that was is
/// forgotten: those subjects were not heard of for the longest time.
#[derive(Default)]
struct Shard {
    young: Subjects,
    old: Subjects,
    /// In the windows of the young ones, as they were when last used.
    buckets: usize,
}

type Subjects = HashMap<SubjectKey, Known, RandomState>;

#[derive(Default)]
struct Known {
    window: Window,
    refusal: Option<Refusal>,
}

/// All places are taken, maybe by other processes.
#[derive(Clone, Copy)]
struct Refusal {
    until: u64,
    /// When a place comes back: not before `until`.
    place_back: u64,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Memory { shards: Default::default(), hasher: RandomState::default() }
    }

    /// Takes places here and nowhere else.
    pub(crate) fn take(&self, key: &SubjectKey, limit: Limit, now: u64, wanted: u32) -> Taken {
        self.with(key, |known| known.window.take(limit, now, wanted))
    }

    /// If Redis would certainly refuse this subject: for how many milliseconds, more or less. A grant is noted here up to
    /// `margin` later than in Redis, and may count there for less long by that much and the width of a bucket or two.
    pub(crate) fn refusal(&self, key: &SubjectKey, limit: Limit, now: u64, margin: u64) -> Option<u64> {
        let shard = self.shard(key).lock();
        let known = shard.young.get(key).or_else(|| shard.old.get(key))?;
        if let Some(refusal) = known.refusal.filter(|refusal| now < refusal.until) {
            return Some(refusal.place_back - now);
        }
        let margin = margin + 2 * limit.width_ms();
        let full = known.window.is_full_until(limit, now + margin);
        let place_back = known.window.oldest_ends(limit).unwrap_or(now) + limit.width_ms();
        full.then(|| place_back.saturating_sub(now).max(1))
    }

    /// Notes what Redis has said to a step that was sent at `sent`. All it says was so at some moment between then and
    /// `now`: what it granted is counted as of now, which is late; a place is expected back as of then, which is early.
    pub(crate) fn note(&self, key: &SubjectKey, limit: Limit, (sent, now): (u64, u64), wanted: u32, taken: Taken) {
        self.with(key, |known| {
            known.window.record(limit, now, taken.granted);
            let place_back = sent + taken.wait;
            known.refusal = (taken.granted < wanted && place_back > now)
                .then(|| Refusal { until: place_back.min(sent + LONGEST_REFUSAL), place_back });
        });
    }

    /// How many subjects are known.
    pub(crate) fn subjects(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(count).sum()
    }

    fn with<T>(&self, key: &SubjectKey, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut shard = self.shard(key).lock();
        let forgotten = shard.make_room();
        let outcome = shard.change(key, change);
        drop(shard);
        // Thousands of them, perhaps: not while others wait for the lock.
        drop(forgotten);
        outcome
    }

    fn shard(&self, key: &SubjectKey) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl Shard {
    fn change<T>(&mut self, key: &SubjectKey, change: impl FnOnce(&mut Known) -> T) -> T {
        if !self.young.contains_key(key) {
            let known = self.old.remove(key).unwrap_or_default();
            self.buckets += known.window.buckets();
            self.young.insert(key.clone(), known);
        }
        let known = self.young.entry(key.clone()).or_default();
        let before = known.window.buckets();
        let outcome = change(known);
        self.buckets = (self.buckets + known.window.buckets()).saturating_sub(before);
        outcome
    }

    fn make_room(&mut self) -> Option<Subjects> {
        let full = self.young.len() >= MOST_SUBJECTS / SHARDS / 2 || self.buckets >= MOST_BUCKETS / SHARDS / 2;
        full.then(|| {
            self.buckets = 0;
            std::mem::replace(&mut self.old, std::mem::take(&mut self.young))
        })
    }
}

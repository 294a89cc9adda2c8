//! What this process itself knows of subjects: what it has let through, and who was refused until when. Bounded.
//!
//! It serves three ends. Without Redis, it is the limit. With Redis, who is known to be refused costs Redis nothing. And
//! when Redis has lost its memory, what this process has let through still counts.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::limit::Limit;
use crate::limiter::Standing;
use crate::reserve::{GivenBack, Reserve};
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
    reserve: Reserve,
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

    /// Uses a place that was taken ahead, if there is one.
    pub(crate) fn use_reserve(&self, key: &SubjectKey, limit: Limit, now: u64) -> Option<Standing> {
        let mut shard = self.shard(key).lock();
        let known = shard.young.get_mut(key)?;
        let remaining = known.reserve.use_one(now)?;
        let before = known.window.buckets();
        known.window.record(limit, now, 1);
        let (after, reset) = (known.window.buckets(), known.reserve.place_back.saturating_sub(now));
        shard.buckets = (shard.buckets + after).saturating_sub(before);
        Some(Standing { remaining, reset: Duration::from_millis(reset) })
    }

    /// For a step for so many: what it gives back of what was taken ahead before, and how many places it takes ahead. A step
    /// for nobody only gives back what is over.
    pub(crate) fn plan(&self, key: &SubjectKey, limit: Limit, now: u64, wanted: u32) -> (GivenBack, u32) {
        let mut shard = self.shard(key).lock();
        let shard = &mut *shard;
        let known = shard.young.get_mut(key).or_else(|| shard.old.get_mut(key));
        let Some(Known { reserve, .. }) = known else { return Default::default() };
        match wanted {
            0 => (reserve.give_back_if_over(now), 0),
            // Those who ask have used up what there was, or it is over.
            _ => {
                let ahead = reserve.next(limit, now, wanted);
                (reserve.give_back(), ahead)
            }
        }
    }

    /// If Redis would certainly refuse this subject: for how many milliseconds, more or less. A grant is noted here up to
    /// `margin` later than in Redis, and may count there for less long by that much and the width of some buckets.
    pub(crate) fn refusal(&self, key: &SubjectKey, limit: Limit, now: u64, margin: u64) -> Option<u64> {
        let shard = self.shard(key).lock();
        let known = shard.young.get(key).or_else(|| shard.old.get(key))?;
        if let Some(refusal) = known.refusal.filter(|refusal| now < refusal.until) {
            return Some(refusal.place_back - now);
        }
        let margin = margin + 3 * limit.width_ms();
        let full = known.window.is_full_until(limit, now + margin);
        let place_back = known.window.oldest_ends(limit).unwrap_or(now) + limit.width_ms();
        full.then(|| place_back.saturating_sub(now).max(1))
    }

    /// Notes what Redis has said to a step that was sent at `sent`. All it says was so at some moment between then and
    /// `now`: what it granted is counted as of now, which is late; a place is expected back as of then, which is early.
    ///
    /// When what was taken ahead must be given back, if there is any.
    pub(crate) fn note(
        &self,
        key: &SubjectKey,
        limit: Limit,
        (sent, now): (u64, u64),
        wanted: u32,
        taken: Taken,
    ) -> Option<u64> {
        self.with(key, |known| {
            known.window.record(limit, now, taken.granted);
            // A step that only gives back says nothing of how many are needed.
            if wanted > 0 {
                known.reserve = known.reserve.renewed(sent, taken);
            }
            let place_back = sent + taken.wait;
            known.refusal = (taken.granted < wanted && place_back > now)
                .then(|| Refusal { until: place_back.min(sent + LONGEST_REFUSAL), place_back });
            known.reserve.ends()
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> SubjectKey {
        SubjectKey { scope: 0, subject: Subject::new(&format!("s{number}")) }
    }

    #[test]
    fn it_is_bounded_and_forgets_those_first_that_were_not_heard_of_for_longest() {
        let memory = Memory::new();
        let limit = Limit::new(2, Duration::from_secs(3_600)).unwrap();
        let busy = key(0);
        assert_eq!(memory.take(&busy, limit, 0, 1).left, 1);
        for number in 1..2 * MOST_SUBJECTS {
            memory.take(&key(number), limit, 0, 1);
            if number % 256 == 0 {
                assert_eq!(memory.take(&busy, limit, 0, 0).left, 1, "forgotten after {number} others");
            }
        }
        assert!(memory.subjects() <= MOST_SUBJECTS, "{} subjects", memory.subjects());
        assert_eq!(memory.take(&key(1), limit, 0, 0).left, 2, "heard of longest ago");
    }

    #[test]
    fn large_windows_are_bounded_together() {
        let memory = Memory::new();
        let limit = Limit::new(1_000, Duration::from_secs(1)).unwrap();
        for number in 0..2 * MOST_BUCKETS / 1_000 {
            for now in 0..1_000 {
                memory.take(&key(number), limit, now, 1);
            }
        }
        let count = |subjects: &Subjects| subjects.values().map(|known| known.window.buckets()).sum::<usize>();
        let count = |shard: &Mutex<Shard>| {
            let shard = shard.lock();
            count(&shard.young) + count(&shard.old)
        };
        let buckets: usize = memory.shards.iter().map(count).sum();
        assert!(buckets <= MOST_BUCKETS + SHARDS * 1_002, "{buckets} buckets");
    }

    #[test]
    fn a_refusal_is_certain_only_while_what_is_noted_here_still_counts_in_redis() {
        let memory = Memory::new();
        let limit = Limit::new(1, Duration::from_secs(10)).unwrap();
        let granted = Taken { granted: 1, wait: 10_010, ..Taken::default() };
        memory.note(&key(1), limit, (1_000, 1_020), 1, granted);
        let refusal = |now| memory.refusal(&key(1), limit, now, 100);
        assert_eq!(refusal(1_020), Some(10_020));
        // In Redis the place may have been taken 20 ms before, and be back at 11 s.
        assert!(refusal(10_899).is_some() && refusal(10_900).is_none());
    }

    #[test]
    fn a_refusal_by_redis_is_believed_until_the_place_is_back_and_for_a_second_at_most() {
        let memory = Memory::new();
        let limit = Limit::new(9, Duration::from_secs(10)).unwrap();
        for (wait, until) in [(300, 1_300), (9_000, 2_000)] {
            memory.note(&key(1), limit, (1_000, 1_020), 1, Taken { wait, ..Taken::default() });
            assert_eq!(memory.refusal(&key(1), limit, until - 1, 100), Some(1_000 + wait - (until - 1)));
            assert_eq!(memory.refusal(&key(1), limit, until, 100), None);
        }
    }
}

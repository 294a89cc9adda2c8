use std::collections::HashMap;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::limit::Limit;
use crate::prefetch::PrefetchedPermits;
use crate::redis::Answer;
use crate::scope::{Decision, Quota};
use crate::subject::Subject;
use crate::window::Window;

/// In both generations.
const MOST_SUBJECTS: usize = 65_536;
/// A refusal by Redis is asked for again after this long, so that an operator who deletes a key there is soon obeyed.
const LONGEST_REFUSAL_MS: u64 = 1_000;

/// A subject, and the number of the scope under whose limit it is.
pub(crate) type SubjectKey = (u64, Subject);
type Subjects = HashMap<SubjectKey, SubjectState, RandomState>;

/// What this process knows of a subject. Times are milliseconds since the limiter was made.
#[derive(Default)]
pub(crate) struct SubjectState {
    /// The limit while Redis is away, and what still counts when Redis has lost its memory.
    pub(crate) let_through: Window,
    pub(crate) permits: PrefetchedPermits,
    /// What the last step left in Redis, when one more is free there, and when that was asked.
    left: u32,
    next_free: u64,
    asked: u64,
}

/// What this process knows of all subjects, bounded: when the young generation is full it becomes the old one, and
/// the one that was is forgotten. What is used is young. One lock, held for a tenth of a microsecond at a time.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Subjects,
    old: Subjects,
}

impl SubjectState {
    /// The decision, if no step in Redis is needed for it. `margin` is the most ms that an answer of Redis takes.
    pub(crate) fn decide(&mut self, limit: Limit, now: u64, margin: u64) -> Option<Decision> {
        if !self.permits.use_one(now) {
            return self.refusal(limit, now, margin).map(Decision::Refused);
        }
        self.let_through.record(limit, now, 1);
        Some(Decision::Allowed(Quota::new(self.left.saturating_add(self.permits.unused), now, self.next_free)))
    }

    /// The quota of a subject that Redis would certainly refuse: it has said so just now, or what this process has let
    /// through uses up the limit.
    pub(crate) fn refusal(&self, limit: Limit, now: u64, margin: u64) -> Option<Quota> {
        if self.left == 0 && self.permits.unused == 0 && now < self.next_free.min(self.asked + LONGEST_REFUSAL_MS) {
            return Some(Quota::new(0, now, self.next_free));
        }
        (self.room(limit, now, margin) == 0).then(|| self.used_up(limit, now))
    }

    /// How many more this process may let through at most, whatever Redis grants: it may have lost its memory, or not
    /// know of what was let through without it. What was let through counts here up to `margin` and a bucket longer.
    pub(crate) fn room(&self, limit: Limit, now: u64, margin: u64) -> u32 {
        limit.requests().saturating_sub(self.let_through.count(limit, now + margin + 2 * limit.bucket_ms()))
    }

    /// The quota when what this process has let through uses up the limit.
    pub(crate) fn used_up(&self, limit: Limit, now: u64) -> Quota {
        Quota::new(0, now, self.let_through.next_free(limit, now) + limit.bucket_ms())
    }

    /// Notes the answer to a step, and gives each of the requests its decision. All it says was so at some moment
    /// between `sent` and `now`: what was granted counts here as of now, which is late, and is expected back as of
    /// then, which is early.
    pub(crate) fn note(&mut self, limit: Limit, sent: u64, now: u64, wanted: u32, answer: &Answer) -> Vec<Decision> {
        let &Answer { granted, left, next_free_ms, .. } = answer;
        self.let_through.record(limit, now, granted.min(wanted));
        if wanted > 0 {
            self.permits.refill(granted.saturating_sub(wanted), sent, answer);
        }
        (self.left, self.next_free, self.asked) = (left, sent + next_free_ms, sent);
        // The first ones have the permits, and saw more that were left.
        let decision = |place| match granted.checked_sub(place) {
            Some(behind) => Decision::Allowed(Quota::new(left.saturating_add(behind), now, now + next_free_ms)),
            None => Decision::Refused(Quota::new(0, now, now + next_free_ms)),
        };
        (1..=wanted).map(decision).collect()
    }
}

impl Memory {
    /// Changes what is known of a subject, of which nothing need have been known.
    pub(crate) fn with<T>(&self, key: SubjectKey, change: impl FnOnce(&mut SubjectState) -> T) -> T {
        let mut generations = self.0.lock();
        let Generations { young, old } = &mut *generations;
        let state = young.entry(key).or_insert_with_key(|key| old.remove(key).unwrap_or_default());
        let outcome = change(state);
        let full = young.len() >= MOST_SUBJECTS / 2;
        let forgotten = full.then(|| std::mem::replace(old, std::mem::take(young)));
        drop(generations);
        // Thousands of them, perhaps: not while others wait for the lock.
        drop(forgotten);
        outcome
    }

    /// How many subjects are known.
    pub(crate) fn subjects(&self) -> usize {
        let generations = self.0.lock();
        generations.young.len() + generations.old.len()
    }
}

#[cfg(test)]
mod tests;

use std::mem;

use crate::limit::Limit;
use crate::redis::{Answer, Step};
use crate::scope::{Decision, Quota};
use crate::window::Window;

/// A bucket may last longer, but other instances should not wait so long for what is not used here. And a refusal by
/// Redis is asked for again after this long, so that an operator who deletes a key there is soon obeyed.
const LONGEST_TRUST_MS: u64 = 1_000;
/// The most that one step prefetches.
const LARGEST_BATCH: u32 = 10_000;
/// Between the clock of Redis and this one, both of which are read in whole milliseconds.
const ROUNDING_MS: u64 = 2;

/// What this process knows of a subject. Times are milliseconds since the limiter was made.
///
/// A step in Redis may take more permits than were asked for, so that the next requests need no step. They are used
/// only until the end of the bucket in which Redis counts them, so each counts for its whole window; then the rest is
/// given back.
#[derive(Default)]
pub(crate) struct SubjectState {
    /// The limit while Redis is away, and what still counts when Redis has lost its memory.
    pub(crate) let_through: Window,
    /// Permits that Redis has granted and nobody has used.
    pub(crate) unused: u32,
    /// How many the next step prefetches.
    batch: u32,
    /// The answer to the last step that wanted any, and when that was sent.
    answer: Answer,
    sent: u64,
}

impl SubjectState {
    /// The decision, if no step in Redis is needed for it.
    pub(crate) fn decide(&mut self, limit: Limit, now: u64) -> Option<Decision> {
        match self.unused > 0 && now < self.expiry() {
            true => Some(self.use_permit(limit, now)),
            false => self.refusal(limit, now).map(Decision::Refused),
        }
    }

    /// The quota of a subject that Redis would certainly refuse: it has said so just now, or what this process has let
    /// through uses up the limit.
    pub(crate) fn refusal(&self, limit: Limit, now: u64) -> Option<Quota> {
        let Answer { left, next_free_ms, .. } = self.answer;
        if left == 0 && self.unused == 0 && now < self.sent + next_free_ms.min(LONGEST_TRUST_MS) {
            return Some(Quota::new(0, now, self.sent + next_free_ms));
        }
        let next_free = || self.let_through.next_free(limit, now) + limit.bucket_ms();
        (self.room(limit, now) == 0).then(|| Quota::new(0, now, next_free()))
    }

    /// Decides by what this process alone has let through.
    pub(crate) fn decide_alone(&mut self, limit: Limit, now: u64) -> Decision {
        // They would come on top of what is let through now, if Redis is soon back. It goes on to count them.
        self.unused = 0;
        self.let_through.decide(limit, now)
    }

    /// The step in Redis for so many requests, or to give back what is over. It wants no more than this process may
    /// let through, whatever Redis grants: it may have lost its memory, or not know of what was let through without it.
    pub(crate) fn step(&mut self, key: String, limit: Limit, now: u64, waiting: usize) -> Step {
        let room = self.room(limit, now);
        let wanted = room.min(waiting as u32);
        let mut step = Step { key, limit, wanted, prefetch: 0, unused: 0, bucket: self.answer.bucket };
        if wanted > 0 || now >= self.expiry() {
            step.unused = mem::take(&mut self.unused);
            // Batches double while they are used up in time, and halve when they are not.
            self.batch = match step.unused {
                _ if now > self.expiry() + LONGEST_TRUST_MS => 0,
                0 if now < self.expiry() => (2 * self.batch).saturating_add(wanted).min(LARGEST_BATCH),
                0 => self.batch,
                _ => self.batch / 2,
            };
            step.prefetch = if wanted > 0 { self.batch.min(room - wanted) } else { 0 };
        }
        step
    }

    /// Notes the answer to a step that wanted permits. Those who wait for it can then use them, as of when it was sent,
    /// which is no later than Redis has counted them.
    /// Never more than this process may still let through: meanwhile it may have decided without Redis.
    pub(crate) fn note(&mut self, limit: Limit, answer: Answer, sent: u64) {
        (self.unused, self.answer, self.sent) = (answer.granted.min(self.room(limit, sent)), answer, sent);
    }

    /// Uses one of the permits that Redis has granted, if there is one.
    pub(crate) fn use_permit(&mut self, limit: Limit, now: u64) -> Decision {
        let next_free = self.sent + self.answer.next_free_ms;
        let Some(rest) = self.unused.checked_sub(1) else {
            return Decision::Refused(Quota::new(0, now, next_free));
        };
        self.unused = rest;
        self.let_through.record(limit, now);
        Decision::Allowed(Quota::new(self.answer.left.saturating_add(rest), now, next_free))
    }

    /// When the bucket of the unused permits is over.
    fn expiry(&self) -> u64 {
        self.sent + self.answer.bucket_left_ms.saturating_sub(ROUNDING_MS).min(LONGEST_TRUST_MS)
    }

    /// How many more this process may let through. A permit counts until a window after the beginning of its bucket
    /// here, which is no longer than in Redis: whoever comes back when Redis has said is not refused.
    fn room(&self, limit: Limit, now: u64) -> u32 {
        limit.requests().saturating_sub(self.let_through.count(limit, now + limit.bucket_ms()))
    }
}

#[cfg(test)]
mod tests;

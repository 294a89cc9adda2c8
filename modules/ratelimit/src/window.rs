use crate::limit::Limit;
use crate::scope::{Decision, Quota};

/// What this process has let through for one subject: an exact sliding window. Redis counts in the same way
/// (`redis/take.lua`); tests hold both against a plain count.
///
/// Permits are counted in buckets of a hundredth of the window, and a bucket counts until a whole window after its
/// end. So no stretch of time as long as the window has more in it than the limit, and a permit is free again a
/// bucket late at most. Times are milliseconds since the limiter was made.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Permits of each bucket up to `newest`, from the first one that counts: at most 102.
    counts: Vec<u32>,
    newest: u64,
}

impl Window {
    /// Uses a permit if one is left.
    pub(crate) fn decide(&mut self, limit: Limit, now: u64) -> Decision {
        let left = limit.requests().saturating_sub(self.count(limit, now));
        if left == 0 {
            return Decision::Refused(Quota::new(0, now, self.next_free(limit, now)));
        }
        self.record(limit, now);
        Decision::Allowed(Quota::new(left - 1, now, self.next_free(limit, now)))
    }

    /// Counts a permit that was used at that time, which may lie some buckets back.
    pub(crate) fn record(&mut self, limit: Limit, at: u64) {
        let bucket = at / limit.bucket_ms();
        if bucket > self.newest || self.counts.is_empty() {
            let expired = self.counts.len() - self.counting(limit, at).len();
            self.counts.drain(..expired);
            let passed = if self.counts.is_empty() { 1 } else { bucket - self.newest };
            self.counts.resize(self.counts.len() + passed as usize, 0);
            self.newest = bucket;
        }
        let older = (self.newest - bucket) as usize;
        let place = self.counts.len().saturating_sub(older + 1);
        self.counts[place] += 1;
    }

    /// Permits that count at that time, if no more are used until then.
    pub(crate) fn count(&self, limit: Limit, at: u64) -> u32 {
        self.counting(limit, at).iter().sum()
    }

    /// When the oldest permit is free again; 0 if none is used.
    pub(crate) fn next_free(&self, limit: Limit, now: u64) -> u64 {
        let counting = self.counting(limit, now);
        let Some(oldest) = counting.iter().position(|count| *count > 0) else { return 0 };
        let younger = (counting.len() - oldest - 1) as u64;
        (self.newest - younger + 1) * limit.bucket_ms() + limit.window_ms
    }

    /// The buckets that count at that time.
    fn counting(&self, limit: Limit, at: u64) -> &[u32] {
        let oldest = at.saturating_sub(limit.window_ms) / limit.bucket_ms();
        let number = (self.newest + 1).saturating_sub(oldest) as usize;
        &self.counts[self.counts.len().saturating_sub(number)..]
    }
}

#[cfg(test)]
pub(crate) mod tests;

use crate::limit::Limit;
use crate::scope::{Decision, Quota};

/// What this process has let through for one subject: an exact sliding window. Redis counts in the same way
/// (`redis/take.lua`); tests hold both against a plain count.
///
/// Permits are counted in buckets of a hundredth of the window, and a bucket counts until a whole window after its
/// end. So no stretch of time as long as the window has more in it than the limit, and a permit is free again a
/// bucket late at most. Times are milliseconds of a clock that never goes back.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The ends of buckets and their counts, oldest first: at most 102, and no more than the limit.
    buckets: Vec<(u64, u32)>,
}

impl Window {
    /// Takes a permit if one is left.
    pub(crate) fn decide(&mut self, limit: Limit, now: u64) -> Decision {
        let taken = self.count(limit, now);
        if taken >= limit.requests() {
            return Decision::Refused(Quota::new(0, now, self.next_free(limit, now)));
        }
        self.record(limit, now, 1);
        Decision::Allowed(Quota::new(limit.requests() - taken - 1, now, self.next_free(limit, now)))
    }

    /// Counts permits that were granted by Redis.
    pub(crate) fn record(&mut self, limit: Limit, now: u64, permits: u32) {
        let end = (now / limit.bucket_ms() + 1) * limit.bucket_ms();
        match self.buckets.last_mut() {
            Some((newest, count)) if *newest == end => *count = count.saturating_add(permits),
            _ if permits > 0 => {
                self.buckets.retain(|(end, _)| end + limit.window_ms > now);
                self.buckets.push((end, permits));
            }
            _ => {}
        }
    }

    /// Permits that count at that time, if no more are taken until then.
    pub(crate) fn count(&self, limit: Limit, at: u64) -> u32 {
        self.buckets
            .iter()
            .filter(|(end, _)| end + limit.window_ms > at)
            .fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// When the oldest permit is free again; 0 if none is taken.
    pub(crate) fn next_free(&self, limit: Limit, now: u64) -> u64 {
        self.buckets.iter().map(|(end, _)| end + limit.window_ms).find(|free| *free > now).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;

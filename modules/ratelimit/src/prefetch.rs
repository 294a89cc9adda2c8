use crate::redis::Answer;

/// A bucket may last longer, but other instances should not wait so long for what is not used here.
const LONGEST_LIFE_MS: u64 = 1_000;
/// The most that one step prefetches.
const LARGEST_BATCH: u32 = 10_000;
/// Between the clock of Redis and this one, both of which are read in whole milliseconds.
const ROUNDING_MS: u64 = 2;

/// Permits that a step in Redis took beside those that were asked for, so that the next requests need no step. They
/// are used only until the end of the bucket in which Redis counts them, so each counts for its whole window; then
/// the rest is given back.
#[derive(Debug, Default)]
pub(crate) struct PrefetchedPermits {
    pub(crate) unused: u32,
    pub(crate) bucket: u64,
    pub(crate) expiry: u64,
    /// How many the next step prefetches.
    batch: u32,
}

impl PrefetchedPermits {
    /// Whether there was one to use.
    pub(crate) fn use_one(&mut self, now: u64) -> bool {
        let used = self.unused > 0 && now < self.expiry;
        self.unused -= u32::from(used);
        used
    }

    /// What a step for so many requests gives back, and how many it prefetches. Without any, it only gives back what
    /// is over. Batches double while they are used up in time, and halve when they are not.
    pub(crate) fn exchange(&mut self, now: u64, wanted: u32) -> (u32, u32) {
        if wanted == 0 && now < self.expiry {
            return (0, 0);
        }
        let unused = std::mem::take(&mut self.unused);
        self.batch = match unused {
            _ if now > self.expiry + LONGEST_LIFE_MS => 0,
            0 if now < self.expiry => (2 * self.batch).saturating_add(wanted).min(LARGEST_BATCH),
            0 => self.batch,
            _ => self.batch / 2,
        };
        (unused, if wanted > 0 { self.batch } else { 0 })
    }

    /// Takes in what the step has brought that was sent at `sent`.
    pub(crate) fn refill(&mut self, permits: u32, sent: u64, answer: &Answer) {
        let life = answer.bucket_left_ms.saturating_sub(ROUNDING_MS).min(LONGEST_LIFE_MS);
        (self.unused, self.bucket, self.expiry) = (permits, answer.bucket, sent + life);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten permits that were prefetched at 1 s, of a bucket that is over at 1.05 s.
    fn ten() -> PrefetchedPermits {
        let mut permits = PrefetchedPermits { batch: 10, ..PrefetchedPermits::default() };
        permits.refill(10, 1_000, &answer(7));
        permits
    }

    fn answer(bucket: u64) -> Answer {
        Answer { granted: 10, left: 0, next_free_ms: 0, bucket, bucket_left_ms: 50 }
    }

    #[test]
    fn permits_are_used_while_their_bucket_lasts_and_given_back_once() {
        let mut permits = ten();
        assert!(permits.use_one(1_000) && permits.use_one(1_047) && !permits.use_one(1_048));
        assert_eq!(permits.exchange(1_047, 0), (0, 0), "they are not over");
        assert_eq!((permits.exchange(1_048, 0), permits.exchange(1_048, 0)), ((8, 0), (0, 0)));
    }

    #[test]
    fn batches_follow_what_is_used() {
        let mut permits = ten();
        assert!((0..10).all(|_| permits.use_one(1_001)) && !permits.use_one(1_001));
        assert_eq!(permits.exchange(1_002, 3), (0, 23), "used up in time");
        permits.refill(23, 1_002, &answer(7));
        assert_eq!(permits.exchange(1_060, 1), (23, 11), "not used");
        permits.refill(0, 1_060, &answer(8));
        assert_eq!(permits.exchange(1_200, 1), (0, 11), "none was lacking in its time");
        assert_eq!(permits.exchange(3_000, 1), (0, 0), "that was long ago");
    }
}

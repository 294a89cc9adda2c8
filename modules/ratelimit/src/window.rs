//! The sliding window. The script in Redis (`redis/take.lua`) does the same; a test lets both go through the same times.
//!
//! What was let through is counted in buckets of a thousandth of the window each, and a bucket counts until all of it is
//! out of the window. So whatever was let through counts for at least as long as the window, and no stretch of time as long
//! as the window ever has more in it than the limit. The price is that a place comes back up to a thousandth of the
//! window late.

use std::collections::VecDeque;

use crate::limit::Limit;

/// What was let through, for one subject under one limit.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Numbers and counts, oldest first; no count is 0. At most 1,002, and no more than the limit.
    buckets: VecDeque<(u64, u32)>,
    total: u32,
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Of the places that were wanted.
    pub(crate) granted: u32,
    /// Places that are left.
    pub(crate) left: u32,
    /// Milliseconds until the next place comes back; 0 if none is taken.
    pub(crate) wait: u64,
    /// Places that were taken ahead, beside those that are granted and those that are left.
    pub(crate) ahead: u32,
    /// The number of the bucket that all of them are counted in.
    pub(crate) bucket: u64,
    /// Milliseconds until it is over.
    pub(crate) bucket_ends: u64,
}

impl Window {
    /// Takes up to `wanted` places at `now`, in milliseconds of a clock that never goes back.
    pub(crate) fn take(&mut self, limit: Limit, now: u64, wanted: u32) -> Taken {
        self.forget(limit, now);
        let granted = wanted.min(limit.requests().saturating_sub(self.total));
        self.add(limit, now, granted);
        let left = limit.requests().saturating_sub(self.total);
        let wait = self.oldest_ends(limit).map_or(0, |end| end.saturating_sub(now));
        let bucket = now / limit.width_ms();
        let bucket_ends = (bucket + 1) * limit.width_ms() - now;
        Taken { granted, left, wait, ahead: 0, bucket, bucket_ends }
    }

    /// Counts places that were granted elsewhere.
    pub(crate) fn record(&mut self, limit: Limit, now: u64, granted: u32) {
        self.forget(limit, now);
        self.add(limit, now, granted);
    }

    /// Whether the limit is used up by what will still count at `later`.
    pub(crate) fn is_full_until(&self, limit: Limit, later: u64) -> bool {
        let first = first_bucket(limit, later);
        let gone = self.buckets.iter().take_while(|(number, _)| *number < first).map(|(_, count)| count);
        self.total - gone.sum::<u32>() >= limit.requests()
    }

    /// When the next place comes back.
    pub(crate) fn oldest_ends(&self, limit: Limit) -> Option<u64> {
        self.buckets.front().map(|(number, _)| (number + 1) * limit.width_ms() + limit.window_ms())
    }

    pub(crate) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    fn add(&mut self, limit: Limit, now: u64, granted: u32) {
        if granted == 0 {
            return;
        }
        let bucket = now / limit.width_ms();
        self.total = self.total.saturating_add(granted);
        match self.buckets.back_mut() {
            Some((number, count)) if *number == bucket => *count = count.saturating_add(granted),
            _ => self.buckets.push_back((bucket, granted)),
        }
    }

    fn forget(&mut self, limit: Limit, now: u64) {
        let first = first_bucket(limit, now);
        while let Some(&(number, count)) = self.buckets.front()
            && number < first
        {
            self.total -= count;
            self.buckets.pop_front();
        }
    }
}

/// The first one of which a part is in the window.
fn first_bucket(limit: Limit, now: u64) -> u64 {
    now.saturating_sub(limit.window_ms()) / limit.width_ms()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::RngExt;

    use super::*;

    fn limit(requests: u32, window: u64) -> Limit {
        Limit::new(requests, Duration::from_millis(window)).unwrap()
    }

    #[test]
    fn a_place_comes_back_when_its_bucket_is_out_of_the_window() {
        let (limit, mut window) = (limit(2, 10_000), Window::default());
        let mut take = |now, wanted| {
            let Taken { granted, left, wait, .. } = window.take(limit, now, wanted);
            (granted, left, wait)
        };
        assert_eq!(take(20_005, 1), (1, 1, 10_005));
        assert_eq!(take(21_000, 5), (1, 0, 9_010));
        assert_eq!(take(30_009, 1), (0, 0, 1));
        assert_eq!(take(30_010, 1), (1, 0, 1_000));
        assert_eq!(take(90_000, 0), (0, 2, 0));
    }

    #[test]
    fn it_is_full_for_as_long_as_what_is_in_it_counts() {
        let (limit, mut window) = (limit(1, 10_000), Window::default());
        window.record(limit, 20_005, 1);
        assert!(window.is_full_until(limit, 30_009) && !window.is_full_until(limit, 30_010));
    }

    #[test]
    fn no_window_has_more_in_it_than_the_limit_and_none_waits_longer_than_promised() {
        let mut dice = rand::rng();
        for window_ms in [1_000, 1_999, 60_000] {
            let (limit, mut window) = (limit(dice.random_range(1..50), window_ms), Window::default());
            let (mut now, mut passed) = (1_000_000, Vec::new());
            for _ in 0..5_000 {
                now += dice.random_range(0..window_ms / 20);
                let wanted = dice.random_range(1..8);
                let taken = window.take(limit, now, wanted);
                let still = |since: u64| passed.iter().filter(|&&at| at >= now - since).count() as u32;
                assert!(still(window_ms) + taken.granted <= limit.requests());
                let surely = limit.requests().saturating_sub(still(window_ms + limit.width_ms()));
                assert!(taken.granted >= wanted.min(surely), "a place was kept back");
                passed.extend((0..taken.granted).map(|_| now));
            }
        }
    }
}

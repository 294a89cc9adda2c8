use std::time::Duration;

use rand::RngExt;

use super::*;

fn limit(requests: u32, window: u64) -> Limit {
    Limit::new(requests, Duration::from_millis(window)).unwrap()
}

#[test]
fn a_permit_is_free_again_when_its_bucket_is_out_of_the_window() {
    let (limit, mut window) = (limit(2, 10_000), Window::default());
    let quota = |remaining, reset| Quota { remaining, reset: Duration::from_millis(reset) };
    assert_eq!(window.decide(limit, 20_050), Decision::Allowed(quota(1, 10_050)));
    assert_eq!(window.decide(limit, 21_000), Decision::Allowed(quota(0, 9_100)));
    assert_eq!(window.decide(limit, 30_099), Decision::Refused(quota(0, 1)));
    assert_eq!(window.decide(limit, 30_100), Decision::Allowed(quota(0, 1_000)));
    assert_eq!((window.count(limit, 31_099), window.count(limit, 31_100), window.count(limit, 90_000)), (2, 1, 0));
    assert_eq!(window.next_free(limit, 90_000), 0);
}

#[test]
fn no_window_has_more_in_it_than_the_limit_and_no_permit_is_kept_back() {
    let mut dice = rand::rng();
    for window_ms in [1_000, 1_999, 60_000] {
        for most in [1, 50, 5_000] {
            let (limit, mut window) = (limit(dice.random_range(1..=most), window_ms), Window::default());
            let (mut now, mut plain) = (1_000_000, PlainCount::new(limit));
            for _ in 0..3_000 {
                // Busy for a while, then quiet.
                now +=
                    if dice.random_bool(0.9) { dice.random_range(0..4) } else { dice.random_range(0..window_ms / 4) };
                let allowed = matches!(window.decide(limit, now), Decision::Allowed(_));
                plain.answer(now, 1, u32::from(allowed));
                assert!(window.counts.len() <= 102, "{} buckets", window.counts.len());
            }
            plain.assert_no_window_has_more();
        }
    }
}

#[test]
fn a_permit_that_was_used_some_buckets_ago_is_free_again_as_many_earlier() {
    let (limit, mut window) = (limit(9, 10_000), Window::default());
    for at in [20_000, 20_500, 20_210] {
        window.record(limit, at);
    }
    let counts = [30_000, 30_100, 30_299, 30_300, 30_599, 30_600].map(|at| window.count(limit, at));
    assert_eq!(counts, [3, 2, 2, 1, 1, 0]);
}

/// What a limit promises, counted plainly: every permit with its time. Tests hold both ways of counting against it.
pub(crate) struct PlainCount {
    limit: Limit,
    granted: Vec<(u64, u32)>,
}

impl PlainCount {
    pub(crate) fn new(limit: Limit) -> Self {
        PlainCount { limit, granted: Vec::new() }
    }

    /// Granted in the last so many ms.
    pub(crate) fn in_the_last(&self, ms: u64, now: u64) -> u32 {
        self.granted.iter().filter(|(at, _)| at + ms >= now).map(|(_, permits)| permits).sum()
    }

    /// Notes permits that were used then.
    pub(crate) fn grant(&mut self, at: u64, permits: u32) {
        self.granted.push((at, permits));
    }

    /// The same for an answer to who wanted so many: none may be kept back for longer than a bucket.
    #[track_caller]
    pub(crate) fn answer(&mut self, now: u64, wanted: u32, granted: u32) {
        let taken = self.in_the_last(self.limit.window_ms + self.limit.bucket_ms(), now);
        let surely = wanted.min(self.limit.requests().saturating_sub(taken));
        assert!((surely..=wanted).contains(&granted), "{granted} of {wanted}, with {taken} taken of {:?}", self.limit);
        self.grant(now, granted);
    }

    #[track_caller]
    pub(crate) fn assert_no_window_has_more(&mut self) {
        self.granted.sort_unstable();
        for (first, &(begin, _)) in self.granted.iter().enumerate() {
            let inside = self.granted[first..].iter().take_while(|(at, _)| *at <= begin + self.limit.window_ms);
            let permits: u32 = inside.map(|(_, permits)| permits).sum();
            assert!(permits <= self.limit.requests(), "{permits} from {begin} on, under {:?}", self.limit);
        }
    }
}

//! Places that are taken ahead. Where one caller asks often and has plenty left, a step in Redis takes some more places than
//! are asked for, and the next requests need no step. They are counted in Redis from the beginning, in the bucket of that
//! moment, and used only while that bucket lasts, so that each counts for its whole window, as any other. What was not needed
//! is given back.

use crate::limit::Limit;
use crate::window::Taken;

/// A bucket that is shorter is over before taking ahead pays.
const SHORTEST_BUCKET: u64 = 10;
/// A bucket may last longer, but nobody else should wait so long for what is not needed here.
const LONGEST_LIFE: u64 = 1_000;
/// The most that is taken ahead in one step.
const MOST: u32 = 10_000;
/// Between the clock of Redis and this one, both of which are read in whole milliseconds.
const ROUNDING: u64 = 2;

#[derive(Debug, Default)]
pub(crate) struct Reserve {
    places: u32,
    /// Places used since the last time that one was left over.
    used: u32,
    /// The bucket that it is counted in, by its number in Redis.
    bucket: u64,
    until: u64,
    /// Places that were left in Redis beside these.
    pub(crate) left: u32,
    /// When the next place comes back.
    pub(crate) place_back: u64,
}

/// Places that were not needed, and the bucket that they are counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenBack {
    pub(crate) places: u32,
    pub(crate) bucket: u64,
}

impl Reserve {
    /// What a step that was sent at `sent` has brought, in the place of what is here. So near to the end of its bucket
    /// that it is over at once, it says nothing of how many are needed.
    pub(crate) fn renewed(&self, sent: u64, taken: Taken) -> Self {
        let life = taken.bucket_ends.saturating_sub(ROUNDING).min(LONGEST_LIFE);
        let begins = life > 0 && sent >= self.until;
        Reserve {
            places: taken.ahead,
            used: if begins { 0 } else { self.used },
            bucket: taken.bucket,
            until: if life > 0 { sent + life } else { self.until.min(sent) },
            left: taken.left,
            place_back: sent + taken.wait,
        }
    }

    /// Uses a place: how many there are now, in Redis and here.
    pub(crate) fn use_one(&mut self, now: u64) -> Option<u32> {
        if self.places == 0 || now >= self.until {
            return None;
        }
        self.places -= 1;
        self.used += 1;
        Some(self.left.saturating_add(self.places))
    }

    /// When what is here must be given back; `None` if nothing is.
    pub(crate) fn ends(&self) -> Option<u64> {
        (self.places > 0).then_some(self.until)
    }

    /// What was not needed, if it is over.
    pub(crate) fn give_back_if_over(&mut self, now: u64) -> GivenBack {
        if now < self.until { GivenBack::default() } else { self.give_back() }
    }

    /// What is still here, over or not.
    pub(crate) fn give_back(&mut self) -> GivenBack {
        GivenBack { places: std::mem::take(&mut self.places), bucket: self.bucket }
    }

    /// How many places the next step should take ahead, when `wanted` are asked for: as many as have been used so far.
    /// Where these were not enough, that doubles them. What was used long ago says nothing.
    pub(crate) fn next(&self, limit: Limit, now: u64, wanted: u32) -> u32 {
        if limit.width_ms() < SHORTEST_BUCKET {
            return 0;
        }
        let used = if now < self.until + LONGEST_LIFE { self.used } else { 0 };
        let used_up = self.places == 0 && now < self.until;
        used.max(if used_up { wanted } else { 0 }).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Of which so many were taken ahead at 1 s, in a bucket that is over at 1.05 s.
    fn reserve(ahead: u32) -> Reserve {
        Reserve::default().renewed(1_000, Taken { ahead, left: 500, bucket: 7, bucket_ends: 50, ..Taken::default() })
    }

    #[test]
    fn places_are_used_while_their_bucket_lasts_and_then_given_back() {
        let mut reserve = reserve(3);
        assert_eq!((reserve.use_one(1_000), reserve.use_one(1_047)), (Some(502), Some(501)));
        assert_eq!(reserve.give_back_if_over(1_047).places, 0);
        assert_eq!((reserve.use_one(1_048), reserve.ends()), (None, Some(1_048)));
        assert_eq!(reserve.give_back_if_over(1_048), GivenBack { places: 1, bucket: 7 });
        assert_eq!((reserve.give_back().places, reserve.ends()), (0, None), "only once");
    }

    #[test]
    fn as_many_are_taken_ahead_as_are_needed() {
        let minute = Limit::new(1_000, Duration::from_secs(60)).unwrap();
        let taken = |ahead| Taken { ahead, bucket: 7, bucket_ends: 50, ..Taken::default() };
        let mut first = reserve(0);
        assert_eq!(first.next(minute, 1_003, 3), 3, "asked for again at once");
        first = first.renewed(1_001, taken(3));
        assert!((0..3).all(|_| first.use_one(1_002).is_some()));
        assert_eq!(first.next(minute, 1_003, 2), 3, "as many again");
        let mut second = first.renewed(1_003, taken(3));
        assert!((0..2).all(|_| second.use_one(1_004).is_some()));
        assert_eq!(second.give_back_if_over(1_060).places, 1);
        assert_eq!(second.next(minute, 1_060, 1), 5, "as many as all of them were");
        assert_eq!(second.next(minute, 3_000, 1), 0, "long ago");
        let at_once_over = second.renewed(1_052, Taken { bucket_ends: 2, ..taken(5) });
        assert_eq!((at_once_over.next(minute, 1_053, 1), at_once_over.ends()), (5, Some(1_051)));
        let third = second.renewed(1_060, taken(5));
        assert_eq!(third.next(minute, 1_200, 1), 0, "none were needed");
        let mut many = reserve(2 * MOST);
        assert!((0..2 * MOST).all(|_| many.use_one(1_001).is_some()));
        assert_eq!(many.next(minute, 1_003, 1), MOST);
        let second = Limit::new(1_000, Duration::from_secs(1)).unwrap();
        assert_eq!(many.next(second, 1_003, 3), 0, "over before it would pay");
    }
}

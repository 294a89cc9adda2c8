use crate::limit::Limit;

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

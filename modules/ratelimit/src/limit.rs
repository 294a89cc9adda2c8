use std::time::Duration;

/// So many requests in any stretch of time as long as the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    requests: u32,
    pub(crate) window_ms: u64,
}

/// There is no such limit: nobody would ever be let through, or it would be more than can be counted or remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit lets 1 to {} requests through in 1 second to 1 day", Limit::MOST_REQUESTS)]
pub struct LimitError;

impl Limit {
    /// The largest limit.
    pub const MOST_REQUESTS: u32 = 1_000_000_000;
    /// Never reached and soon forgotten, for trying whether Redis counts.
    pub(crate) const PROBE: Limit = Limit { requests: Self::MOST_REQUESTS, window_ms: 1_000 };

    /// `requests` in any `window`, which counts in whole milliseconds.
    ///
    /// # Errors
    /// Outside of 1 to [`MOST_REQUESTS`](Limit::MOST_REQUESTS) requests, or 1 s to 1 day.
    pub fn new(requests: u32, window: Duration) -> Result<Self, LimitError> {
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let is_one = (1..=Self::MOST_REQUESTS).contains(&requests) && (1_000..=86_400_000).contains(&window_ms);
        is_one.then_some(Limit { requests, window_ms }).ok_or(LimitError)
    }

    /// So many times as much in the same window, [`MOST_REQUESTS`](Limit::MOST_REQUESTS) at most.
    pub fn times(self, factor: u32) -> Self {
        Limit { requests: self.requests.saturating_mul(factor).clamp(1, Self::MOST_REQUESTS), ..self }
    }

    /// How many requests.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// In which time.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// The length of a bucket: a hundredth of the window, rounded up to a millisecond.
    pub(crate) fn bucket_ms(&self) -> u64 {
        self.window_ms.div_ceil(100)
    }
}

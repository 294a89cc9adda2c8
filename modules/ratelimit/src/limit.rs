use std::time::Duration;

/// How much is let through: so many requests in any stretch of time as long as the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    requests: u32,
    pub(crate) window_ms: u64,
}

/// That is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Nobody would ever be let through, or more than can be counted.
    #[error("a limit lets 1 to {} requests through", Limit::MOST_REQUESTS)]
    Requests,
    /// Too short to be counted, or too long to be remembered.
    #[error("the window of a limit is of 1 second to 1 day")]
    Window,
}

impl Limit {
    /// The largest limit.
    pub const MOST_REQUESTS: u32 = 1_000_000_000;
    /// The shortest window.
    pub const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
    /// The longest window.
    pub const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
    /// Never reached and soon forgotten, for trying whether Redis counts.
    pub(crate) const PROBE: Limit = Limit { requests: Self::MOST_REQUESTS, window_ms: 1_000 };

    /// `requests` in any `window`, which counts in whole milliseconds.
    ///
    /// # Errors
    /// When it is outside of the bounds above.
    pub fn new(requests: u32, window: Duration) -> Result<Self, LimitError> {
        if !(1..=Self::MOST_REQUESTS).contains(&requests) {
            return Err(LimitError::Requests);
        }
        if !(Self::SHORTEST_WINDOW..=Self::LONGEST_WINDOW).contains(&window) {
            return Err(LimitError::Window);
        }
        Ok(Limit { requests, window_ms: window.as_millis() as u64 })
    }

    /// So many times as much in the same window, as far as there are such limits.
    pub fn times(self, factor: u32) -> Self {
        Limit { requests: self.requests.saturating_mul(factor).clamp(1, Self::MOST_REQUESTS), ..self }
    }

    /// How many.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// In how long.
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// The length of a bucket: a hundredth of the window, rounded up to a millisecond.
    pub(crate) fn bucket_ms(&self) -> u64 {
        self.window_ms.div_ceil(100)
    }
}

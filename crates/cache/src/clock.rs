//! The time of day. Under test, that of a thread can be simulated, so that a run can be repeated exactly.

use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(test)]
thread_local! {
    static BEGIN: std::cell::Cell<Option<tokio::time::Instant>> = const { std::cell::Cell::new(None) };
}

/// From now on, the time of day on this thread is what has passed on tokio's clock, which can be paused.
#[cfg(test)]
pub(crate) fn simulate() {
    BEGIN.set(Some(tokio::time::Instant::now()));
}

/// Milliseconds since 1970.
pub(crate) fn unix_millis() -> u64 {
    #[cfg(test)]
    if let Some(begin) = BEGIN.get() {
        return tokio::time::Instant::now().saturating_duration_since(begin).as_millis() as u64;
    }
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

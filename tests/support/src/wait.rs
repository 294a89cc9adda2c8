//! Waiting for a condition instead of sleeping.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for a condition: far longer than needed on a slow machine, so that a timeout means that the
/// condition never holds.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const POLL: Duration = Duration::from_millis(10);

/// As [`wait_until`], for code that blocks anyway, such as the start of a process.
pub(crate) fn block_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        thread::sleep(POLL);
    }
}

/// Returns as soon as `condition` holds.
///
/// # Panics
/// Naming `what`, when it does not hold within `deadline`.
pub async fn wait_until(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain until {what}");
        tokio::time::sleep(POLL).await;
    }
}

//! One connection of a link, and how well it does.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotshelf_redis_client::Connection;

/// A connection that keys are sent over. The same key always goes over the same one: of two commands for it, the first
/// arrives first.
pub(super) struct PooledConnection {
    pub(super) connection: Connection,
    pub(super) failures: Failures,
}

/// Failures in a row. Those that come within one time-out count as one: a moment in which this process could not run
/// makes all commands late that were under way.
pub(super) struct Failures {
    begin: Instant,
    span: Duration,
    in_a_row: AtomicU32,
    /// In milliseconds since the beginning.
    last: AtomicU64,
}

impl PooledConnection {
    pub(super) fn new(connection: Connection, command_timeout: Duration) -> Self {
        PooledConnection { connection, failures: Failures::new(command_timeout) }
    }
}

impl Failures {
    fn new(span: Duration) -> Self {
        Failures { begin: Instant::now(), span, in_a_row: AtomicU32::new(0), last: AtomicU64::new(0) }
    }

    pub(super) fn end(&self) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn add(&self) -> u32 {
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.last.load(Ordering::Relaxed);
        let apart = u128::from(now.saturating_sub(last)) >= self.span.as_millis();
        let in_a_row = self.in_a_row.load(Ordering::Relaxed);
        if in_a_row > 0 && !apart {
            return in_a_row;
        }
        self.last.store(now, Ordering::Relaxed);
        self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1
    }
}

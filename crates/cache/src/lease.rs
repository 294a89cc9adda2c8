//! The right to serve cached values for a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a lease lasts from the beginning of the heartbeat that asked for it.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// A lease whose number somebody else has seen for so long is over: longer than [`LEASE`] by more than the rates of two
/// monotonic clocks may differ.
pub(crate) const LAPSE: Duration = Duration::from_millis(1_050);

/// Until when cached values may be served: as long as this process is known to have heard of all writes that were
/// acknowledged before.
///
/// A lease in the sense of Gray and Cheriton ("Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache
/// Consistency", SOSP '89): it ends by itself, by the monotonic clock, also when this process cannot run.
pub(crate) struct Lease {
    begin: Instant,
    /// In nanoseconds since the beginning.
    until: AtomicU64,
    term: Mutex<Term>,
}

/// Ends with each revocation: a renewal that was asked for before has no effect.
#[derive(Default)]
struct Term {
    number: u64,
    /// There is no renewal any more.
    is_last: bool,
}

impl Lease {
    fn new(until: u64) -> Self {
        Lease { begin: Instant::now(), until: AtomicU64::new(until), term: Mutex::default() }
    }

    /// For ever: nobody else writes.
    pub(crate) fn endless() -> Self {
        Lease::new(u64::MAX)
    }

    /// Until it is renewed, not at all.
    pub(crate) fn none() -> Self {
        Lease::new(0)
    }

    /// Ask before looking at what it is about: a renewal comes after all that it vouches for.
    pub(crate) fn holds_at(&self, now: Instant) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == u64::MAX || self.nanoseconds(now) < until
    }

    pub(crate) fn holds(&self) -> bool {
        self.holds_at(Instant::now())
    }

    /// For [`renew`](Lease::renew), taken when the renewal is asked for.
    pub(crate) fn term(&self) -> u64 {
        self.term.lock().number
    }

    pub(crate) fn renew(&self, term: u64, until: Instant) {
        let current = self.term.lock();
        if current.number == term && !current.is_last {
            self.until.fetch_max(self.nanoseconds(until), Ordering::AcqRel);
        }
    }

    /// Until it is renewed by somebody who asks from now on.
    pub(crate) fn revoke(&self) {
        self.revoke_in(&mut self.term.lock());
    }

    /// For ever.
    pub(crate) fn end(&self) {
        let mut current = self.term.lock();
        current.is_last = true;
        self.revoke_in(&mut current);
    }

    fn revoke_in(&self, current: &mut Term) {
        current.number += 1;
        self.until.store(0, Ordering::Release);
    }

    fn nanoseconds(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.begin).as_nanos()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_not_renewed_by_who_asked_before_it_was_revoked() {
        let lease = Lease::none();
        let (now, term) = (Instant::now(), lease.term());
        lease.renew(term, now + LEASE);
        assert!(lease.holds_at(now) && !lease.holds_at(now + LEASE));
        lease.revoke();
        lease.renew(term, now + LEASE);
        assert!(!lease.holds());
        lease.renew(lease.term(), now + LEASE);
        assert!(lease.holds());
        lease.end();
        lease.renew(lease.term(), now + LEASE);
        assert!(!lease.holds());
    }
}

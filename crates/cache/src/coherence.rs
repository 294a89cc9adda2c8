//! Applies the pushes about writes of other processes to memory, and keeps the memory lease.

use std::future::Future;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::key::Key;
use crate::memory::MemoryTier;
use crate::rng::Hashing;
use crate::write_counters::WriteCounters;

/// A power of two. Readers that wait for keys of one stripe wake each other, and look again.
const WAITING_STRIPES: usize = 256;

/// Until when memory may serve: as long as it is known to have heard of all writes that were acknowledged before.
///
/// A lease in the sense of Gray and Cheriton ("Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache
/// Consistency", SOSP '89): it ends by itself, by the monotonic clock, also when this process cannot run.
pub(crate) struct MemoryLease {
    begin: Instant,
    /// In nanoseconds since the beginning.
    until: AtomicU64,
    ended: AtomicBool,
}

impl MemoryLease {
    /// For ever: nobody else writes.
    pub(crate) fn endless() -> Self {
        MemoryLease { begin: Instant::now(), until: AtomicU64::new(u64::MAX), ended: AtomicBool::new(false) }
    }

    /// Until it is renewed, not at all.
    pub(crate) fn none() -> Self {
        MemoryLease { begin: Instant::now(), until: AtomicU64::new(0), ended: AtomicBool::new(false) }
    }

    pub(crate) fn holds_at(&self, now: Instant) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == u64::MAX || self.nanoseconds(now) < until
    }

    fn renew(&self, until: Instant) {
        self.until.fetch_max(self.nanoseconds(until), Ordering::AcqRel);
        // Whichever of the two comes last, `end` or this, the lease is over.
        if self.ended.load(Ordering::SeqCst) {
            self.revoke();
        }
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.revoke();
    }

    fn revoke(&self) {
        self.until.store(0, Ordering::Release);
    }

    fn nanoseconds(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.begin).as_nanos()).unwrap_or(u64::MAX - 1)
    }
}

/// What this process knows of the writes of others, and what it does with it.
pub(crate) struct Coherence {
    write_counters: Arc<WriteCounters>,
    lease: Arc<MemoryLease>,
    memory: Option<Arc<MemoryTier>>,
    waiting: Box<[Notify]>,
    hasher: Hashing,
    /// Why nothing is served any more.
    end: OnceLock<String>,
    ending: CancellationToken,
}

impl Coherence {
    pub(crate) fn new(
        write_counters: Arc<WriteCounters>,
        lease: Arc<MemoryLease>,
        memory: Option<Arc<MemoryTier>>,
    ) -> Self {
        let waiting = (0..WAITING_STRIPES).map(|_| Notify::new()).collect();
        let hasher = Hashing::default();
        let (end, ending) = (OnceLock::new(), CancellationToken::new());
        Coherence { write_counters, lease, memory, waiting, hasher, end, ending }
    }

    /// No entry is served from now on, until the process ends: what they are copies of is not the truth any more, or
    /// others change it and do not tell. Returns why.
    pub(crate) fn end(&self, reason: &str) -> String {
        let mut first = false;
        let reason = self.end.get_or_init(|| {
            first = true;
            reason.to_owned()
        });
        if first {
            tracing::error!("the cache serves nothing any more: {reason}");
            self.lease.end();
            self.everything_changed();
            self.ending.cancel();
        }
        reason.clone()
    }

    pub(crate) fn ended(&self) -> Option<&str> {
        self.end.get().map(String::as_str)
    }

    /// Waits for [`end`](Coherence::end), and tells why.
    pub(crate) async fn end_of_service(&self) -> String {
        self.ending.cancelled().await;
        self.end.get().cloned().unwrap_or_default()
    }

    /// Another process, or this one, has changed this entry. Also wakes those who wait for it.
    pub(crate) fn entry_changed(&self, key: &Key) {
        match &self.memory {
            Some(memory) => memory.drop_copy(key),
            None => self.write_counters.advance(key, || {}),
        }
        self.stripe(key).notify_waiters();
    }

    pub(crate) fn tag_changed(&self, name: &str) {
        self.write_counters.tag_changed(name);
    }

    /// Something may have changed that nobody told.
    pub(crate) fn everything_changed(&self) {
        self.write_counters.flush();
        if let Some(memory) = &self.memory {
            memory.clear();
        }
        self.waiting.iter().for_each(Notify::notify_waiters);
    }

    /// Everything that was done before `moment` has been heard.
    pub(crate) fn heard_all_until(&self, moment: Instant, lease: Duration) {
        self.lease.renew(moment + lease);
    }

    /// Nothing is heard any more.
    pub(crate) fn disconnected(&self) {
        self.lease.revoke();
        self.everything_changed();
    }

    /// Whether changes are being heard.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.lease.holds_at(Instant::now())
    }

    /// Ends with the next change of the key after this call, or sooner.
    pub(crate) fn change_of(&self, key: &Key) -> impl Future<Output = ()> {
        self.stripe(key).notified()
    }

    fn stripe(&self, key: &Key) -> &Notify {
        &self.waiting[self.hasher.hash_one(key) as usize & (WAITING_STRIPES - 1)]
    }
}

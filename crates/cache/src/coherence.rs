//! Applies the pushes about writes of other processes to memory, and keeps the memory lease.

use std::future::Future;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::key::Key;
use crate::lease::{LEASE, Lease};
use crate::memory::MemoryTier;
use crate::rng::Hashing;
use crate::write_counters::WriteCounters;

/// A power of two. Readers that wait for keys of one stripe wake each other, and look again.
const WAITING_STRIPES: usize = 256;

/// What this process knows of the writes of others, and what it does with it.
pub(crate) struct Coherence {
    write_counters: Arc<WriteCounters>,
    lease: Arc<Lease>,
    memory: Option<Arc<MemoryTier>>,
    waiting: Box<[Notify]>,
    hasher: Hashing,
    /// Why nothing is served any more.
    end: OnceLock<String>,
    ending: CancellationToken,
}

impl Coherence {
    pub(crate) fn new(write_counters: Arc<WriteCounters>, lease: Arc<Lease>, memory: Option<Arc<MemoryTier>>) -> Self {
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

    /// Everything that was done before `moment` has been heard. `term`: of the lease, then.
    pub(crate) fn heard_all_until(&self, moment: Instant, term: u64) {
        self.lease.renew(term, moment + LEASE);
    }

    /// The lease on what memory holds.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// This process is about to change this entry, which is fenced: memory serves no older value from now on.
    pub(crate) fn entry_fenced(&self, key: &Key) {
        match &self.memory {
            Some(memory) => memory.forget(key),
            None => self.write_counters.advance(key, || {}),
        }
    }

    /// Nothing is heard any more.
    pub(crate) fn disconnected(&self) {
        self.lease.revoke();
        self.everything_changed();
    }

    /// Whether changes are being heard.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.lease.holds()
    }

    /// Ends with the next change of the key after this call, or sooner.
    pub(crate) fn change_of(&self, key: &Key) -> impl Future<Output = ()> {
        self.stripe(key).notified()
    }

    fn stripe(&self, key: &Key) -> &Notify {
        &self.waiting[self.hasher.hash_one(key) as usize & (WAITING_STRIPES - 1)]
    }
}

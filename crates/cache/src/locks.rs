//! One writer per key in this process. Waiting here is fair and costs no round trip; the fence in the shared tier then
//! only has to settle who goes first between processes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::key::Key;

type Table = Arc<Mutex<HashMap<Key, Arc<AsyncMutex<()>>>>>;

#[derive(Default)]
pub(crate) struct KeyLocks {
    table: Table,
}

pub(crate) struct KeyLock {
    key: Key,
    table: Table,
    /// `None` while waiting for it and while dropping.
    guard: Option<OwnedMutexGuard<()>>,
}

impl KeyLocks {
    /// `None` when the key was still locked after `timeout`.
    pub(crate) async fn lock(&self, key: &Key, timeout: Duration) -> Option<KeyLock> {
        let lock = Arc::clone(self.table.lock().entry(key.clone()).or_default());
        // Made before waiting, so that its end tidies the table also when the wait is in vain or cut off.
        let mut held = KeyLock { key: key.clone(), table: Arc::clone(&self.table), guard: None };
        held.guard = Some(tokio::time::timeout(timeout, lock.lock_owned()).await.ok()?);
        Some(held)
    }

    /// All of them, in this order, or none. Whoever locks several does so in one order of keys: nobody waits in a
    /// circle.
    pub(crate) async fn lock_all<'a>(
        &self,
        keys: impl Iterator<Item = &'a Key>,
        timeout: Duration,
    ) -> Option<Vec<KeyLock>> {
        let give_up = Instant::now() + timeout;
        let mut locks = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            locks.push(self.lock(key, give_up.saturating_duration_since(Instant::now())).await?);
        }
        Some(locks)
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.table.lock().len()
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        self.guard = None;
        forget_unused(&self.table, &self.key);
    }
}

/// Handles are given out under the table's lock only, so a count of one means that nobody else has it or can get it.
fn forget_unused(table: &Table, key: &Key) {
    let mut table = table.lock();
    if table.get(key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
        table.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    fn key() -> Key {
        Key::new("id:1")
    }

    #[tokio::test(start_paused = true)]
    async fn writers_of_one_key_take_turns() {
        let locks = KeyLocks::default();
        let inside = AtomicU32::new(0);
        let turns = (0..10).map(|_| async {
            let lock = locks.lock(&key(), TIMEOUT).await.unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two writers at a time");
            tokio::time::sleep(Duration::from_millis(10)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(lock);
        });
        futures_util::future::join_all(turns).await;
        assert_eq!(locks.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn several_are_locked_all_or_none() {
        let locks = KeyLocks::default();
        let keys: Vec<_> = (1..=3).map(|id| Key::numbered("id:", id)).collect();
        let held = locks.lock(&keys[1], TIMEOUT).await;
        assert!(locks.lock_all(keys.iter(), TIMEOUT).await.is_none());
        assert_eq!(locks.count(), 1, "only the other's");
        drop(held);
        assert_eq!(locks.lock_all(keys.iter(), TIMEOUT).await.unwrap().len(), 3);
        assert_eq!(locks.count(), 0);
    }

    #[tokio::test]
    async fn other_keys_do_not_wait() {
        let locks = KeyLocks::default();
        let one = locks.lock(&key(), TIMEOUT).await;
        let other = locks.lock(&Key::new("id:2"), Duration::ZERO).await;
        assert!(one.is_some() && other.is_some());
        assert_eq!(locks.count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_gives_up_when_its_timeout_ends() {
        let locks = KeyLocks::default();
        let held = locks.lock(&key(), TIMEOUT).await.unwrap();
        let began = tokio::time::Instant::now();
        assert!(locks.lock(&key(), TIMEOUT).await.is_none());
        assert!(began.elapsed() >= TIMEOUT);
        assert_eq!(locks.count(), 1, "the holder's");
        drop(held);
        assert_eq!(locks.count(), 0);
        assert!(locks.lock(&key(), Duration::ZERO).await.is_some());
    }

    #[tokio::test]
    async fn a_writer_that_is_cut_off_while_it_waits_leaves_nothing() {
        let (locks, key) = (KeyLocks::default(), key());
        let held = locks.lock(&key, TIMEOUT).await.unwrap();
        let mut waiting = Box::pin(locks.lock(&key, TIMEOUT));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        // The lock is the waiter's now, but the waiter goes away without having been told.
        drop(held);
        drop(waiting);
        assert_eq!(locks.count(), 0);
    }
}

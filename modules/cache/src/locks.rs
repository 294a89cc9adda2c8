//! One writer per key in this process. Waiting here is fair and costs no round trip; the fence in the shared tier then
//! only has to settle who goes first between processes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout;

use crate::key::Key;

type Table = Arc<Mutex<HashMap<Key, Arc<AsyncMutex<()>>>>>;

#[derive(Default)]
pub(crate) struct KeyLocks {
    table: Table,
}

pub(crate) struct KeyLock {
    key: Key,
    table: Table,
    /// `None` only while dropping.
    guard: Option<OwnedMutexGuard<()>>,
}

impl KeyLocks {
    /// `None` when the key was still locked after `patience`.
    pub(crate) async fn lock(&self, key: &Key, patience: Duration) -> Option<KeyLock> {
        let lock = Arc::clone(self.table.lock().entry(key.clone()).or_default());
        let guard = timeout(patience, Arc::clone(&lock).lock_owned()).await.ok();
        if guard.is_none() {
            drop(lock);
            forget_unused(&self.table, key);
        }
        Some(KeyLock { key: key.clone(), table: Arc::clone(&self.table), guard: Some(guard?) })
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

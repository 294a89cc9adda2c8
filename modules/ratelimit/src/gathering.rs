//! Decisions that wait for Redis. While one call is under way, the next gather, and those of the same subject become one
//! step.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

use crate::limiter::{Decision, ScopeInner};
use crate::memory::SubjectKey;

/// More decisions do not wait.
const MOST_WAITING: usize = 16_384;

/// Those who wait for one subject, in the order in which they came.
pub(crate) struct Waiters {
    pub(crate) scope: Arc<ScopeInner>,
    pub(crate) decide: Vec<oneshot::Sender<Decision>>,
}

/// What one call is about.
pub(crate) type Batch = HashMap<SubjectKey, Waiters, RandomState>;

#[derive(Default)]
pub(crate) struct Gathering {
    gathered: Mutex<Gathered>,
    arrived: Notify,
}

#[derive(Default)]
struct Gathered {
    batch: Batch,
    waiting: usize,
}

impl Gathering {
    /// Waits for a decision about the subject; `None` if too many wait already.
    pub(crate) fn join(&self, scope: &Arc<ScopeInner>, key: &SubjectKey) -> Option<oneshot::Receiver<Decision>> {
        let (decide, decided) = oneshot::channel();
        let mut gathered = self.gathered.lock();
        if gathered.waiting >= MOST_WAITING {
            return None;
        }
        gathered.waiting += 1;
        match gathered.batch.get_mut(key) {
            Some(waiters) => waiters.decide.push(decide),
            None => {
                let waiters = Waiters { scope: Arc::clone(scope), decide: vec![decide] };
                gathered.batch.insert(key.clone(), waiters);
            }
        }
        let first = gathered.waiting == 1;
        drop(gathered);
        if first {
            self.arrived.notify_one();
        }
        Some(decided)
    }

    /// Waits until anybody waits, and takes all who do. Tasks that are ready run first: perhaps they want to ask, too, and a
    /// call costs hardly more for many than for one.
    pub(crate) async fn next(&self) -> Batch {
        loop {
            // Whoever joins after this look leaves a permit, so that the wait below ends at once.
            let waiting = self.gathered.lock().waiting;
            if waiting > 0 {
                yield_now().await;
                return self.take();
            }
            self.arrived.notified().await;
        }
    }

    /// All who wait now.
    pub(crate) fn take(&self) -> Batch {
        std::mem::take(&mut *self.gathered.lock()).batch
    }
}

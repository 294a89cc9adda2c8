use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::request::{current_request, for_request};

/// Owns the background tasks of one module: spawns them, notices those that end too early, stops and joins them.
///
/// A cheap handle; all clones own the same tasks. Once [`stop`](Tasks::stop) has been called, spawned work still runs:
/// what is under way at the end must be able to finish.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    ended_early: Arc<Mutex<Vec<&'static str>>>,
}

impl Tasks {
    /// Spawns a loop that is meant to run until [`stopping`](Tasks::stopping) is cancelled. If it ends or panics before
    /// that, the end is logged and shows in [`ended_early`](Tasks::ended_early).
    pub fn spawn_loop(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let work = self.tracker.spawn(task);
        let (stopping, ended_early) = (self.stopping.clone(), Arc::clone(&self.ended_early));
        self.tracker.spawn(async move {
            let end = work.await;
            if !stopping.is_cancelled() {
                let panicked = end.is_err();
                tracing::error!(task = name, panicked, "background task ended early");
                ended_early.lock().push(name);
            }
        });
    }

    /// Spawns one piece of work that must not be cut off when whoever asked for it goes away. `stop` waits for it.
    ///
    /// It belongs to the request that it is spawned for: its log lines carry the request's id.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        // Boxed, so that the code of a task is compiled once for each type of a result, and not for each kind of work.
        let work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
        let work = work.in_current_span();
        match current_request() {
            Some(id) => self.tracker.spawn(for_request(id, work)),
            None => self.tracker.spawn(work),
        }
    }

    /// Cancelled when the loops should end.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// The names of loops that ended although nobody had stopped them.
    pub fn ended_early(&self) -> Vec<&'static str> {
        self.ended_early.lock().clone()
    }

    /// Tells the loops to end and waits for all tasks. `false` when some were still running after `limit`.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.stopping.cancel();
        self.tracker.close();
        timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

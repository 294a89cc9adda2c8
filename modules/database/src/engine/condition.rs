//! Whether reads and writes succeed, as those who ask for them see it. A probe tries what nobody asks for, so that the
//! end of a trouble is noticed, and a beginning while nobody writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotshelf_domain::StoreError;
use hotshelf_lifecycle::{Tasks, Trouble};
use tokio::time::{MissedTickBehavior, interval};

use super::readers::Pool;
use super::writer::Writer;
use crate::backend::KeyedConnection;

/// Between two looks whether there is something to try: while writes fail, one is tried as often.
const LOOK: Duration = Duration::from_secs(1);
/// When nobody has written for so many looks, the probe does.
const IDLE: u32 = 10;

/// When a probe has never failed where requests did, its success ends the trouble only after so long without a
/// failure: it may be about another page, or much smaller.
const QUIET: Duration = Duration::from_secs(10);

/// The outcomes of reads and writes, and what they come to. The log hears of changes, not of requests.
pub(crate) struct Condition {
    pub(crate) reads: Side,
    pub(crate) writes: Side,
}

/// Reads, or writes.
pub(crate) struct Side {
    trouble: Trouble,
    /// Whether the probe has failed as well, since the trouble began.
    probe_failed: AtomicBool,
    /// Whether any has succeeded since the probe looked last.
    succeeded: AtomicBool,
    /// Whether a probe that is refused has failed: for a write, it means that there was no turn for quite a while.
    refused_is_failed: bool,
    fail: &'static str,
    work_again: &'static str,
}

impl Condition {
    pub(crate) fn new() -> Self {
        let side = |refused_is_failed, fail, work_again| Side {
            trouble: Trouble::default(),
            probe_failed: AtomicBool::new(false),
            succeeded: AtomicBool::new(false),
            refused_is_failed,
            fail,
            work_again,
        };
        Condition {
            reads: side(false, "reads of the database fail", "the database is read again"),
            writes: side(true, "writes to the database fail", "the database is written again"),
        }
    }
}

impl Side {
    /// Why some fail, if they do.
    pub(crate) fn cause(&self) -> Option<String> {
        self.trouble.cause()
    }

    /// Notes how work for a request has ended.
    pub(crate) fn note<T>(&self, outcome: &Result<T, StoreError>) {
        match outcome {
            Ok(_) => self.succeeded(self.trouble.succeeded()),
            Err(error) => {
                if let Some(cause) = failure(error) {
                    self.failed(cause);
                }
            }
        }
    }

    /// Notes how a probe has ended.
    pub(crate) fn note_probe(&self, outcome: &Result<(), StoreError>) {
        match outcome {
            Ok(()) => {
                let quiet = if self.probe_failed.load(Ordering::Relaxed) { Duration::ZERO } else { QUIET };
                self.succeeded(self.trouble.succeeded_after(quiet));
            }
            Err(error) => {
                let refused = || self.refused_is_failed.then(|| error.to_string());
                if let Some(cause) = failure(error).or_else(refused) {
                    self.failed(cause);
                    self.probe_failed.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn failed(&self, cause: String) {
        if self.trouble.failed(cause.as_str()) {
            self.probe_failed.store(false, Ordering::Relaxed);
            tracing::warn!(cause, "{}", self.fail);
        }
    }

    fn succeeded(&self, trouble_over: Option<Duration>) {
        if !self.succeeded.load(Ordering::Relaxed) {
            self.succeeded.store(true, Ordering::Relaxed);
        }
        if let Some(lasted) = trouble_over {
            tracing::info!(?lasted, "{}", self.work_again);
        }
    }
}

/// What the database says, where it failed. That there is too much to do is no failure of it.
fn failure(error: &StoreError) -> Option<String> {
    match error {
        StoreError::NotCommitted(cause) | StoreError::Unavailable(cause) => Some(cause.to_string()),
        _ => None,
    }
}

/// Tries to read while reads fail, and to write while writes fail or no request writes.
pub(crate) fn spawn_probe(
    condition: Arc<Condition>,
    writer: Writer,
    watch: Arc<Pool<dyn KeyedConnection>>,
    tasks: &Tasks,
) {
    let stopping = tasks.stopping();
    let look = async move {
        let Condition { reads, writes } = &*condition;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut idle = 0;
        loop {
            looks.tick().await;
            if reads.trouble.stands() {
                reads.note_probe(&watch.read(|tx| tx.probe_read()).await);
            }
            idle = if writes.succeeded.swap(false, Ordering::Relaxed) { 0 } else { idle + 1 };
            if writes.trouble.stands() || idle > IDLE {
                writes.note_probe(&writer.enqueue(1, |tx| tx.probe_write()).await);
            }
        }
    };
    tasks.spawn_loop("database probe", async move {
        stopping.run_until_cancelled(look).await;
    });
}

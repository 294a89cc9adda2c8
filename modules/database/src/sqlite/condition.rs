//! How the database is, as those meet it who read and write. What nobody asks for is tried by a probe, so that an end
//! of the trouble is noticed, and a beginning while nobody writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::StoreError;
use hotshelf_lifecycle::{Tasks, Trouble};
use tokio::time::{MissedTickBehavior, interval};

use super::error::SqlError;
use super::readers::Lane;
use super::writer::Writer;

/// Between two looks whether there is something to try: while writes fail, one is tried as often.
const LOOK: Duration = Duration::from_secs(1);
/// When nobody has written for so long, the probe does.
const IDLE: Duration = Duration::from_secs(10);

/// When a probe has never failed where requests did, its success ends the trouble only after so long without a
/// failure: it may be about another page, or much smaller.
const QUIET: Duration = Duration::from_secs(10);

/// The outcomes of reads and writes, and what they come to. The log hears of changes, not of requests.
pub(crate) struct Condition {
    reads: Side,
    writes: Side,
    begin: Instant,
    /// The last write that was committed, in milliseconds since the beginning.
    last_write: AtomicU64,
}

/// Reads, or writes.
struct Side {
    trouble: Trouble,
    /// Whether the probe has failed as well, since the trouble began.
    probe_failed: AtomicBool,
    fail: &'static str,
    work_again: &'static str,
}

impl Condition {
    pub(crate) fn new() -> Self {
        Condition {
            reads: Side::new("reads of the database fail", "the database is read again"),
            writes: Side::new("writes to the database fail", "the database is written again"),
            begin: Instant::now(),
            last_write: AtomicU64::new(0),
        }
    }

    /// Why reads fail, if some do.
    pub(crate) fn reads_fail(&self) -> Option<String> {
        self.reads.trouble.cause()
    }

    /// Why writes fail, if some do.
    pub(crate) fn writes_fail(&self) -> Option<String> {
        self.writes.trouble.cause()
    }

    /// A read has ended so.
    pub(crate) fn note_read<T>(&self, outcome: &Result<T, StoreError>) {
        self.reads.note(outcome);
    }

    /// The probe has read, with this outcome.
    pub(crate) fn note_read_probe(&self, outcome: &Result<(), StoreError>) {
        self.reads.note_probe(outcome.as_ref().map_err(failure));
    }

    /// A write has ended so.
    pub(crate) fn note_write<T>(&self, outcome: &Result<T, StoreError>) {
        self.writes.note(outcome);
        if outcome.is_ok() {
            self.note_write_time();
        }
    }

    fn note_write_probe(&self, outcome: &Result<(), StoreError>) {
        // That it had no turn means that nobody else had one, for quite a while.
        let any = |error: &StoreError| Some(failure(error).unwrap_or_else(|| error.to_string()));
        self.writes.note_probe(outcome.as_ref().map_err(any));
        if outcome.is_ok() {
            self.note_write_time();
        }
    }

    fn note_write_time(&self) {
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_write.store(now, Ordering::Relaxed);
    }

    /// Whether nobody else tells how writes do.
    fn wants_a_write(&self) -> bool {
        let last = Duration::from_millis(self.last_write.load(Ordering::Relaxed));
        self.writes.trouble.stands() || self.begin.elapsed().saturating_sub(last) > IDLE
    }
}

impl Side {
    fn new(fail: &'static str, work_again: &'static str) -> Self {
        Side { trouble: Trouble::default(), probe_failed: AtomicBool::new(false), fail, work_again }
    }

    fn note<T>(&self, outcome: &Result<T, StoreError>) {
        match outcome {
            Ok(_) => self.tell(self.trouble.succeeded()),
            Err(error) => {
                if let Some(cause) = failure(error) {
                    self.failed(cause);
                }
            }
        }
    }

    fn note_probe(&self, outcome: Result<&(), Option<String>>) {
        match outcome {
            Ok(()) => {
                let quiet = if self.probe_failed.load(Ordering::Relaxed) { Duration::ZERO } else { QUIET };
                self.tell(self.trouble.succeeded_after(quiet));
            }
            Err(Some(cause)) => {
                self.failed(cause);
                self.probe_failed.store(true, Ordering::Relaxed);
            }
            Err(None) => {}
        }
    }

    fn failed(&self, cause: String) {
        if self.trouble.failed(cause.as_str()) {
            self.probe_failed.store(false, Ordering::Relaxed);
            tracing::warn!(cause, "{}", self.fail);
        }
    }

    fn tell(&self, over: Option<Duration>) {
        if let Some(lasted) = over {
            tracing::info!(?lasted, "{}", self.work_again);
        }
    }
}

/// What the database says, where it failed. That there is too much to do is no failure of it.
fn failure(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Unavailable(cause) => Some(cause.to_string()),
        _ => None,
    }
}

/// Tries what nobody asks for.
pub(crate) fn spawn_probe(condition: Arc<Condition>, writer: Writer, watch: Lane<SqliteConnection>, tasks: &Tasks) {
    let stopping = tasks.stopping();
    let look = async move {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if condition.reads.trouble.stands() {
                condition.note_read_probe(&watch.read(read_probe).await);
            }
            if condition.wants_a_write() {
                condition.note_write_probe(&writer.enqueue(write_probe).await);
            }
        }
    };
    tasks.spawn_loop("database probe", async move {
        stopping.run_until_cancelled(look).await;
    });
}

/// Cheap, and of a table that every list needs.
pub(crate) fn read_probe(conn: &mut SqliteConnection) -> Result<(), SqlError> {
    Ok(conn.batch_execute("SELECT 1 FROM organization_counts LIMIT 1")?)
}

fn write_probe(conn: &mut SqliteConnection) -> Result<(), SqlError> {
    Ok(conn.batch_execute("UPDATE write_probe SET probes = probes + 1")?)
}

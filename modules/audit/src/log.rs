use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use hotshelf_database::Database;
use hotshelf_domain::{AuditRecord, StoreError};
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::{IntCounter, MetricsError, Registry};
use parking_lot::Mutex;

use crate::gathered::Gathered;

/// Entries about who came and who was refused. The oldest beyond are forgotten, because anybody can cause some.
const MOST_OF_ACCESS: u32 = 1_000_000;
/// Entries in one write: others wait for it.
const BATCH: usize = 256;

/// Takes what is to be recorded. A cheap handle.
#[derive(Clone)]
pub struct AuditLog(pub(crate) Arc<State>);

pub(crate) struct State {
    database: Database,
    kept: TimeDelta,
    gathered: Mutex<Gathered>,
    /// Counted without saying whose they were.
    unnamed: IntCounter,
    pub(crate) tasks: Tasks,
}

impl AuditLog {
    /// Of this database. Entries are `kept` for so long.
    ///
    /// # Errors
    /// When another one has registered its metrics.
    pub fn new(database: Database, kept: Duration, registry: &Registry) -> Result<Self, MetricsError> {
        let help = "Noted actions that the audit log counts without saying whose they were";
        Ok(AuditLog(Arc::new(State {
            database,
            kept: TimeDelta::from_std(kept).unwrap_or(TimeDelta::MAX),
            gathered: Mutex::default(),
            unnamed: registry.counter("audit_unnamed_total", help)?,
            tasks: Tasks::default(),
        })))
    }

    /// Notes what is no write of its own. It is in the log within a second or, if the same by the same was noted
    /// within the last minute, when that is over. It never waits and never fails.
    pub fn note(&self, record: AuditRecord) {
        if !self.0.gathered.lock().note(record) {
            self.0.unnamed.inc();
        }
    }

    /// Writes what is due. What cannot be written waits for the next time.
    pub(crate) async fn write_due(&self, end: bool) -> Result<(), StoreError> {
        let due = self.0.gathered.lock().due(Instant::now(), end);
        for batch in due.chunks(BATCH) {
            self.0.database.note_audited(batch.to_vec()).await?;
            self.0.gathered.lock().wrote(batch.to_vec(), Instant::now());
        }
        Ok(())
    }

    /// Forgets what is too old or too much, some at a time.
    pub(crate) async fn forget(&self) -> Result<(), StoreError> {
        let database = &self.0.database;
        if let Some(end) = Utc::now().checked_sub_signed(self.0.kept) {
            while database.forget_audited_before(end).await? > 0 {}
        }
        while database.forget_access_beyond(MOST_OF_ACCESS).await? > 0 {}
        Ok(())
    }
}

//! What is recorded of a write, in its own transaction, and of what was no write.

use chrono::{DateTime, Utc};
use hotshelf_cache::Committed;
use hotshelf_domain::AuditRecord;

use crate::error::SqlError;
use crate::port::Tx;

/// The result of a write, with what is recorded of it.
pub(crate) struct Recorded<V> {
    pub(crate) value: V,
    pub(crate) records: Vec<AuditRecord>,
}

impl<V> Recorded<V> {
    pub(crate) fn new(value: V, record: AuditRecord) -> Self {
        Recorded { value, records: vec![record] }
    }

    pub(crate) fn and(mut self, record: AuditRecord) -> Self {
        self.records.push(record);
        self
    }
}

/// The work, and the records of it: both or neither.
pub(crate) fn recorded<V>(
    tx: &mut dyn Tx,
    work: impl FnOnce(&mut dyn Tx) -> Result<Recorded<V>, SqlError>,
) -> Result<Recorded<V>, SqlError> {
    let done = work(tx)?;
    let now = Utc::now().timestamp_millis();
    done.records.iter().try_for_each(|record| tx.insert_audit(record, now))?;
    Ok(done)
}

/// Takes the records out of a write that was committed.
pub(crate) fn taken_apart<V>(committed: Committed<Recorded<V>>) -> (Committed<V>, Vec<AuditRecord>) {
    let Recorded { value, records } = committed.value;
    (Committed::new(value, committed.epoch), records)
}

/// Records what was no write, each with the time when it happened first. Whoever was not let in has only said to be
/// somebody: whose address that is, is found out here, where nobody waits for it.
pub(crate) fn note(tx: &mut dyn Tx, noted: &[(DateTime<Utc>, AuditRecord)]) -> Result<Vec<AuditRecord>, SqlError> {
    let mut records = Vec::with_capacity(noted.len());
    for (at, record) in noted {
        let mut record = record.clone();
        if let (None, Some(email)) = (record.actor.user, &record.actor.email)
            && let Some(user) = tx.holder(email)?
        {
            record.actor = record.actor.as_user(&user);
        }
        tx.insert_audit(&record, at.timestamp_millis())?;
        records.push(record);
    }
    Ok(records)
}

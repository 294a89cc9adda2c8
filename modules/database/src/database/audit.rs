//! The audit log: writes are recorded in their own transactions, and what is no write is noted.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hotshelf_domain::{AuditEntry, AuditQuery, AuditRecord, History, StoreError};
use hotshelf_lifecycle::at_once_for_request;

use super::Database;
use crate::error::SqlError;
use crate::listing::audit_log;
use crate::port::Tx;
use crate::usecases::audit::{Recorded, note, recorded, taken_apart};
use hotshelf_cache::{Committed, Fencing};

/// The target of the lines of the audit log.
const AUDIT: &str = "hotshelf_audit";

/// What is to be recorded, and when it happened first.
pub type Noted = (DateTime<Utc>, AuditRecord);

impl Database {
    /// A page of the audit log, from the newest entry to the oldest.
    pub async fn audit_log(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let party = query.organization;
        self.0.operations.audit_log.of(self.list(party, false, move |conn| audit_log::page(conn, &query))).await
    }

    /// Records what was no write of its own. Of somebody who was not let in, only the address is known: the entry
    /// belongs to the organization of the user who has it, if there is one.
    pub async fn note_audited(&self, noted: Vec<Noted>) -> Result<(), StoreError> {
        let records = self.0.writer.submit(noted.len(), move |tx| note(tx, &noted)).await?;
        records.iter().for_each(log);
        Ok(())
    }

    /// Forgets some entries that are older than that; tells how many, 0 when none are left.
    pub async fn forget_audited_before(&self, end: DateTime<Utc>) -> Result<usize, StoreError> {
        self.forget_audited(move |tx| tx.older_audits(end.timestamp_millis())).await
    }

    /// Of the entries about who came and who was refused, forgets some of the oldest if there are more than `most`;
    /// tells how many.
    pub async fn forget_access_beyond(&self, most: u32) -> Result<usize, StoreError> {
        self.forget_audited(move |tx| tx.audits_of_access_beyond(most.into())).await
    }

    /// Looks first: mostly there is nothing to write.
    async fn forget_audited(
        &self,
        which: impl FnOnce(&mut dyn Tx) -> Result<Vec<i64>, SqlError> + Send + 'static,
    ) -> Result<usize, StoreError> {
        match self.0.readers.keyed.read(which).await? {
            ids if ids.is_empty() => Ok(0),
            ids => self.0.writer.submit(ids.len(), move |tx| tx.forget_audits(&ids)).await,
        }
    }

    /// As [`commit`](Database::commit), of a write that is recorded. It runs in a task of its own, so that the line of
    /// what was committed is written, even if whoever asked for it is gone.
    pub(super) async fn commit_recorded<T: Send + 'static>(
        &self,
        rows: usize,
        fencing: Fencing,
        work: impl Fn(&mut dyn Tx) -> Result<Recorded<T>, SqlError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        self.commit_recorded_in(self.history(), rows, fencing, work).await
    }

    /// The same of a write whose caller has seen rows in this history: in another one it is refused.
    pub(super) async fn commit_recorded_in<T: Send + 'static>(
        &self,
        history: History,
        rows: usize,
        fencing: Fencing,
        work: impl Fn(&mut dyn Tx) -> Result<Recorded<T>, SqlError> + Send + 'static,
    ) -> Result<Committed<T>, StoreError> {
        let database = self.clone();
        let committing = async move {
            let committed = database.commit_in(history, rows, fencing, move |tx| recorded(tx, &work)).await?;
            let (committed, records) = taken_apart(committed);
            records.iter().for_each(log);
            Ok(committed)
        };
        self.0.tasks.spawn(committing).await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same, of a write that no cached entry depends on.
    pub(super) async fn write_recorded<T: Send + 'static>(
        &self,
        work: impl Fn(&mut dyn Tx) -> Result<Recorded<T>, SqlError> + Send + 'static,
    ) -> Result<T, StoreError> {
        Ok(self.commit_recorded(1, Fencing::Fenced, work).await?.value)
    }
}

/// One line for each entry, with the id of the request.
fn log(record: &AuditRecord) {
    match &record.actor.request_id {
        Some(request) => at_once_for_request(Arc::clone(request), || write_line(record)),
        None => write_line(record),
    }
}

fn write_line(AuditRecord { actor, action, target, detail, count }: &AuditRecord) {
    tracing::info!(
        target: AUDIT,
        action = action.as_str(),
        outcome = action.outcome().as_str(),
        user = actor.user.map(|user| user.get()),
        email = actor.email.as_ref().map(|email| email.as_str()),
        credential = actor.credential.map(tracing::field::display),
        organization = actor.organization.map(|organization| organization.get()),
        target = target.as_ref().map(tracing::field::display),
        detail = detail.as_deref(),
        origin = actor.origin.map(tracing::field::display),
        count,
        "audit"
    );
}

//! The statements on the audit log.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use hotshelf_domain::{AuditKind, AuditRecord, OrganizationId, UserId};

use super::Connection;
use crate::error::SqlError;
use crate::port::AuditTx;
use crate::tables::audit_log;

/// Entries that are forgotten in one write: others wait for it.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

impl AuditTx for Connection {
    fn insert_audit(&mut self, record: &AuditRecord, at: i64) -> Result<(), SqlError> {
        let AuditRecord { actor, action, target, detail, count } = record;
        let row = (
            audit_log::at.eq(at),
            audit_log::action.eq(action.as_str()),
            audit_log::kind.eq(kind(action.kind())),
            audit_log::outcome.eq(action.outcome().as_str()),
            audit_log::user_id.eq(actor.user.map(UserId::get)),
            audit_log::email.eq(actor.email.as_ref().map(|email| email.as_str())),
            audit_log::credential.eq(actor.credential.map(|credential| credential.to_string())),
            audit_log::organization_id.eq(actor.organization.map(OrganizationId::get)),
            audit_log::target.eq(target.as_ref().map(ToString::to_string)),
            audit_log::detail.eq(detail),
            audit_log::origin.eq(actor.origin.map(|origin| origin.to_string())),
            audit_log::request_id.eq(actor.request_id.as_deref()),
            audit_log::count.eq(i64::from(*count)),
        );
        diesel::insert_into(audit_log::table).values(row).execute(self)?;
        Ok(())
    }

    fn older_audits(&mut self, than: i64) -> Result<Vec<i64>, SqlError> {
        let older = audit_log::table.filter(audit_log::at.lt(than)).order((audit_log::at, audit_log::id));
        Ok(older.select(audit_log::id).limit(FORGOTTEN_AT_ONCE).load(self)?)
    }

    fn audits_of_access_beyond(&mut self, most: i64) -> Result<Vec<i64>, SqlError> {
        // In words, not as a parameter: SQLite has to see that the index is about these.
        let access = || audit_log::table.filter(sql::<Bool>("kind = 'access'")).select(audit_log::id);
        let first_beyond = access().order(audit_log::id.desc()).limit(1).offset(most);
        let Some(beyond) = first_beyond.first::<i64>(self).optional()? else { return Ok(Vec::new()) };
        let oldest = access().filter(audit_log::id.le(beyond)).order(audit_log::id).limit(FORGOTTEN_AT_ONCE);
        Ok(oldest.load(self)?)
    }

    fn forget_audits(&mut self, ids: &[i64]) -> Result<usize, SqlError> {
        Ok(diesel::delete(audit_log::table.filter(audit_log::id.eq_any(ids))).execute(self)?)
    }
}

fn kind(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::Access => "access",
        AuditKind::Change => "change",
    }
}

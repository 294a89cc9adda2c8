//! The statements on the audit log.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{AuditEntry, AuditKind, AuditPlace, AuditQuery, AuditRecord, OrganizationId, UserId};
use rusqlite::Row;

use super::error::SqlError;
use super::reader::Reader;
use super::rows::{corrupt, time_of};
use super::schema::audit_log;
use super::statement::Statement;
use crate::port::AuditTx;

/// Entries that are forgotten in one write: others wait for it.
const FORGOTTEN_AT_ONCE: i64 = 1_000;

impl AuditTx for SqliteConnection {
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
}

fn kind(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::Access => "access",
        AuditKind::Change => "change",
    }
}

/// Some of those that are older.
pub(crate) fn older(conn: &mut SqliteConnection, than: i64) -> Result<Vec<i64>, SqlError> {
    let older = audit_log::table.filter(audit_log::at.lt(than)).order((audit_log::at, audit_log::id));
    Ok(older.select(audit_log::id).limit(FORGOTTEN_AT_ONCE).load(conn)?)
}

/// Of those about who came and who was refused, some of the oldest if there are more than `most`.
pub(crate) fn access_beyond(conn: &mut SqliteConnection, most: i64) -> Result<Vec<i64>, SqlError> {
    // In words, not as a parameter: SQLite has to see that the index is about these.
    let access = || audit_log::table.filter(sql::<Bool>("kind = 'access'")).select(audit_log::id);
    let first_beyond = access().order(audit_log::id.desc()).limit(1).offset(most);
    let Some(beyond) = first_beyond.first::<i64>(conn).optional()? else { return Ok(Vec::new()) };
    let oldest = access().filter(audit_log::id.le(beyond)).order(audit_log::id).limit(FORGOTTEN_AT_ONCE);
    Ok(oldest.load(conn)?)
}

pub(crate) fn forget(conn: &mut SqliteConnection, ids: &[i64]) -> Result<usize, SqlError> {
    Ok(diesel::delete(audit_log::table.filter(audit_log::id.eq_any(ids))).execute(conn)?)
}

struct Entry(AuditEntry, i64);

impl TryFrom<&Row<'_>> for Entry {
    type Error = rusqlite::Error;

    fn try_from(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let entry = AuditEntry {
            id: row.get(0)?,
            at: Default::default(),
            action: row.get(2)?,
            outcome: row.get(3)?,
            user_id: row.get::<_, Option<i64>>(4)?.map(UserId::from_row),
            email: row.get(5)?,
            credential: row.get(6)?,
            organization_id: row.get::<_, Option<i64>>(7)?.map(OrganizationId::from_row),
            target: row.get(8)?,
            detail: row.get(9)?,
            origin: row.get(10)?,
            request_id: row.get(11)?,
            count: row.get(12)?,
        };
        Ok(Entry(entry, row.get(1)?))
    }
}

/// From the newest to the oldest.
pub(crate) fn page(conn: &Reader, query: &AuditQuery) -> Result<Vec<AuditEntry>, SqlError> {
    let entries: Vec<Entry> = statement(query).load(conn)?;
    let entry = |Entry(entry, at): Entry| {
        let at = time_of(at).ok_or_else(|| corrupt(&format!("audit entry {}: {at} is no time", entry.id)))?;
        Ok(AuditEntry { at, ..entry })
    };
    entries.into_iter().map(entry).collect()
}

fn statement(query: &AuditQuery) -> Statement {
    let AuditQuery { organization, action, user, since, until, after, limit } = query;
    let mut statement = Statement::new(
        "SELECT id, at, action, outcome, user_id, email, credential, organization_id, target, detail, origin, \
         request_id, count FROM audit_log WHERE TRUE",
    );
    if let Some(organization) = organization {
        statement = statement.and("organization_id", " = ", organization.get());
    }
    if let Some(action) = action {
        statement = statement.and("action", " = ", action.as_str().to_owned());
    }
    if let Some(user) = user {
        statement = statement.and("user_id", " = ", user.get());
    }
    if let Some(since) = since {
        statement = statement.and("at", " >= ", since.timestamp_millis());
    }
    if let Some(until) = until {
        statement = statement.and("at", " < ", until.timestamp_millis());
    }
    if let Some(AuditPlace { at, id }) = after {
        statement = statement.sql(" AND (at, id) < (").bind(*at).sql(", ").bind(*id).sql(")");
    }
    statement.sql(" ORDER BY at DESC, id DESC LIMIT ").bind(i64::from(*limit))
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::super::identity::opened;
    use super::*;

    /// Newest first is the order of an index, so that a page costs the same wherever it begins.
    #[test]
    fn a_page_is_read_from_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        opened(&path);
        let reader = Reader::open(path.to_str().unwrap()).unwrap();
        let of_all = AuditQuery { since: Some(Utc::now()), limit: 20, ..AuditQuery::default() };
        let of_one = AuditQuery { organization: Some(OrganizationId::BUILT_IN), ..of_all.clone() };
        for (query, index) in [(of_all, "audit_log_by_time"), (of_one, "audit_log_of_organization")] {
            let after = Some(AuditPlace { at: 1, id: 1 });
            for query in [query.clone(), AuditQuery { after, ..query }] {
                let plan = reader.plan(&statement(&query).text);
                assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
                assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "{plan:?}");
            }
        }
    }
}

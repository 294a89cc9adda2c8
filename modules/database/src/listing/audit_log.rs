//! Pages of the audit log.

use hotshelf_domain::{AuditEntry, AuditPlace, AuditQuery, OrganizationId, UserId};

use crate::backend::ListReader;
use crate::error::SqlError;
use crate::rows::{corrupt, time_of};
use crate::statement::{Row, Statement};

/// From the newest to the oldest.
pub(crate) fn page(conn: &dyn ListReader, query: &AuditQuery) -> Result<Vec<AuditEntry>, SqlError> {
    conn.rows(&statement(conn, query), entry)
}

fn entry(row: &dyn Row) -> Result<AuditEntry, SqlError> {
    let (id, at) = (row.integer(0)?, row.integer(1)?);
    Ok(AuditEntry {
        id,
        at: time_of(at).ok_or_else(|| corrupt(&format!("audit entry {id}: {at} is no time")))?,
        action: row.text(2)?,
        outcome: row.text(3)?,
        user_id: row.integer_or_null(4)?.map(UserId::from_row),
        email: row.text_or_null(5)?,
        credential: row.text_or_null(6)?,
        organization_id: row.integer_or_null(7)?.map(OrganizationId::from_row),
        target: row.text_or_null(8)?,
        detail: row.text_or_null(9)?,
        origin: row.text_or_null(10)?,
        request_id: row.text_or_null(11)?,
        count: row.integer(12)?,
    })
}

fn statement(conn: &dyn ListReader, query: &AuditQuery) -> Statement {
    let AuditQuery { organization, action, user, since, until, after, limit } = query;
    let mut statement = conn.statement(
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

    use super::*;
    use crate::sqlite::identity::opened;
    use crate::sqlite::reader::Reader;

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
                let plan = reader.plan(&statement(&reader, &query).text);
                assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
                assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "{plan:?}");
            }
        }
    }
}

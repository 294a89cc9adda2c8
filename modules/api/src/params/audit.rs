//! The parameters of the audit log.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use hotshelf_domain::{AuditQuery, FieldErrors, OrganizationId};

use super::lists::take_limit;
use super::{QueryReader, id_of};
use crate::caller::{Caller, foreign};
use crate::problem::Problem;

const POSITIVE: &str = "must be a positive integer";

/// Which entries the caller asks for. Operators see those of all organizations.
pub(crate) struct AuditPageQuery(pub(crate) AuditQuery);

impl<S: Send + Sync> FromRequestParts<S> for AuditPageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let query = QueryReader::from_request_parts(parts, state).await?;
        let mut query = audit_page(query).map_err(Problem::bad_parameters)?;
        match caller.scope().filter(|own| *own != OrganizationId::BUILT_IN) {
            None => {}
            Some(own) if query.organization.is_none_or(|named| named == own) => query.organization = Some(own),
            Some(own) => return Err(foreign(own)),
        }
        Ok(AuditPageQuery(query))
    }
}

fn audit_page(mut query: QueryReader) -> Result<AuditQuery, FieldErrors> {
    let page = AuditQuery {
        organization: query.take("organization_id", |text| id_of(text).ok_or_else(|| POSITIVE.to_owned())),
        action: query.take("action", str::parse),
        user: query.take("user_id", |text| id_of(text).ok_or_else(|| POSITIVE.to_owned())),
        since: query.take("since", time),
        until: query.take("until", time),
        after: query.take("cursor", str::parse),
        limit: take_limit(&mut query),
    };
    query.finish()?;
    Ok(page)
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    time.map_err(|_| "must be a time such as 2026-01-31T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use hotshelf_domain::{AuditAction, AuditPlace};

    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<AuditQuery, Vec<String>> {
        let fields = |errors: FieldErrors| errors.into_iter().map(|error| error.field).collect();
        audit_page(QueryReader::from_pairs(query)).map_err(fields)
    }

    #[test]
    fn filters_are_read_and_bad_ones_named() {
        assert_eq!(read(&[]), Ok(AuditQuery { limit: 20, ..AuditQuery::default() }));
        let page = read(&[
            ("action", "login.failed"),
            ("user_id", "7"),
            ("since", "2026-01-31T12:00:00+01:00"),
            ("until", "2026-02-01T00:00:00.5Z"),
            ("cursor", "1764000000000-9"),
            ("limit", "100"),
        ]);
        let page = page.unwrap();
        assert_eq!((page.action, page.limit), (Some(AuditAction::LoginFailed), 100));
        assert_eq!(page.after, Some(AuditPlace { at: 1_764_000_000_000, id: 9 }));
        assert_eq!(page.since.unwrap().to_string(), "2026-01-31 11:00:00 UTC");
        for (name, value) in [
            ("action", "login"),
            ("user_id", "-1"),
            ("organization_id", "0"),
            ("since", "yesterday"),
            ("until", "2026-02-30T00:00:00Z"),
            ("cursor", "x"),
            ("limit", "101"),
            ("page", "1"),
        ] {
            assert_eq!(read(&[(name, value)]), Err(vec![name.to_owned()]), "{name}={value}");
        }
    }
}

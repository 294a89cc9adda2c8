//! `/api/v1/audit`: for admins, the audit log of their organization.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use hotshelf_database::Database;
use hotshelf_domain::{AuditEntry, AuditPlace};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::no_store;
use crate::openapi::{AuditParameters, schemas};
use crate::params::AuditPageQuery;
use crate::problem::Problem;

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
struct AuditPage {
    #[schema(value_type = Vec<schemas::AuditEntry>)]
    entries: Vec<AuditEntry>,
    /// Continues the list; `null` on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Returns what was recorded, from the newest entry to the oldest.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit",
    params(AuditParameters),
    responses((status = 200, body = AuditPage), (status = 400, description = "a parameter is invalid"))
)]
pub(crate) async fn list(
    State(repository): State<Database>,
    AuditPageQuery(query): AuditPageQuery,
) -> Result<impl IntoResponse, Problem> {
    let limit = query.limit;
    let entries = repository.audit_log(query).await?;
    let next = entries.last().filter(|_| entries.len() == limit as usize);
    let next = next.map(|last| AuditPlace { at: last.at.timestamp_millis(), id: last.id }.to_string());
    Ok((no_store(), Json(AuditPage { entries, next_cursor: next })))
}

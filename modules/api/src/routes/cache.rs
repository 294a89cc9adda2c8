//! `DELETE /api/v1/cache` and `POST /api/v1/cache/warm`, for operators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hotshelf_audit::AuditLog;
use hotshelf_domain::{AuditAction, shortened};
use hotshelf_product::{ProductService, Warmer};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::By;
use crate::params::QueryReader;
use crate::problem::Problem;
use crate::reply::Done;
use crate::state::CachePrefix;

/// Maximum length (bytes) of a pattern in the audit log.
const DETAIL_MAX: usize = 200;

#[derive(Serialize, ToSchema)]
struct CacheDeleted {
    deleted: u64,
}

/// Deletes all cached entries, or those whose keys match a pattern. No data is lost: the next reads load the entries
/// again.
#[utoipa::path(
    delete, path = "/api/v1/cache", tag = "statistics",
    params(("pattern" = Option<String>, Query, description = "Pattern of whole keys; must begin with CACHE_PREFIX. \
        `*` matches any text, `?` one character")),
    responses(
        (status = 200, body = CacheDeleted),
        (status = 400, description = "the pattern does not begin with the prefix"),
        (status = 503, description = "the entries cannot be invalidated: neither Redis nor the database is reachable"),
    )
)]
pub(crate) async fn delete(
    State(CachePrefix(prefix)): State<CachePrefix>,
    State(products): State<ProductService>,
    State(audit): State<AuditLog>,
    By(by): By,
    mut query: QueryReader,
) -> Result<impl IntoResponse, Problem> {
    let prefix = &*prefix;
    let within = query.take("pattern", |pattern| {
        let within = pattern.strip_prefix(prefix).ok_or_else(|| format!("must begin with {prefix}"))?;
        Ok(within.to_owned())
    });
    query.finish().map_err(Problem::bad_parameters)?;
    let within = within.as_deref().unwrap_or("*");
    let deleted = products.delete_cached(within).await?;
    audit.note(by.does(AuditAction::CacheDeleted).with(shortened(&format!("{prefix}{within}"), DETAIL_MAX)));
    Ok(Json(CacheDeleted { deleted }))
}

/// Loads the most read products into the cache, in the background. The health report shows the progress.
#[utoipa::path(post, path = "/api/v1/cache/warm", tag = "statistics",
    responses((status = 202, description = "warming has started, or was in progress already", body = Done)))]
pub(crate) async fn warm(State(warmer): State<Warmer>, State(audit): State<AuditLog>, By(by): By) -> impl IntoResponse {
    audit.note(by.does(AuditAction::CacheWarmed));
    let message = if warmer.begin() { "Warming has begun" } else { "Warming is under way already" };
    (StatusCode::ACCEPTED, Json(Done { message }))
}

//! `/api/v1/cache/stats` and `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use hotshelf_audit::AuditLog;
use hotshelf_cache_module::{CacheStatistics, StatsSnapshot};
use hotshelf_domain::AuditAction;
use hotshelf_stats::Registry;
use serde::Serialize;

use crate::actor::By;
use crate::problem::Problem;
use crate::reply::Done;

#[derive(Serialize)]
struct Statistics {
    cache_stats: StatsSnapshot,
    timestamp: DateTime<Utc>,
}

/// Returns the statistics of the caches since the start or the last reset.
#[utoipa::path(get, path = "/api/v1/cache/stats", tag = "statistics",
    responses((status = 200, description = "counters per tier and per cache")))]
pub(crate) async fn stats(State(statistics): State<CacheStatistics>) -> impl IntoResponse {
    Json(Statistics { cache_stats: statistics.snapshot(), timestamp: Utc::now() })
}

/// Resets the counters of the statistics to 0. The metrics in `/metrics` are not reset.
#[utoipa::path(post, path = "/api/v1/cache/stats/reset", tag = "statistics",
    responses((status = 200, body = Done)))]
pub(crate) async fn reset(
    State(statistics): State<CacheStatistics>,
    State(audit): State<AuditLog>,
    By(by): By,
) -> impl IntoResponse {
    statistics.reset();
    audit.note(by.does(AuditAction::StatisticsReset));
    Json(Done { message: "Cache statistics reset successfully" })
}

/// Returns all metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "statistics",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(registry): State<Registry>) -> Result<impl IntoResponse, Problem> {
    let page = registry.page().map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page))
}

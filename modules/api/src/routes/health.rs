//! `/health` and the probes.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use hotshelf_lifecycle::{HealthBoard, Phase, Status};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::caller::Caller;

#[derive(Serialize, ToSchema)]
struct HealthReport {
    /// `healthy`, `degraded` or `unhealthy`: the worst of the modules.
    status: &'static str,
    service: &'static str,
    timestamp: DateTime<Utc>,
    modules: BTreeMap<&'static str, ModuleHealth>,
}

#[derive(Serialize, ToSchema)]
struct ModuleHealth {
    status: &'static str,
    /// One sentence with addresses and errors. With `AUTH=on`, only users of organization 1 see it, unless the metrics
    /// are open to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Reports the health of every module.
#[utoipa::path(get, path = "/health", tag = "health",
    responses(
        (status = 200, body = HealthReport, description = "healthy or degraded: the service answers requests"),
        (status = 503, body = HealthReport, description = "unhealthy: all requests fail, or all of one kind"),
    ))]
pub(crate) async fn health(
    State(health): State<HealthBoard>,
    observer: Option<Extension<Caller>>,
) -> impl IntoResponse {
    let report = health.report().await;
    let modules = report.modules.into_iter().map(|(name, health)| {
        let message = observer.is_some().then_some(health.message);
        (name, ModuleHealth { status: health.status.as_str(), message })
    });
    let body = HealthReport {
        status: report.status.as_str(),
        service: "hotshelf",
        timestamp: Utc::now(),
        modules: modules.collect(),
    };
    (code(report.status != Status::Unhealthy), Json(body))
}

/// Liveness probe: 200 as long as the process responds.
#[utoipa::path(get, path = "/health/live", tag = "health",
    responses((status = 200, description = "alive")))]
pub(crate) async fn live() -> impl IntoResponse {
    Json(json!({"status": "alive"}))
}

/// Readiness probe: 200 if the service is running and can read the database. Writes may still fail; see `/health`.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = 200, description = "ready"), (status = 503, description = "not ready")))]
pub(crate) async fn ready(State(health): State<HealthBoard>) -> impl IntoResponse {
    let running = health.phase() == Phase::Running;
    let database = health.of("database").await;
    let ready = running && database.is_some_and(|health| health.ready);
    (code(ready), Json(json!({"status": if ready { "ready" } else { "not ready" }})))
}

fn code(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

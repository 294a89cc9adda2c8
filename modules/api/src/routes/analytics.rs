//! `/api/v1/analytics/catalogue`.

use std::time::Instant;

use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use axum::{Router, routing};

use crate::conditions::{freshness, page_tag};
use crate::openapi::{AnalyticsSchema, ProblemSchema};
use crate::params::QueryReader;
use crate::problem::Problem;
use crate::reply::{cacheable, splice};
use crate::router::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/api/v1/analytics/catalogue", routing::get(catalogue))
}

/// `?refresh=true`.
pub(crate) struct Refresh(bool);

impl<S: Send + Sync> FromRequestParts<S> for Refresh {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut query = QueryReader::of(parts, state).await?;
        let refresh = query.take_if("refresh", |_| true, "must be true or false").unwrap_or(false);
        query.finish().map_err(Problem::bad_parameters)?;
        Ok(Refresh(refresh))
    }
}

/// How many products there are and what they cost, by organization and category. The one answer that may be old: it is made
/// once a day, and anew when asked for.
#[utoipa::path(
    get, path = "/api/v1/analytics/catalogue", tag = "analytics",
    params(("refresh" = Option<bool>, Query, description = "makes the report anew, once for all who ask at the same time")),
    responses(
        (status = 200, body = AnalyticsSchema),
        (status = 304, description = "not modified"),
        (status = 400, description = "a bad parameter", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn catalogue(
    State(app): State<AppState>,
    Refresh(refresh): Refresh,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let found = match refresh {
        true => app.products.rebuild_analytics().await?,
        false => app.products.analytics(freshness(&headers)?).await?,
    };
    let report = found.value.ok_or_else(|| Problem::internal("there are no analytics"))?;
    let body = || splice(b"", &report.payload, found.source, begin.elapsed());
    Ok(cacheable(&headers, &page_tag(report.revision), found.source, body))
}

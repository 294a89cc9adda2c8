//! `DELETE /api/v1/cache`, for operators.

use axum::extract::State;
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use serde::Serialize;

use crate::openapi::{CacheDeletedSchema, ProblemSchema};
use crate::params::QueryReader;
use crate::problem::Problem;
use crate::router::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/api/v1/cache", routing::delete(delete))
}

#[derive(Serialize)]
struct Deleted {
    deleted: u64,
}

/// Deletes cached entries: all, or those whose keys match. Nothing is lost by it: the next reads load them again.
#[utoipa::path(
    delete, path = "/api/v1/cache", tag = "statistics",
    params(("pattern" = Option<String>, Query, description = "of whole keys, beginning with CACHE_PREFIX; `*` stands for any text, `?` for one character")),
    responses(
        (status = 200, body = CacheDeletedSchema),
        (status = 400, description = "the pattern does not begin with the prefix", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "Redis is out of reach, and the database, which could make void what it holds, is, too", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(State(app): State<AppState>, mut query: QueryReader) -> Result<impl IntoResponse, Problem> {
    let prefix = app.cache_prefix.as_str();
    let within = query.take("pattern", |pattern| {
        let within = pattern.strip_prefix(prefix).ok_or_else(|| format!("must begin with {prefix}"))?;
        Ok(within.to_owned())
    });
    query.finish().map_err(Problem::bad_parameters)?;
    let deleted = app.products.delete_cached(within.as_deref().unwrap_or("*")).await?;
    Ok(Json(Deleted { deleted }))
}

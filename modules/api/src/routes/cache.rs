//! `DELETE /api/v1/cache`, for operators.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use hotshelf_domain::FieldError;
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

/// `?pattern=…`.
pub(crate) struct Pattern(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Pattern {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut query = QueryReader::of(parts, state).await?;
        let pattern = query.take("pattern", |pattern| Ok(pattern.to_owned()));
        query.finish().map_err(Problem::bad_parameters)?;
        Ok(Pattern(pattern))
    }
}

/// Deletes cached entries: all, or those whose keys match. Nothing is lost by it: the next reads load them again.
#[utoipa::path(
    delete, path = "/api/v1/cache", tag = "statistics",
    params(("pattern" = Option<String>, Query, description = "of whole keys, beginning with CACHE_PREFIX; `*` stands for any text, `?` for one character")),
    responses(
        (status = 200, body = CacheDeletedSchema),
        (status = 400, description = "the pattern does not begin with the prefix", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "Redis is out of reach", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(app): State<AppState>,
    Pattern(pattern): Pattern,
) -> Result<impl IntoResponse, Problem> {
    let prefix = app.cache_prefix.as_str();
    let within = match &pattern {
        None => "*",
        Some(pattern) => pattern.strip_prefix(prefix).ok_or_else(|| {
            let message = format!("must begin with {prefix}");
            Problem::bad_parameters(vec![FieldError { field: "pattern".to_owned(), message }])
        })?,
    };
    let deleted = app.products.delete_cached(within).await?;
    Ok(Json(Deleted { deleted }))
}

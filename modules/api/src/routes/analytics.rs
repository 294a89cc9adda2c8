//! `/api/v1/analytics/catalogue`.

use std::time::Instant;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hotshelf_product::ProductService;

use crate::compression::Compression;
use crate::conditions::{freshness, page_tag};
use crate::openapi::schemas;
use crate::params::QueryReader;
use crate::problem::Problem;
use crate::reply::{Spliced, cacheable};

/// Returns the number of products and their price range, per organization and category. Only this response may be out
/// of date: the report is rebuilt once a day, and on request.
#[utoipa::path(
    get, path = "/api/v1/analytics/catalogue", tag = "analytics",
    params(("refresh" = Option<bool>, Query,
        description = "Rebuilds the report; concurrent requests share one rebuild")),
    responses(
        (status = 200, body = schemas::Analytics),
        (status = 304, description = "not modified"),
        (status = 400, description = "a parameter is invalid"),
    )
)]
pub(crate) async fn catalogue(
    State(products): State<ProductService>,
    State(compression): State<Compression>,
    query: QueryReader,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let found = match query.only_flag("refresh")? {
        true => products.rebuild_analytics().await?,
        false => products.analytics(freshness(&headers)?).await?,
    };
    let report = found.value.ok_or_else(|| Problem::internal("there are no analytics"))?;
    let body = Spliced::timed("", &report.payload, found.source, begin);
    Ok(cacheable(&compression, &headers, page_tag(report.revision), body))
}

//! `/api/v1/products`.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use hotshelf_domain::{Product, ProductDraft, ProductId, StoreError};
use serde::Serialize;

use crate::body::JsonBody;
use crate::conditions::{expectation, freshness, page_tag, product_tag};
use crate::params::{IdPath, PageQuery};
use crate::problem::Problem;
use crate::reply::{cacheable, splice};
use crate::router::AppState;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/products", routing::get(list).post(create))
        .route("/api/v1/products/{id}", routing::get(get).put(update).patch(update).delete(delete))
}

#[derive(Serialize)]
struct Written {
    product: Product,
    message: &'static str,
}

#[derive(Serialize)]
struct Done {
    message: &'static str,
}

async fn get(State(app): State<AppState>, IdPath(id): IdPath, headers: HeaderMap) -> Result<Response, Problem> {
    let begin = Instant::now();
    let found = app.products.get(id, freshness(&headers)?).await?;
    let product = found.value.ok_or(StoreError::NotFound(id))?;
    let tag = product_tag(id, product.revision);
    let body = || splice(b"{\"product\":", &product.payload, found.source, begin.elapsed());
    Ok(cacheable(&headers, tag, found.source, body))
}

async fn list(
    State(app): State<AppState>,
    PageQuery(request): PageQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let found = app.products.page(request, freshness(&headers)?).await?;
    let page = found.value.ok_or_else(|| Problem::internal("a page without a value"))?;
    // The page is an object of its own; what is spliced in continues it.
    let open = page.payload.strip_suffix(b"}").unwrap_or(&page.payload);
    let body = || splice(b"", open, found.source, begin.elapsed());
    Ok(cacheable(&headers, page_tag(page.revision), found.source, body))
}

async fn create(State(app): State<AppState>, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    let product = app.products.create(ProductDraft::from_json(&body)?.into_new()?).await?;
    let location = [(header::LOCATION, format!("/api/v1/products/{}", product.id))];
    let message = "Product created successfully";
    Ok((StatusCode::CREATED, tagged(&product), location, Json(Written { product, message })).into_response())
}

async fn update(
    State(app): State<AppState>,
    IdPath(id): IdPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let patch = ProductDraft::from_json(&body)?.into_patch()?;
    let product = app.products.update(id, patch, expectation(&headers, id)).await?;
    Ok((tagged(&product), Json(Written { product, message: "Product updated successfully" })).into_response())
}

async fn delete(
    State(app): State<AppState>,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    app.products.delete(id, expectation(&headers, id)).await?;
    Ok(Json(Done { message: "Product deleted successfully" }))
}

/// The tag of what was written, so that a client can go on from it without reading it again.
fn tagged(product: &Product) -> HeaderMap {
    let version = u64::try_from(product.version.get()).unwrap_or_default();
    let tag = HeaderValue::try_from(product_tag(ProductId::clone(&product.id), version));
    tag.into_iter().map(|tag| (header::ETAG, tag)).collect()
}

//! `/api/v1/products/{id}/details`.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use hotshelf_domain::{DetailsDraft, ProductDetails, ProductId, StoreError};
use hotshelf_product::ProductService;
use serde::Serialize;

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::compression::Compression;
use crate::conditions::{expectation, freshness, version_tag};
use crate::openapi::{FreshnessHeaders, WriteConditions, schemas};
use crate::params::IdPath;
use crate::problem::Problem;
use crate::reply::{Spliced, cacheable, tagged};

#[derive(Serialize)]
struct Written {
    #[serde(flatten)]
    details: ProductDetails,
    message: &'static str,
}

/// Returns a product with its fields and images.
#[utoipa::path(
    get, path = "/api/v1/products/{id}/details", tag = "details",
    params(FreshnessHeaders),
    responses(
        (status = 200, body = schemas::DetailsAnswer),
        (status = 304, description = "not modified"),
        (status = 404, description = "the product does not exist"),
    )
)]
pub(crate) async fn get(
    State(products): State<ProductService>,
    State(compression): State<Compression>,
    caller: Caller,
    IdPath(id): IdPath<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let found = products.details_within(id, caller.scope(), freshness(&headers)?).await?;
    let details = found.value.ok_or(StoreError::NotFound(id))?;
    let tag = version_tag(id.get(), details.revision, products.history());
    let body = Spliced::timed("", &details.payload, found.source, begin);
    Ok(cacheable(&compression, &headers, tag, body))
}

/// Replaces the fields, the images or both, each as a whole.
#[utoipa::path(
    put, path = "/api/v1/products/{id}/details", tag = "details", request_body = schemas::DetailsInput,
    params(WriteConditions),
    responses(
        (status = 200, body = schemas::DetailsWritten),
        (status = 400, description = "the details do not match the schema: `errors` lists every invalid field"),
        (status = 404, description = "the product does not exist"),
        (status = 409, description = "another update of the product is in progress, try again"),
        (status = 412, description = "the product has changed"),
    )
)]
pub(crate) async fn put(
    State(products): State<ProductService>,
    caller: Caller,
    IdPath(id): IdPath<ProductId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.check_owns(&products, id).await?;
    let patch = DetailsDraft::from_json(&body)?.into_patch()?;
    let history = products.history();
    let details = products.put_details(id, patch, expectation(&headers, id.get())?).await?;
    let tag = tagged(id.get(), details.product.version, history);
    Ok((tag, Json(Written { details, message: "Product details updated successfully" })).into_response())
}

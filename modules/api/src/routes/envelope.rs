//! `/products`: the same products in the envelope that simple clients expect.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use hotshelf_domain::{Price, Product, ProductDraft, ProductId, StoreError};
use hotshelf_product::ProductService;
use serde::Serialize;

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::conditions::{expectation, freshness, version_tag};
use crate::openapi::{FreshnessHeaders, WriteConditions, schemas};
use crate::params::IdPath;
use crate::problem::Problem;
use crate::reply::{cached, tagged};

#[derive(Serialize)]
struct Envelope {
    status: &'static str,
    message: &'static str,
    data: Data,
    source: &'static str,
}

#[derive(Serialize)]
struct Data {
    id: String,
    name: String,
    price: Price,
    last_updated: DateTime<Utc>,
}

/// Returns a product. The response has the envelope format.
#[utoipa::path(
    get, path = "/products/{id}", tag = "envelope",
    params(FreshnessHeaders),
    responses(
        (status = 200, body = schemas::Envelope),
        (status = 304, description = "not modified"),
        (status = "4XX", body = schemas::Envelope),
    )
)]
pub(crate) async fn get(
    State(products): State<ProductService>,
    caller: Caller,
    IdPath(id): IdPath<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = products.get_within(id, caller.scope(), freshness(&headers)?).await?;
    let product = found.value.ok_or(StoreError::NotFound(id))?;
    let revision = product.revision;
    let product: Product = serde_json::from_slice(&product.payload)
        .map_err(|error| Problem::internal(format!("the cached entry of product {id} does not parse: {error}")))?;
    let source = if found.source.is_hit() { "cache" } else { "database" };
    let headers = cached(version_tag(id.get(), revision, products.history()), found.source);
    Ok((headers, Json(success("Product retrieved successfully", product, source))).into_response())
}

/// Creates a product. The response has the envelope format.
#[utoipa::path(
    post, path = "/products", tag = "envelope", request_body = schemas::NewProduct,
    responses((status = 201, body = schemas::Envelope), (status = "4XX", body = schemas::Envelope))
)]
pub(crate) async fn create(
    State(products): State<ProductService>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let history = products.history();
    let product = products.create(caller.new_product(ProductDraft::from_json(&body)?)?).await?;
    let tag = tagged(product.id.get(), product.version, history);
    let created = success("Product created successfully", product, "database");
    let location = [(header::LOCATION, format!("/products/{}", created.data.id))];
    Ok((StatusCode::CREATED, location, tag, Json(created)).into_response())
}

/// Updates the given fields of a product. The response has the envelope format.
#[utoipa::path(
    put, path = "/products/{id}", tag = "envelope", request_body = schemas::ProductChange,
    params(WriteConditions),
    responses((status = 200, body = schemas::Envelope), (status = "4XX", body = schemas::Envelope))
)]
pub(crate) async fn update(
    State(products): State<ProductService>,
    caller: Caller,
    IdPath(id): IdPath<ProductId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.check_owns(&products, id).await?;
    let patch = ProductDraft::from_json(&body)?.into_patch()?;
    let history = products.history();
    let product = products.update(id, patch, expectation(&headers, id.get())?).await?;
    let tag = tagged(id.get(), product.version, history);
    Ok((tag, Json(success("Product updated successfully", product, "database"))).into_response())
}

fn success(message: &'static str, product: Product, source: &'static str) -> Envelope {
    let Product { id, name, price, updated_at, .. } = product;
    let data = Data { id: id.to_string(), name, price, last_updated: updated_at };
    Envelope { status: "success", message, data, source }
}

//! `/api/v1/products`.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hotshelf_domain::{Area, History, Product, ProductDraft, ProductId, StoreError};
use hotshelf_product::ProductService;
use serde::Serialize;
use utoipa::ToSchema;

use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::Caller;
use crate::compression::Compression;
use crate::conditions::{expectation, freshness, page_tag, version_tag};
use crate::content;
use crate::openapi::{
    FilterParameters, FreshnessHeaders, IdsParameter, PageParameters, SearchParameters, WriteConditions, schemas,
};
use crate::operations::Access;
use crate::params::{IdPath, ListQuery};
use crate::problem::Problem;
use crate::reply::{Done, Spliced, cacheable, tagged};

/// One product.
pub(crate) const PRODUCT_ROUTE: &str = "/api/v1/products/{id}";
/// How its answer begins.
pub(crate) const PRODUCT_HEAD: &str = "{\"product\":";
/// Who may read it.
pub(crate) const PRODUCT_ACCESS: Access = Access::Viewer;
/// To which part of the API that belongs.
pub(crate) const PRODUCT_AREA: Area = Area::Products;

/// A product after a write.
#[derive(Serialize, ToSchema)]
struct ProductWritten {
    #[schema(value_type = schemas::Product)]
    product: Product,
    message: &'static str,
}

/// Returns a product, from the nearest cache that has it.
#[utoipa::path(
    get, path = "/api/v1/products/{id}", tag = "products",
    params(FreshnessHeaders),
    responses(
        (status = 200, body = schemas::ProductAnswer),
        (status = 304, description = "not modified"),
        (status = 400, description = "a parameter is invalid"),
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
    find(&products, &compression, &caller, Asked { id, conditions: &headers, codings: &headers }).await
}

/// A request for a product.
pub(crate) struct Asked<'a> {
    pub(crate) id: ProductId,
    /// The headers in which conditions are looked for.
    pub(crate) conditions: &'a HeaderMap,
    /// The headers in which the accepted codings are looked for.
    pub(crate) codings: &'a HeaderMap,
}

/// The answer to such a request of that caller.
pub(crate) async fn find(
    products: &ProductService,
    compression: &Compression,
    caller: &Caller,
    Asked { id, conditions, codings }: Asked<'_>,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let found = products.get_within(id, caller.scope(), freshness(conditions)?).await?;
    let product = found.value.ok_or(StoreError::NotFound(id))?;
    let body = Spliced::timed(PRODUCT_HEAD, &product.payload, found.source, begin);
    let tag = version_tag(id.get(), product.revision, products.history());
    let headers = if compression.applies_to(product.payload.len()) { codings } else { conditions };
    Ok(cacheable(compression, headers, tag, body))
}

/// Returns a page of the products or, with `ids`, exactly these products.
#[utoipa::path(
    get, path = "/api/v1/products", tag = "products",
    params(PageParameters, SearchParameters, FilterParameters, IdsParameter),
    responses(
        (status = 200, body = schemas::ProductList),
        (status = 304, description = "not modified"),
        (status = 400, description = "a parameter is invalid"),
    )
)]
pub(crate) async fn list(
    State(products): State<ProductService>,
    State(compression): State<Compression>,
    caller: Caller,
    query: ListQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let page = match query {
        ListQuery::Page(request) => {
            if let Some(schema) = request.filter.schema {
                caller.members_of_schema(&products, schema).await?;
            }
            products.page(request, freshness(&headers)?).await?
        }
        ListQuery::Products(ids) => products.get_many(&ids, caller.scope(), freshness(&headers)?).await?,
    };
    let body = Spliced::timed("", &page.open_json, page.source, begin);
    Ok(cacheable(&compression, &headers, page_tag(page.revision), body))
}

/// Creates a product.
#[utoipa::path(
    post, path = "/api/v1/products", tag = "products", request_body = schemas::NewProduct,
    responses(
        (status = 201, body = ProductWritten, headers(("Location" = String))),
        (status = 400, description = "the product is invalid: `errors` lists every invalid field"),
    )
)]
pub(crate) async fn create(
    State(products): State<ProductService>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let history = products.history();
    let product = products.create(caller.new_product(ProductDraft::from_json(&body)?)?).await?;
    let location = [(header::LOCATION, format!("/api/v1/products/{}", product.id))];
    let written = written(product, "Product created successfully", history);
    Ok((StatusCode::CREATED, location, written).into_response())
}

/// Updates the given fields of a product. `PUT` and `PATCH` do the same; `PATCH` also takes a merge patch (RFC 7396),
/// in which `null` sets a field to its default.
#[utoipa::path(
    method(put, patch), path = "/api/v1/products/{id}", tag = "products", request_body = schemas::ProductChange,
    params(WriteConditions),
    responses(
        (status = 200, body = ProductWritten),
        (status = 404, description = "the product does not exist"),
        (status = 409, description = "another update of the product is in progress, try again"),
        (status = 412, description = "the product has changed"),
    )
)]
pub(crate) async fn update(
    State(products): State<ProductService>,
    caller: Caller,
    IdPath(id): IdPath<ProductId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.check_owns(&products, id).await?;
    let draft = match content::is_merge_patch(&headers) {
        true => ProductDraft::from_merge_patch(&body)?,
        false => ProductDraft::from_json(&body)?,
    };
    let patch = draft.into_patch()?;
    let history = products.history();
    let product = products.update(id, patch, expectation(&headers, id.get())?).await?;
    Ok(written(product, "Product updated successfully", history))
}

fn written(product: Product, message: &'static str, history: History) -> impl IntoResponse + use<> {
    let tag = tagged(product.id.get(), product.version, history);
    (tag, Json(ProductWritten { product, message }))
}

/// Deletes a product.
#[utoipa::path(
    delete, path = "/api/v1/products/{id}", tag = "products",
    params(WriteConditions),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "the product does not exist"),
        (status = 409, description = "another update of the product is in progress, try again"),
        (status = 412, description = "the product has changed"),
    )
)]
pub(crate) async fn delete(
    State(products): State<ProductService>,
    caller: Caller,
    By(by): By,
    IdPath(id): IdPath<ProductId>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    caller.check_owns(&products, id).await?;
    products.delete(id, expectation(&headers, id.get())?, by).await?;
    Ok(Json(Done { message: "Product deleted successfully" }))
}

//! The description of the API in OpenAPI's terms, served at `/api/v1/openapi.json`. The handlers describe themselves;
//! here are the shapes that have no type of their own, because answers are made of cached bytes.
#![expect(dead_code, reason = "these types describe bodies and are never built")]

mod access;
mod catalogue;
mod refusals;

use std::sync::Arc;

use axum::routing::{self, MethodRouter};
use axum::{Json, response::IntoResponse};
use chrono::{DateTime, Utc};
use utoipa::{Modify, OpenApi, ToSchema};

pub(crate) use access::*;
pub(crate) use catalogue::*;
use refusals::{Limits, Problems};

#[derive(OpenApi)]
#[openapi(
    info(title = "hotshelf", description = "A product-catalogue service whose heart is a cache that never lies."),
    components(schemas(ProblemSchema))
)]
struct Document;

/// The whole description: what the handlers say of themselves, and what is the same for all operations.
pub(crate) fn document(operations: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(operations);
    for modifier in [&Tokens as &dyn Modify, &Problems, &Limits] {
        modifier.modify(&mut document);
    }
    document
}

/// Answers with the document.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(document: utoipa::openapi::OpenApi) -> MethodRouter<S> {
    let document = Arc::new(document);
    routing::get(async move || Json(&*document).into_response())
}

/// A product as it is read.
#[derive(ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductSchema {
    #[schema(minimum = 1)]
    id: i64,
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    #[schema(max_length = 1000)]
    description: String,
    /// Exact, with at most two decimals.
    #[schema(exclusive_minimum = 0, maximum = 1_000_000_000)]
    price: f64,
    #[schema(minimum = 0)]
    stock: i64,
    #[schema(max_length = 100)]
    category: String,
    organization_id: i64,
    schema_id: i64,
    /// Grows by one with each change.
    #[schema(minimum = 1)]
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The fields of a product that a client sets. To create one, `name` and `price` are required; in an update, what is left
/// out stays.
#[derive(ToSchema)]
#[schema(as = ProductInput)]
pub(crate) struct ProductInputSchema {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    #[schema(max_length = 1000, default = "")]
    description: Option<String>,
    #[schema(exclusive_minimum = 0, maximum = 1_000_000_000)]
    price: Option<f64>,
    #[schema(minimum = 0, default = 0)]
    stock: Option<i64>,
    #[schema(max_length = 100, default = "")]
    category: Option<String>,
    #[schema(default = 1)]
    organization_id: Option<i64>,
    #[schema(default = 1)]
    schema_id: Option<i64>,
    #[serde(flatten)]
    details: DetailsInputSchema,
}

/// A product that was looked up.
#[derive(ToSchema)]
#[schema(as = ProductAnswer)]
pub(crate) struct ProductAnswerSchema {
    product: ProductSchema,
    /// Whether no row had to be read from the database.
    from_cache: bool,
    /// The time of the lookup in milliseconds.
    duration_ms: f64,
}

/// A page of the list.
#[derive(ToSchema)]
#[schema(as = ProductPage)]
pub(crate) struct PageSchema {
    products: Vec<ProductSchema>,
    /// Of the whole list.
    total: i64,
    offset: i64,
    limit: i32,
    /// For the next page; `null` on the last one.
    next_cursor: Option<String>,
    from_cache: bool,
    duration_ms: f64,
}

/// A product that was written.
#[derive(ToSchema)]
#[schema(as = ProductWritten)]
pub(crate) struct WrittenSchema {
    product: ProductSchema,
    message: String,
}

/// That something was done.
#[derive(ToSchema)]
#[schema(as = Done)]
pub(crate) struct DoneSchema {
    message: String,
}

/// A product in the envelope of simple clients.
#[derive(ToSchema)]
#[schema(as = Envelope)]
pub(crate) struct EnvelopeSchema {
    /// `success` or `error`.
    status: String,
    message: String,
    data: Option<EnvelopeDataSchema>,
    /// `cache` or `database`.
    source: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = EnvelopeData)]
struct EnvelopeDataSchema {
    id: String,
    name: String,
    price: f64,
    last_updated: DateTime<Utc>,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemSchema {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    request_id: String,
    /// The bad fields, when the request was not valid: the first hundred.
    errors: Option<Vec<FieldErrorSchema>>,
    /// How many errors there are beside those.
    more_errors: Option<usize>,
}

#[derive(ToSchema)]
#[schema(as = FieldError)]
pub(crate) struct FieldErrorSchema {
    field: String,
    message: String,
}

//! The description of the API in OpenAPI's terms, served at `/api/v1/openapi.json`. The handlers describe themselves. Here are
//! the shapes of bodies that no type is serialized for, because they are made of cached bytes or of the domain's types, and what
//! is the same for all operations.

#[expect(dead_code, reason = "these types describe bodies and are never built")]
mod accounts;
#[expect(dead_code, reason = "these types describe bodies and are never built")]
mod catalogue;
#[expect(dead_code, reason = "these types describe parameters and are never built")]
mod parameters;
mod refusals;
mod security;

use std::sync::Arc;

use axum::Json;
use axum::response::IntoResponse;
use axum::routing::{self, MethodRouter};
use utoipa::{Modify, OpenApi};

pub(crate) use accounts::*;
pub(crate) use catalogue::*;
pub(crate) use parameters::*;
use refusals::{Limits, Problems};
use security::Tokens;

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

//! The JSON body of a request: how large it may be, and the bytes for the handler. How it comes in is the business of
//! [`crate::uploads`].

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;

use crate::negotiation::sends_json;
use crate::problem::Problem;

/// Room for a thousand products with details.
const BULK_MAX: usize = 8 << 20;
/// Room for one product with all of its details.
const PRODUCT_MAX: usize = 1 << 20;
/// Room for names, addresses and passwords.
const SMALL_MAX: usize = 16 << 10;

/// The most bytes that the body of an operation at that path may have, if the operation takes one. What strangers may
/// send is small.
pub(crate) fn limit_of(path: &str) -> usize {
    match path {
        "/api/v1/products/bulk" => BULK_MAX,
        path if path.starts_with("/api/v1/auth/") => SMALL_MAX,
        _ => PRODUCT_MAX,
    }
}

/// Refuses a body that its own head says is of no use: of another type, or too large.
pub(crate) fn check_head(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    if !sends_json(headers) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the request body must be application/json"));
    }
    if declared_length(headers) > limit { Err(too_large(limit)) } else { Ok(()) }
}

fn declared_length(headers: &HeaderMap) -> usize {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

pub(crate) fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request body must be at most {limit} bytes"))
}

/// The body of a request whose operation takes one, as it was received before the handler is asked: an extension of the
/// request.
#[derive(Clone)]
pub(crate) struct JsonBody(pub(crate) Bytes);

impl<S: Send + Sync> FromRequestParts<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let body = parts.extensions.remove::<JsonBody>();
        body.ok_or_else(|| Problem::internal("a handler reads a body that its operation does not describe"))
    }
}

//! The JSON body of a request: its limit, and the bytes for the handler. [`crate::uploads`] receives it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;

use crate::problem::Problem;

/// 1,000 products with details.
const BULK_MAX: usize = 8 << 20;
/// One product with all details.
const PRODUCT_MAX: usize = 1 << 20;
/// Names, addresses and passwords.
const SMALL_MAX: usize = 16 << 10;

/// Maximum size (bytes) of the body of an operation at that path. Small where clients need no authentication.
pub(crate) fn limit_of(path: &str) -> usize {
    match path {
        "/api/v1/products/bulk" => BULK_MAX,
        path if path.starts_with("/api/v1/auth/") => SMALL_MAX,
        _ => PRODUCT_MAX,
    }
}

/// Refuses a body by its headers: 413 if it declares to be too large.
pub(crate) fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    if declared_length(headers) > limit { Err(too_large(limit)) } else { Ok(()) }
}

/// Refuses what is no UTF-8 by its first bytes, with a clearer message than the parser of JSON.
pub(crate) fn check_start(body: &[u8]) -> Result<(), Problem> {
    match body {
        [0xef, 0xbb, 0xbf, ..] => {
            Err(Problem::bad_request("the request body begins with a byte order mark, which JSON must not have"))
        }
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, _, ..] | [_, 0, ..] => {
            Err(Problem::bad_request("the request body must be UTF-8"))
        }
        _ => Ok(()),
    }
}

fn declared_length(headers: &HeaderMap) -> usize {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

pub(crate) fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request body must be at most {limit} bytes"))
}

/// The body of a request, as the pipeline received it: an extension of the request.
#[derive(Clone)]
pub(crate) struct JsonBody(pub(crate) Bytes);

impl<S: Send + Sync> FromRequestParts<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let body = parts.extensions.remove::<JsonBody>();
        body.ok_or_else(|| Problem::internal("a handler reads a body that its operation does not describe"))
    }
}

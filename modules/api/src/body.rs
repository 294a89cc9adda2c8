//! The JSON body of a request, as bytes: of the right type, whole, and not too large.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::negotiation::sends_json;
use crate::problem::Problem;

/// Room for a thousand products with details.
pub(crate) const BULK_LIMIT: usize = 8 << 20;

/// Of 1 MiB at most, or as many bytes as are said.
pub(crate) struct JsonBody<const LIMIT: usize = { 1 << 20 }>(pub(crate) Bytes);

impl<S: Send + Sync, const LIMIT: usize> FromRequest<S> for JsonBody<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !sends_json(request.headers()) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
        }
        if declared_length(request.headers()) > LIMIT {
            return Err(too_large(LIMIT));
        }
        collect(request.into_body(), LIMIT).await.map(JsonBody)
    }
}

fn declared_length(headers: &HeaderMap) -> usize {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(error) => Err(Problem::bad_request(format!("the body ended early: {error}"))),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body must be at most {limit} bytes"))
}

//! The body of a problem.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hotshelf_domain::FieldErrors;
use serde::Serialize;

use super::Problem;

/// The format of an error body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 9457.
    Problem,
    /// The envelope of `/products`.
    Envelope,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "FieldErrors::is_empty")]
    errors: &'a FieldErrors,
    #[serde(skip_serializing_if = "is_zero")]
    more_errors: usize,
}

/// The members that depend on the dialect.
#[derive(Serialize)]
#[serde(untagged)]
enum Head<'a> {
    Problem { r#type: &'static str, title: &'a str, status: u16, detail: &'a str },
    Envelope { status: &'static str, message: &'a str },
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Dialect {
    /// The format of the responses at that path.
    pub(crate) fn of(path: &str) -> Self {
        let envelope = path == "/products" || path.starts_with("/products/");
        if envelope { Dialect::Envelope } else { Dialect::Problem }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Dialect::Problem => "application/problem+json",
            Dialect::Envelope => "application/json",
        }
    }
}

impl Problem {
    /// Writes the body and its headers into the response, and a line into the log.
    pub(crate) fn write_to(&self, response: &mut Response, request_id: &HeaderValue, dialect: Dialect) {
        let request_id = request_id.to_str().unwrap_or_default();
        let status = self.status.as_u16();
        match &self.cause {
            Some(cause) if status == 500 => tracing::error!(status, cause, "request failed"),
            // The failing component itself logs an outage, once at its start and once at its end.
            Some(cause) => tracing::debug!(status, cause, "request failed"),
            None => tracing::debug!(status, problem = ?self, "request refused"),
        }
        *response.body_mut() = Body::from(self.render(request_id, dialect));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(dialect.media_type()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.remove(header::CONTENT_LENGTH);
    }

    fn render(&self, request_id: &str, dialect: Dialect) -> Vec<u8> {
        let (status, detail) = (self.status.as_u16(), self.detail.as_str());
        let head = match dialect {
            Dialect::Problem => Head::Problem { r#type: "about:blank", title: title(self.status), status, detail },
            Dialect::Envelope => Head::Envelope { status: "error", message: detail },
        };
        let body = ErrorBody { head, request_id, errors: &self.errors, more_errors: self.errors.more() };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// The reason phrase; RFC 9110 has renamed that of 413.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        other => other.canonical_reason().unwrap_or("Error"),
    }
}

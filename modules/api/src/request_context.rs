//! The context of a request: what its response, the metrics, the access log and the trace need of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hotshelf_lifecycle::at_once_for_request;
use hotshelf_telemetry::RequestTrace;
use tracing::Level;

use crate::compression::AcceptedCodings;
use crate::metrics::HttpSeries;
use crate::negotiation::accepts_json;
use crate::problem::Dialect;
use crate::request_id::{REQUEST_ID, RequestIds};

/// The target of the access log.
const ACCESS: &str = "hotshelf_access";

/// The context of a request, from its arrival to its response.
pub(crate) struct RequestContext<'a> {
    pub(crate) begin: Instant,
    pub(crate) request_id: HeaderValue,
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) probe: bool,
    /// Whether the client accepts JSON.
    pub(crate) accepts_json: bool,
    pub(crate) codings: AcceptedCodings,
    pub(crate) trace: RequestTrace,
    /// The metrics of its method and route with status 200, if they need not be looked up.
    pub(crate) answered: Option<&'a HttpSeries>,
}

impl<'a> RequestContext<'a> {
    /// Starts the trace of a request that arrived at `begin`.
    pub(crate) fn of<B>(request: &Request<B>, route: &'a str, ids: &RequestIds, begin: Instant) -> Self {
        let (path, method) = (request.uri().path(), method_label(request.method()));
        let request_id = ids.id_of(request.headers());
        let trace = begin_trace(request, method, route, request_id.to_str().unwrap_or_default());
        RequestContext {
            begin,
            trace,
            request_id,
            method,
            route,
            dialect: Dialect::of(path),
            probe: path.starts_with("/health"),
            accepts_json: accepts_json(request.uri(), request.headers()),
            codings: AcceptedCodings::of(request.headers()),
            answered: None,
        }
    }
}

/// Starts the trace of a request, as a part of the client's trace if the request names one.
pub(crate) fn begin_trace<B>(request: &Request<B>, method: &'static str, route: &str, id: &str) -> RequestTrace {
    RequestTrace::begin(method, route, id, |header| request.headers().get(header)?.to_str().ok())
}

/// As [`log_access`], for a request that was answered without its id in scope: the headers of the answer have it.
pub(crate) fn log_quick_access(answer: &HeaderMap, method: &str, route: &str, status: StatusCode, taken: Duration) {
    if tracing::enabled!(target: ACCESS, Level::DEBUG) {
        let request_id = answer.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        at_once_for_request(Arc::from(request_id), || log_access(method, route, status, taken));
    }
}

/// The access log. It is off unless its target is enabled, so that a hit need not write a line.
pub(crate) fn log_access(method: &str, route: &str, status: StatusCode, taken: Duration) {
    tracing::debug!(target: ACCESS, method, route, status = status.as_u16(), ?taken, "answered");
}

/// The method as a label of metrics. Clients may send any word as a method, and each would be a series of its own.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

//! What is remembered of a request while it is answered: for its answer, the metrics, the access log and the trace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, Method, Request, StatusCode};
use hotshelf_lifecycle::at_once_for_request;
use hotshelf_stats::HttpSeries;
use hotshelf_telemetry::RequestTrace;
use tracing::Level;

use crate::negotiation::accepts_json;
use crate::problem::Dialect;
use crate::request_id::RequestIds;

/// The target of the access log.
const ACCESS: &str = "hotshelf_access";

/// What is remembered of a request while it is answered.
pub(crate) struct RequestContext<'a> {
    pub(crate) begin: Instant,
    pub(crate) request_id: HeaderValue,
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) probe: bool,
    /// Whether the caller takes JSON.
    pub(crate) accepts_json: bool,
    pub(crate) trace: RequestTrace,
    /// Of its method and route with status 200, where that need not be looked up.
    pub(crate) answered: Option<&'a HttpSeries>,
}

impl<'a> RequestContext<'a> {
    /// Begins now.
    pub(crate) fn of<B>(request: &Request<B>, route: &'a str, ids: &RequestIds) -> Self {
        let (path, method) = (request.uri().path(), method_label(request.method()));
        let request_id = ids.id_of(request.headers());
        let trace = begin_trace(request, method, route, request_id.to_str().unwrap_or_default());
        RequestContext {
            begin: Instant::now(),
            trace,
            request_id,
            method,
            route,
            dialect: Dialect::of(path),
            probe: path.starts_with("/health"),
            accepts_json: accepts_json(request.uri(), request.headers()),
            answered: None,
        }
    }

    /// Counts it there if its status is 200.
    pub(crate) fn counted_by(self, answered: &'a HttpSeries) -> Self {
        RequestContext { answered: Some(answered), ..self }
    }

    /// Began then.
    pub(crate) fn since(self, begin: Instant) -> Self {
        RequestContext { begin, ..self }
    }
}

/// The request as a part of a trace, the caller's if it names one.
pub(crate) fn begin_trace<B>(request: &Request<B>, method: &'static str, route: &str, id: &str) -> RequestTrace {
    RequestTrace::begin(method, route, id, |header| request.headers().get(header)?.to_str().ok())
}

/// As [`log_access`], for a request that was answered before anybody could have logged anything.
pub(crate) fn log_quick_access(request_id: &str, method: &str, route: &str, status: StatusCode, taken: Duration) {
    if tracing::enabled!(target: ACCESS, Level::DEBUG) {
        at_once_for_request(Arc::from(request_id), || log_access(method, route, status, taken));
    }
}

/// The access log: off unless it is asked for by its name, so that a hit need not write a line.
pub(crate) fn log_access(method: &str, route: &str, status: StatusCode, taken: Duration) {
    tracing::debug!(target: ACCESS, method, route, status = status.as_u16(), ?taken, "answered");
}

/// The label of the metrics: clients can send any word as a method, and each would be a series of its own.
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

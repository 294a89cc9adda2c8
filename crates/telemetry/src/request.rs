use hotshelf_lifecycle::TRACED;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The span of one request, by the semantic conventions for HTTP servers. Nothing unless traces are exported.
pub struct RequestTrace(Span);

/// What a caller says about its trace.
struct Caller<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

impl RequestTrace {
    /// Begins now. `route` is the pattern, never the path. `header` looks up a header of the request: a `traceparent`
    /// (W3C Trace Context) makes this span a part of the caller's trace.
    pub fn begin<'a>(
        method: &'static str,
        route: &str,
        request_id: &str,
        header: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let span = tracing::info_span!(
            target: TRACED,
            "request",
            otel.name = format!("{method} {route}"),
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            request_id,
        );
        if !span.is_disabled() {
            // It has just been made, so that it can still be given a parent.
            let caller = Caller { traceparent: header("traceparent"), tracestate: header("tracestate") };
            let _ = span.set_parent(TraceContextPropagator::new().extract(&caller));
        }
        RequestTrace(span)
    }

    /// For what is done for the request.
    pub fn span(&self) -> &Span {
        &self.0
    }

    /// Answered with this status. The span ends with the last handle on it.
    pub fn end(&self, status: u16) {
        self.0.record("http.response.status_code", status);
        if status >= 500 {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}

//! Traces, as an OpenTelemetry collector receives them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use hotshelf_testkit::{PATIENCE, ServiceBuilder, wait_until};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{create, laptop, path};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Receives the exports of the service.
#[derive(Clone, Default)]
struct Collector {
    exports: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    /// With its address.
    async fn start() -> (Self, String) {
        let collector = Collector::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        let exports = self.exports.lock().unwrap();
        let scopes = exports.iter().flat_map(|export| &export.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The spans of one trace, once the one that ends last has arrived.
    async fn trace(&self, trace: &str) -> Vec<Span> {
        let of_trace = || self.spans().into_iter().filter(|span| hex(&span.trace_id) == trace).collect::<Vec<_>>();
        let is_there = async || of_trace().iter().any(|span| span.name.starts_with("GET"));
        wait_until("the request is in the trace", PATIENCE, is_there).await;
        of_trace()
    }

    fn service_names(&self) -> Vec<String> {
        let exports = self.exports.lock().unwrap();
        let resources = exports.iter().flat_map(|export| &export.resource_spans).flat_map(|of| &of.resource);
        resources.map(|resource| attribute(&resource.attributes, "service.name")).collect()
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) {
    collector.exports.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The attribute as text, empty if it is missing.
fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == key).and_then(|attribute| attribute.value.clone());
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn traced(endpoint: &str) -> ServiceBuilder {
    // In milliseconds.
    hotshelf().backend("memory").env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", 50)
}

#[track_caller]
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name:?} among {names:?}"))
}

#[tokio::test]
async fn a_read_is_part_of_the_callers_trace_down_to_the_database() {
    let (collector, endpoint) = Collector::start().await;
    let service = traced(&endpoint).start().await;
    let product = create(&service, &laptop()).await;
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let reply = service.get(&path(&product)).header("traceparent", &traceparent).await.expect(200);

    let spans = collector.trace(TRACE).await;
    let request = named(&spans, "GET /api/v1/products/{id}");
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert_eq!(attribute(&request.attributes, "http.response.status_code"), "200");
    assert_eq!(attribute(&request.attributes, "request_id"), reply.header("x-request-id"));
    let lookup = named(&spans, "cache lookup");
    assert_eq!(lookup.parent_span_id, request.span_id);
    assert_eq!(attribute(&lookup.attributes, "cache.source"), "database");
    assert_eq!(attribute(&lookup.attributes, "cache.key"), format!("id:{}", product["id"]));
    let load = named(&spans, "cache load");
    assert_eq!(load.parent_span_id, lookup.span_id);
    let find = named(&spans, "find");
    assert_eq!(find.parent_span_id, load.span_id);
    assert_eq!(attribute(&find.attributes, "db.system.name"), "sqlite");
    assert!(collector.service_names().iter().all(|name| name == "hotshelf"), "{:?}", collector.service_names());
}

#[tokio::test]
async fn a_hit_in_memory_and_a_failure_are_traced_too() {
    let (collector, endpoint) = Collector::start().await;
    let service = traced(&endpoint).env("OTEL_SERVICE_NAME", "shop").start().await;
    let product = create(&service, &laptop()).await;
    service.get(&path(&product)).await.expect(200);
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    service.get(&path(&product)).header("traceparent", &traceparent).await.expect(200);
    let spans = collector.trace(TRACE).await;
    assert_eq!(spans.len(), 1, "a hit in memory has no further spans: {spans:?}");

    let mut outsider = hotshelf_testkit::ExternalWriter::on_database_of(&service);
    outsider.run("ALTER TABLE products RENAME TO mislaid");
    let other = TRACE.replace('0', "1");
    let traceparent = format!("00-{other}-{CALLER}-01");
    service.get("/api/v1/products/77").header("traceparent", &traceparent).await.expect(503);
    let spans = collector.trace(&other).await;
    for name in ["GET /api/v1/products/{id}", "find"] {
        let status = named(&spans, name).status.as_ref().map(|status| status.code);
        assert_eq!(status, Some(2), "{name} is not marked as an error");
    }
    outsider.run("ALTER TABLE mislaid RENAME TO products");
    assert!(collector.service_names().iter().all(|name| name == "shop"));
}

#[tokio::test]
async fn a_stop_exports_the_last_sampled_spans() {
    let in_an_hour = 3_600_000;
    for (sampler, caller_samples, expected) in [
        ("always_off", "01", false),
        ("always_on", "00", true),
        ("parentbased_always_on", "00", false),
        ("parentbased_always_off", "01", true),
    ] {
        let (collector, endpoint) = Collector::start().await;
        let service = traced(&endpoint).env("OTEL_BSP_SCHEDULE_DELAY", in_an_hour).env("OTEL_TRACES_SAMPLER", sampler);
        let mut service = service.start().await;
        let traceparent = format!("00-{TRACE}-{CALLER}-{caller_samples}");
        service.get("/api/v1/products/77").header("traceparent", &traceparent).await.expect(404);
        assert!(service.terminate().await.success());
        let sent = collector.spans().iter().any(|span| hex(&span.trace_id) == TRACE);
        assert_eq!(sent, expected, "{sampler}, {caller_samples}");
    }
}

#[tokio::test]
async fn without_a_collector_the_service_serves_and_stops_normally() {
    let mut service = traced("http://127.0.0.1:1").start().await;
    let product = create(&service, &laptop()).await;
    for _ in 0..100 {
        service.get(&path(&product)).await.expect(200);
    }
    assert!(service.terminate().await.success());
}

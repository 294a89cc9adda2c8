use std::time::Duration;

use async_trait::async_trait;
use hotshelf_lifecycle::TRACED;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// How long the collector may take to answer, in milliseconds: the first variable that is set, as in the specification
/// of the OTLP exporter.
const TIMEOUT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

/// The answer of a collector is a few bytes, or says what it refuses.
const LARGEST_ANSWER: usize = 1 << 20;

/// Where traces go, and which.
#[derive(Clone, Debug)]
pub struct TraceOptions {
    /// The collector's address, such as `http://localhost:4318`; `/v1/traces` is added to it.
    pub endpoint: String,
    /// Whose traces they are.
    pub service_name: String,
    /// Which traces are sent.
    pub sampling: Sampling,
}

/// Which traces are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The share of the traces that begin here, 0 to 1.
    pub ratio: f64,
    /// What a caller has decided (`traceparent`) holds here, too.
    pub follow_parent: bool,
}

/// The traces cannot be exported so.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to {endpoint}: {cause}")]
pub struct TraceError {
    endpoint: String,
    cause: String,
}

/// Collects the spans and sends them, on a thread of its own, in batches, from a bounded queue: when the collector is
/// away or slow, spans are dropped, and nobody waits.
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Starts the thread. Not from within an asynchronous task: the client blocks.
    ///
    /// # Errors
    /// When the endpoint is no address.
    pub fn start(options: &TraceOptions) -> Result<Self, TraceError> {
        let endpoint = format!("{}/v1/traces", options.endpoint.trim_end_matches('/'));
        let refused = |cause: String| TraceError { endpoint: endpoint.clone(), cause };
        let client = BlockingClient::new().map_err(|error| refused(error.to_string()))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client);
        let exporter = exporter.with_protocol(Protocol::HttpBinary).with_endpoint(&endpoint).build();
        let exporter = exporter.map_err(|error| refused(error.to_string()))?;
        let resource = Resource::builder().with_service_name(options.service_name.clone()).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler(options.sampling))
            .with_resource(resource);
        Ok(Exporter(provider.build()))
    }

    /// What the subscriber needs to hand over the spans.
    pub fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(&self) -> impl Layer<S> + use<S> {
        let layer = tracing_opentelemetry::layer().with_tracer(self.0.tracer("hotshelf"));
        // Where in the code a span was made is of no use to who reads a trace of a service.
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        layer.with_filter(Targets::new().with_target(TRACED, LevelFilter::INFO))
    }

    /// Sends what is left, for at most `timeout`.
    pub fn stop(self, timeout: Duration) {
        if let Err(error) = self.0.shutdown_with_timeout(timeout) {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

/// Sends from the thread of the batches, which is no thread of the service's runtime and outlives it. HTTP without TLS.
#[derive(Debug)]
struct BlockingClient {
    client: Client<HttpConnector, Full<Bytes>>,
    timeout: Duration,
    runtime: Runtime,
}

impl BlockingClient {
    fn new() -> std::io::Result<Self> {
        let given = TIMEOUT_VARIABLES.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
        Ok(BlockingClient {
            // Between two batches nobody drives the runtime, so nobody would notice that an idle connection has ended.
            client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http(),
            timeout: given.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.client.request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

#[async_trait]
impl HttpClient for BlockingClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime.block_on(async { timeout(self.timeout, self.send(request)).await? })
    }
}

fn sampler(Sampling { ratio, follow_parent }: Sampling) -> Sampler {
    let root = Sampler::TraceIdRatioBased(ratio);
    if follow_parent { Sampler::ParentBased(Box::new(root)) } else { root }
}

use std::time::Duration;

use hotshelf_lifecycle::TRACED;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

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
        let exporter =
            SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_endpoint(&endpoint).build();
        let exporter = exporter.map_err(|error| TraceError { endpoint, cause: error.to_string() })?;
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

fn sampler(Sampling { ratio, follow_parent }: Sampling) -> Sampler {
    let root = Sampler::TraceIdRatioBased(ratio);
    if follow_parent { Sampler::ParentBased(Box::new(root)) } else { root }
}

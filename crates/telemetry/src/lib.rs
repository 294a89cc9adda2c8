//! For traces: what a request waited for, span by span, sent to a collector by OTLP. May depend on `lifecycle`.
//!
//! Whatever is to be seen in a trace is a span of `tracing` with the target [`TRACED`](hotshelf_lifecycle::TRACED).
//! While nothing is exported, nobody is interested in that target, and such a span costs no more than asking.
//!
//! ```no_run
//! use std::time::Duration;
//! use hotshelf_telemetry::{Exporter, RequestTrace, Sampling, TraceOptions};
//! use tracing_subscriber::prelude::*;
//!
//! let exporter = Exporter::start(&TraceOptions {
//!     endpoint: "http://localhost:4318".to_owned(),
//!     service_name: "hotshelf".to_owned(),
//!     sampling: Sampling { ratio: 0.1, follow_parent: true },
//! })?;
//! tracing_subscriber::registry().with(exporter.layer()).init();
//! let trace = RequestTrace::begin("GET", "/api/v1/products/{id}", "3b56a2e2-000000000002", |_header| None);
//! trace.end(200);
//! exporter.stop(Duration::from_secs(2));
//! # Ok::<(), hotshelf_telemetry::TraceError>(())
//! ```

mod exporter;
mod request;

pub use exporter::{Exporter, Sampling, TraceError, TraceOptions};
pub use request::RequestTrace;

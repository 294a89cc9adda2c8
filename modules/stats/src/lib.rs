//! For metrics: a registry in which whoever counts registers its families, and the page on which Prometheus reads them.
//! Knows nobody who counts. May depend on `lifecycle` only.
//!
//! ```
//! use hotshelf_stats::Registry;
//!
//! let registry = Registry::new()?;
//! let mails = registry.counters("mails_total", "Mails to users", &["outcome"])?;
//! mails.with_label_values(&["sent"]).inc();
//! assert!(registry.page()?.contains(r#"mails_total{outcome="sent"} 1"#));
//! # Ok::<(), hotshelf_stats::MetricsError>(())
//! ```

mod module;
#[cfg(target_os = "linux")]
mod process;
mod registry;

pub use prometheus::core::{Collector, Desc};
pub use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, proto};
pub use registry::{MetricsError, Registry};

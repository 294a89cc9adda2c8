use prometheus::{IntGauge, Opts, Registry};

use crate::metrics::MetricsError;

/// What the system knows about the process (CPU time, memory, open files), and which release it is.
pub(crate) fn register_process(registry: &Registry) -> Result<(), MetricsError> {
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let options = Opts::new("hotshelf_build_info", "Always 1; the release is the label");
    let release = IntGauge::with_opts(options.const_label("version", env!("CARGO_PKG_VERSION")))?;
    release.set(1);
    registry.register(Box::new(release))
}

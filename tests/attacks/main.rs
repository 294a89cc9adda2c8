//! Attacks on the service, on loopback, and what everybody else gets meanwhile. Each prints what it has measured
//! (`--nocapture`); `HOTSHELF_LONG=1` makes them as large as a real one.
#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

mod searches;

use hotshelf_testkit::{Service, ServiceBuilder};

/// The service that this package builds, about to be started.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

//! The protocol of the cache from outside: the real binary over HTTP, alone or with a second instance on the same
//! database and the same Redis. Each module tests one guarantee; `instances`, `readers` and `hang_up` are shared
//! helpers. `crates/cache/tests/cache/traps.rs` names the test for each known error of other caches.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod audit;
mod cancellation;
// Only builds with debug assertions can crash on demand.
#[cfg(debug_assertions)]
mod crash_points;
mod fail_safe;
mod hang_up;
mod instances;
mod lists_elsewhere;
mod negative;
mod outages;
mod read_your_writes;
mod readers;
mod refresh;
mod round_trips;
mod stampede;
mod unlike_instances;

use hotshelf_testkit::{Service, ServiceBuilder};

/// A builder for the service of this package.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

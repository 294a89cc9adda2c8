//! The protocol of the cache from outside: the real binary over HTTP, alone or with a second instance on the same
//! database and the same Redis. Each module is one promise; `instances`, `outsider`, `readers` and `hang_up` are the
//! words they tell their stories in. `crates/cache/tests/cache/traps.rs` says which test keeps which mistake of other
//! caches out.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod audit;
mod cancellation;
// Only builds with debug assertions know how to crash on demand.
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

/// The service that this package builds, about to be started.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

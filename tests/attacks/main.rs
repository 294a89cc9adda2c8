//! Those who would keep the service from others: each attack at its size, and what others meet beside it. The bounds
//! are wide, for busy machines; the figures are printed (`cargo test --test attacks -- --nocapture`), and
//! `HOTSHELF_LONG=1` makes the searches as large as real ones.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod bodies;
mod connections;
mod errors;
mod other_clients;
mod raw_http;
mod searches;
mod stop;

use hotshelf_testkit::{Service, ServiceBuilder};

/// The service that this package builds, about to be started.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

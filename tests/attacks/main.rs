//! Attacks on the availability of the service, each at full size, with the requests of other clients beside it. The
//! bounds are wide, for busy machines; `cargo test --test attacks -- --nocapture` prints the figures, and
//! `HOTSHELF_LONG=1` makes the searches as large as real ones.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod bodies;
mod connections;
mod errors;
mod http2;
mod other_clients;
mod raw_http;
mod searches;
mod stop;

use hotshelf_testkit::{Service, ServiceBuilder};

/// A builder for the service of this package.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

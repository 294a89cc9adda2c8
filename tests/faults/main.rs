//! The service while what it stands on fails: its database, its disk, its Redis, and more work than it can do. The real
//! binary, with real files and servers.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic for the test that uses them")]

mod database_trouble;
mod disk;
mod identity;
mod overload;
mod rebuild;
mod redis;
mod redis_refusals;

use hotshelf_testkit::{Service, ServiceBuilder};

/// The service that this package builds, about to be started.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

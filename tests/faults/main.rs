//! Failures of the database, the disk and Redis, and overload. The real binary, with real files and servers.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic for the test that uses them")]

mod database_trouble;
mod disk;
mod identity;
mod overload;
mod postgres;
mod rebuild;
mod redis;
mod redis_refusals;

use hotshelf_testkit::{Service, ServiceBuilder};

/// A builder for the service of this package.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

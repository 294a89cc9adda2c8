//! Redis as it is run in production: behind Sentinel, as a cluster, with several connections. The real binary over
//! HTTP, two instances on one database, and real servers of which some end.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod access;
mod failover;
mod load;
mod lost_replication;
mod new_places;
mod promises;
mod topology;

use hotshelf_testkit::{Service, ServiceBuilder};

/// The service that this package builds, about to be started.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

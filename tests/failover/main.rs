//! Redis behind Sentinel, as a cluster, and with several connections: the real binary over HTTP, two instances on one
//! database, and real servers, some of which are killed.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod access;
mod failover;
mod load;
mod lost_replication;
mod new_places;
mod promises;
mod topology;

use hotshelf_testkit::{Service, ServiceBuilder};

/// A builder for the service of this package.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

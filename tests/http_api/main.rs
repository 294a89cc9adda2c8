//! The service from outside: the real binary over HTTP, with a database of its own and, where Redis matters, with a
//! real Redis. The modules mirror the routes and the promises of the HTTP contract.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the words of the stories panic for the test that uses them"
)]

mod analytics;
mod bad_input;
mod bulk;
mod cache_deletes;
mod coherence;
mod compression;
mod conditional;
mod content;
mod details;
mod docs;
mod envelope;
mod framing;
mod headers;
mod health;
mod history;
mod hosts;
mod http2;
mod invalidation;
mod lifecycle;
mod limits;
mod lists;
mod logs;
mod metrics;
mod negotiation;
mod openapi;
mod ops;
mod organizations;
mod origins;
mod preconditions;
mod problems;
mod product_ids;
mod products;
mod redis_access;
mod request_id;
mod schemas;
mod search;
mod statistics;
mod traces;
mod validation;
mod warming;
mod write_through;

use hotshelf_testkit::{Service, ServiceBuilder};

/// A builder for the service of this package.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

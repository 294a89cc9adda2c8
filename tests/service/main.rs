//! The service from outside: the real binary over HTTP, with a database of its own and, where Redis matters, with a
//! real Redis. The modules mirror the routes and the promises of the HTTP contract; `catalogue`, `shapes`,
//! `history`, `load`, `half_sent`, `held` and `outsider` are the words they tell their stories in.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the words of the stories panic for the test that uses them"
)]

mod analytics;
mod bad_input;
mod bulk;
mod cache_deletes;
mod catalogue;
mod coherence;
mod conditional;
mod database_trouble;
mod details;
mod disk;
mod envelope;
mod half_sent;
mod health;
mod held;
mod history;
mod identity;
mod lifecycle;
mod limits;
mod lists;
mod load;
mod logs;
mod metrics;
mod negotiation;
mod openapi;
mod ops;
mod organizations;
mod outsider;
mod overload;
mod problems;
mod product_ids;
mod products;
mod rebuild;
mod redis;
mod redis_access;
mod redis_refusals;
mod request_id;
mod schemas;
mod search;
mod shapes;
mod statistics;
mod traces;
mod validation;
mod voids;
mod warming;
mod write_through;

use hotshelf_testkit::{Service, ServiceBuilder};

/// The service that this package builds, about to be started.
fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

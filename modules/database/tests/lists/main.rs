//! Lists against the same lists made the plain way: read everything, filter, sort, cut.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml allows them in test functions, but not in their helpers"
)]

mod counters;
mod filters;
mod orders;
mod plain;
mod refusals;
mod search;
mod shop;

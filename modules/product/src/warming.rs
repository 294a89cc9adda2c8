//! Warming: what was read most is loaded into the cache before it is asked for, after a start and from time to time.
//!
//! [`Warmer`] is the one handle. A run takes the first pages and the products that were read most, in batches, at a
//! bounded rate, and waits whenever reads wait for the database. How often products are read is kept in the database,
//! so that the next run of the service knows it.

mod condition;
mod counts;
mod metrics;
mod module;
mod pace;
mod run;
mod warmer;

pub use condition::Condition;
pub use warmer::{WarmError, WarmOptions, Warmer};

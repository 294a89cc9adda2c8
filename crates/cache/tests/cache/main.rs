//! The cache from outside, against a real Redis where the configuration has one: what it answers, what it keeps, and
//! what becomes of the promise when Redis goes away, hangs, or comes back with another memory. `truth` is the database
//! of these stories, `world` the words they are told in.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod batches;
mod contract;
mod foreign;
mod forger;
mod large;
mod lives;
mod loads;
mod namespaces;
mod outage;
mod processes;
mod restarts;
mod strangers;
mod traps;
mod truth;
mod world;
mod writes;

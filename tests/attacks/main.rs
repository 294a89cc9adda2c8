//! Those who would keep the service from others: each attack at its size, and what others meet beside it. The bounds are wide,
//! for busy machines; the figures are printed (`cargo test --test attacks -- --nocapture`).
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod bodies;
mod connections;
mod errors;
mod others;
mod stop;
mod wire;

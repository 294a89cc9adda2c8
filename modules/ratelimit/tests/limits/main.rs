//! Limits from outside, on a real Redis: how those who wait share its steps, and what becomes of a limit when Redis
//! goes away or forgets.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod outage;
mod sharing;
mod world;

//! Attacks on authentication and authorization.

mod brute_force;
mod fixation;
mod guessing;
mod injection;
mod paths;
mod slowness;

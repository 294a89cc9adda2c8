//! What people try who mean harm.

mod brute_force;
mod fixation;
mod guessing;
mod injection;
mod paths;
mod slowness;

//! What people try who mean harm.

mod fixation;
mod guessing;
mod injection;
mod paths;
mod slowness;

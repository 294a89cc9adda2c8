//! What `hotshelf` does, one file for each command.

pub(crate) mod admin;
pub(crate) mod export;
pub(crate) mod import;
mod progress;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod warm;

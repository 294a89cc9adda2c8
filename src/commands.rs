//! The commands that run with a configuration and a runtime, one file each.

pub(crate) mod admin;
pub(crate) mod copy;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod migrate;
mod progress;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod warm;

//! One file per resource.

pub(crate) mod envelope;
pub(crate) mod health;
pub(crate) mod products;
pub(crate) mod statistics;

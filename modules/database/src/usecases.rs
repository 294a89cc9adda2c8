//! What each write does, once for every database: in which order things are checked, what is refused, and what else
//! changes with it. Over the [`port`](crate::port); each function runs inside a transaction that its caller
//! has begun, and an error from it undoes all of it.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod bulk;
pub(crate) mod details;
pub(crate) mod epoch;
pub(crate) mod organizations;
pub(crate) mod products;
pub(crate) mod quotas;
mod references;
pub(crate) mod registration;
pub(crate) mod schemas;

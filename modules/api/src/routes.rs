//! One file per resource.

pub(crate) mod analytics;
pub(crate) mod api_keys;
pub(crate) mod auth;
pub(crate) mod bulk;
pub(crate) mod cache;
pub(crate) mod details;
pub(crate) mod envelope;
pub(crate) mod health;
pub(crate) mod members;
pub(crate) mod organizations;
pub(crate) mod passwords;
pub(crate) mod products;
pub(crate) mod schemas;
pub(crate) mod sessions;
pub(crate) mod statistics;
pub(crate) mod users;

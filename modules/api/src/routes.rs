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

use crate::operations::Operations;

/// Every operation that the API describes.
pub(crate) fn operations() -> Operations {
    Operations::default()
        .merge(products::operations())
        .merge(details::operations())
        .merge(bulk::operations())
        .merge(organizations::operations())
        .merge(schemas::operations())
        .merge(members::operations())
        .merge(analytics::operations())
        .merge(cache::operations())
        .merge(envelope::operations())
        .merge(auth::operations())
        .merge(passwords::operations())
        .merge(sessions::operations())
        .merge(api_keys::operations())
        .merge(users::operations())
        .merge(statistics::operations())
        .merge(health::operations())
}

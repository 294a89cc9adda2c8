//! What the repository promises around products: organizations, schemas, details, many products at once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml allows them in test functions, but not in their helpers"
)]

mod bulk;
mod details;
mod first_version;
mod optimistic;
mod organizations;
mod schemas;
mod world;

//! For the truth: products, organizations, schemas and users, on disk. Knows no HTTP and no cache. May depend on
//! `domain`, `stats` and `lifecycle`.
//!
//! - [`Database`] is SQLite with one group-committing writer and readers in pools.
//! - What a write names that only the database knows, such as an organization, is checked in the write's transaction.

mod database;
mod error;
mod metrics;
mod module;
mod port;
mod sqlite;
mod usecases;

pub use database::{Database, DatabaseOptions, Noted};
pub use error::OpenError;

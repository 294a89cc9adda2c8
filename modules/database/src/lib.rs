//! For the truth: products, organizations, schemas and users, on disk. Knows no HTTP and no cache. May depend on `domain`,
//! `stats` and `lifecycle`.
//!
//! - [`ProductRepository`] and [`AccountRepository`] are SQLite with one group-committing writer and readers in lanes.
//! - What a write names that only the database knows, such as an organization, is checked in the write's transaction.

mod error;
mod module;
mod repository;
mod sqlite;

pub use error::OpenError;
pub use repository::{AccountRepository, Committed, Copies, DatabaseOptions, ProductRepository};

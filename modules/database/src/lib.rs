//! For the truth: products, organizations, schemas and users, on disk. Knows no HTTP and no cache. May depend on
//! `domain`, `stats` and `lifecycle`.
//!
//! - [`Database`] has one group-committing writer and readers in pools (`engine`), over a kind of database
//!   (`sqlite`, `postgres`).
//! - What a write names that only the database knows, such as an organization, is checked in the write's transaction.

#![expect(clippy::duplicate_mod, reason = "each adapter includes the statements as a module of its own")]

mod backend;
mod copying;
mod database;
mod engine;
mod error;
mod listing;
mod metrics;
mod module;
mod port;
mod postgres;
mod rows;
mod search_words;
mod sqlite;
mod statement;
mod tables;
mod usecases;

pub use copying::{Copied, copied_columns};
pub use database::{Database, DatabaseOptions, Location, Noted};
pub use error::OpenError;
pub use postgres::{InvalidUrl, ServerUrl};

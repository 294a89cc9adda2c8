//! SQLite: a file of this machine, and the statements that are its own.

mod backend;
pub(crate) mod connect;
mod copying;
mod error;
mod history;
pub(crate) mod identity;
mod lock;
mod permissions;
mod products;
pub(crate) mod reader;
mod rebuild;
pub(crate) mod search_index;
mod writer;

#[path = "statements/mod.rs"]
mod statements;

pub(crate) use backend::Sqlite;
use products::count_products;

/// What the [`statements`] run on.
type Connection = diesel::sqlite::SqliteConnection;

/// Functions of several numbers: the largest and the smallest.
const LATER_OF: &str = "max";
const EARLIER_OF: &str = "min";

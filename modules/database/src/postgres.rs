//! PostgreSQL: a server that several machines share, and the statements that are its own.

mod backend;
mod changes;
mod connection;
mod copying;
mod doubt;
mod history;
mod identity;
mod inserts;
mod link;
mod migrations;
mod place;
mod products;
mod reader;
mod sql;
mod url;
mod writer;

#[path = "statements/mod.rs"]
mod statements;

pub(crate) use backend::Postgres;
use backend::open_connection;
use connection::Connection;
use products::count_products;
pub use url::{InvalidUrl, ServerUrl};

/// Functions of several numbers: the largest and the smallest.
const LATER_OF: &str = "greatest";
const EARLIER_OF: &str = "least";

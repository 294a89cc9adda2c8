//! SQLite: a file of this machine, and the statements that are its own.

mod backend;
pub(crate) mod connect;
mod copying;
mod error;
mod history;
pub(crate) mod identity;
mod instances;
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
use hotshelf_cache::Epoch;
use products::count_products;

use crate::error::SqlError;

/// What the [`statements`] run on.
type Connection = diesel::sqlite::SqliteConnection;

/// Functions of several numbers: the largest and the smallest.
const LATER_OF: &str = "max";
const EARLIER_OF: &str = "min";

/// Each write advances the epoch by itself, which costs nothing here.
fn advance_once(
    conn: &mut Connection,
    advance: impl FnOnce(&mut Connection) -> Result<Epoch, SqlError>,
) -> Result<Epoch, SqlError> {
    advance(conn)
}

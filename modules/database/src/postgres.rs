//! PostgreSQL: a server that several machines share, and the statements that are its own.

mod backend;
mod changes;
mod connection;
mod copying;
mod doubt;
mod history;
mod identity;
mod inserts;
mod instances;
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
use hotshelf_cache::Epoch;
use products::count_products;
pub use url::{InvalidUrl, ServerUrl};

use crate::error::SqlError;

/// Functions of several numbers: the largest and the smallest.
const LATER_OF: &str = "greatest";
const EARLIER_OF: &str = "least";

/// The writes of a group share an advance of the epoch: they are committed together, and each would be a round trip.
fn advance_once(
    conn: &mut Connection,
    advance: impl FnOnce(&mut Connection) -> Result<Epoch, SqlError>,
) -> Result<Epoch, SqlError> {
    // Counted all the same: whoever fails afterwards is undone.
    conn.will_write();
    match conn.advanced {
        Some(epoch) => Ok(epoch),
        None => {
            let epoch = advance(conn)?;
            conn.advanced = Some(epoch);
            Ok(epoch)
        }
    }
}

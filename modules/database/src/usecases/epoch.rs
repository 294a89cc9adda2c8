//! The epoch of the cached entries.

use crate::error::SqlError;
use crate::port::{EpochTx, Tx};
use hotshelf_cache::{Committed, Epoch, Fencing};

/// The work and, when cached entries could not be fenced, the advance of their epoch with it: both or neither.
pub(crate) fn commit<V>(
    tx: &mut dyn Tx,
    fencing: Fencing,
    work: impl FnOnce(&mut dyn Tx) -> Result<V, SqlError>,
) -> Result<Committed<V>, SqlError> {
    let value = work(tx)?;
    let epoch = match fencing {
        Fencing::Fenced => None,
        Fencing::Unfenced => Some(tx.advance_epoch()?),
    };
    Ok(Committed::new(value, epoch))
}

/// The epoch of what this Redis server has in memory; a new one when another server was named last.
pub(crate) fn reconcile(tx: &mut dyn EpochTx, server: &str) -> Result<Epoch, SqlError> {
    match tx.epoch()? {
        (epoch, known) if known == server => Ok(epoch),
        _ => {
            tx.set_server(server)?;
            tx.advance_epoch()
        }
    }
}

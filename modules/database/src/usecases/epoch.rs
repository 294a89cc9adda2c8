//! The epoch of the cached entries.

use crate::port::EpochTx;
use hotshelf_cache::{Committed, Epoch, Fencing};

/// The work and, when cached entries could not be fenced, the advance of their epoch with it: both or neither.
pub(crate) fn commit<T: EpochTx, V>(
    tx: &mut T,
    fencing: Fencing,
    work: impl FnOnce(&mut T) -> Result<V, T::Error>,
) -> Result<Committed<V>, T::Error> {
    let value = work(tx)?;
    let epoch = match fencing {
        Fencing::Fenced => None,
        Fencing::Unfenced => Some(tx.advance_epoch()?),
    };
    Ok(Committed::new(value, epoch))
}

/// The epoch of what this Redis server has in memory; a new one when another server was named last.
pub(crate) fn reconcile<T: EpochTx>(tx: &mut T, server: &str) -> Result<Epoch, T::Error> {
    match tx.epoch()? {
        (epoch, known) if known == server => Ok(epoch),
        _ => {
            tx.set_server(server)?;
            tx.advance_epoch()
        }
    }
}

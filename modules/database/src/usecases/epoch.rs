//! The epoch of the copies.

use crate::port::EpochTx;
use hotshelf_cache::{Committed, Epoch, Fencing};

/// The work and, when copies elsewhere may have missed it, the advance of their epoch with it: both or neither.
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

/// The epoch that goes with the memory of this server; a new one when another server was named last.
pub(crate) fn reconcile<T: EpochTx>(tx: &mut T, server: &str) -> Result<Epoch, T::Error> {
    match tx.epoch()? {
        (epoch, known) if known == server => Ok(epoch),
        _ => {
            tx.set_server(server)?;
            tx.advance_epoch()
        }
    }
}

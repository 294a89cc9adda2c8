//! The epoch of the copies.

use crate::commit::{Committed, Copies};
use crate::port::EpochTx;

/// The work and, when copies elsewhere may have missed it, the advance of their epoch with it: both or neither.
pub(crate) fn commit<T: EpochTx, V>(
    tx: &mut T,
    copies: Copies,
    work: impl FnOnce(&mut T) -> Result<V, T::Error>,
) -> Result<Committed<V>, T::Error> {
    let value = work(tx)?;
    let epoch = match copies {
        Copies::Fenced => None,
        Copies::Unfenced => Some(tx.advance_epoch()?),
    };
    Ok(Committed { value, epoch })
}

/// The epoch that goes with the memory of this server; a new one when another server was named last.
pub(crate) fn reconcile<T: EpochTx>(tx: &mut T, server: &str) -> Result<i64, T::Error> {
    match tx.epoch()? {
        (epoch, known) if known == server => Ok(epoch),
        _ => {
            tx.set_server(server)?;
            tx.advance_epoch()
        }
    }
}

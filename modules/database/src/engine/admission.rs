//! Admission of reads: bounds on reads that run, on those of one organization, and on those that wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use hotshelf_domain::{OrganizationId, StoreError};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const FULL: StoreError = StoreError::Overloaded("too many reads are waiting");

/// The organization that reads, or `None` for reads across all of them.
pub(crate) type Party = Option<OrganizationId>;

/// How many reads there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// At work at the same time.
    pub(crate) running: usize,
    /// Of those, for one party.
    pub(crate) running_of_one: usize,
    /// Waiting beside those at work; more are refused.
    pub(crate) waiting: usize,
    /// Of those, for one party.
    pub(crate) waiting_of_one: usize,
}

/// Gives out turns. Each party has a queue of its own, from which no more come to the common one than may run at the
/// same time. So the common queue holds a few of each party, however many of one are waiting, and serves them in
/// turn.
pub(crate) struct Admission {
    bounds: Bounds,
    places: Arc<Semaphore>,
    reads: Arc<Mutex<Reads>>,
}

/// Those that wait or run.
#[derive(Default)]
struct Reads {
    all: usize,
    /// Only parties that have one: their number is bounded by that of the reads.
    of: HashMap<Party, PartyReads>,
}

struct PartyReads {
    count: usize,
    places: Arc<Semaphore>,
}

/// The permission to run; gives its place to the next when it is dropped.
pub(crate) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_party: OwnedSemaphorePermit,
    // Dropped last: a party whose places are not all back is not forgotten.
    _counted: Counted,
}

/// Counts as waiting or running until it is dropped.
struct Counted {
    party: Party,
    reads: Arc<Mutex<Reads>>,
}

impl Admission {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Admission { bounds, places: Arc::new(Semaphore::new(bounds.running)), reads: Arc::default() }
    }

    /// Waits for a turn. A caller that stops waiting leaves the queue.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`], at once, when too many wait.
    pub(crate) async fn turn(&self, party: Party) -> Result<Turn, StoreError> {
        let (counted, places) = self.count(party).ok_or(FULL)?;
        // Nobody closes the semaphores.
        let of_party = places.acquire_owned().await.map_err(|_| FULL)?;
        let of_all = Arc::clone(&self.places).acquire_owned().await.map_err(|_| FULL)?;
        Ok(Turn { _of_all: of_all, _of_party: of_party, _counted: counted })
    }

    /// `None` when too many wait.
    fn count(&self, party: Party) -> Option<(Counted, Arc<Semaphore>)> {
        let Bounds { running, running_of_one, waiting, waiting_of_one } = self.bounds;
        let mut reads = self.reads.lock();
        if reads.all >= running + waiting {
            return None;
        }
        let own = reads.of.entry(party);
        let own = own.or_insert_with(|| PartyReads { count: 0, places: Arc::new(Semaphore::new(running_of_one)) });
        if own.count >= running_of_one + waiting_of_one {
            return None;
        }
        own.count += 1;
        let places = Arc::clone(&own.places);
        reads.all += 1;
        Some((Counted { party, reads: Arc::clone(&self.reads) }, places))
    }

    pub(crate) fn running(&self) -> usize {
        self.bounds.running - self.places.available_permits()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.reads.lock().all.saturating_sub(self.running())
    }

    /// Returns when no read runs. For the end, when no more are admitted.
    pub(crate) async fn wait_for_all(&self) {
        let all = u32::try_from(self.bounds.running).unwrap_or(u32::MAX);
        drop(self.places.acquire_many(all).await);
    }

    /// Whether the next one has to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut reads = self.reads.lock();
        reads.all -= 1;
        if let Entry::Occupied(mut own) = reads.of.entry(self.party) {
            own.get_mut().count -= 1;
            if own.get().count == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};

    use futures_util::FutureExt;

    use super::*;

    fn party(number: i64) -> Party {
        OrganizationId::new(number)
    }

    fn admission(running: usize, running_of_one: usize) -> Admission {
        Admission::new(Bounds { running, running_of_one, waiting: 6, waiting_of_one: 4 })
    }

    fn now<T>(turn: Pin<&mut impl Future<Output = Result<T, StoreError>>>) -> Option<T> {
        turn.now_or_never().map(|turn| turn.unwrap())
    }

    #[tokio::test]
    async fn no_party_takes_all_places() {
        let admission = admission(3, 2);
        let _busy = [admission.turn(party(2)).await.unwrap(), admission.turn(party(2)).await.unwrap()];
        let mut third = pin!(admission.turn(party(2)));
        assert!(now(third.as_mut()).is_none());
        assert!(!admission.is_full());
        assert!(now(pin!(admission.turn(None))).is_some(), "there is a place for another one");
    }

    #[tokio::test]
    async fn parties_are_served_in_turn_however_many_of_one_wait() {
        let admission = admission(1, 1);
        let first = admission.turn(party(2)).await.unwrap();
        let mut crowd =
            [pin!(admission.turn(party(2))), pin!(admission.turn(party(2))), pin!(admission.turn(party(2)))];
        assert!(crowd.iter_mut().all(|turn| now(turn.as_mut()).is_none()));
        let mut other = pin!(admission.turn(party(3)));
        assert!(now(other.as_mut()).is_none());
        drop(first);
        // The party's own next one comes to the common queue only now, behind the other party.
        assert!(crowd.iter_mut().all(|turn| now(turn.as_mut()).is_none()));
        let other = now(other.as_mut()).expect("the other party's turn");
        drop(other);
        assert_eq!(crowd.iter_mut().filter_map(|turn| now(turn.as_mut()).map(drop)).count(), 3);
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once_and_others_are_not() {
        let admission = admission(1, 1);
        let busy = admission.turn(party(2)).await.unwrap();
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(admission.turn(party(2)))).collect();
        assert!(waiting.iter_mut().all(|turn| now(turn.as_mut()).is_none()));
        assert!(matches!(admission.turn(party(2)).now_or_never(), Some(Err(StoreError::Overloaded(_)))));
        assert_eq!(admission.waiting(), 4);
        let mut others: Vec<_> = (3..5).map(|number| Box::pin(admission.turn(party(number)))).collect();
        assert!(others.iter_mut().all(|turn| now(turn.as_mut()).is_none()));
        assert!(
            matches!(admission.turn(party(9)).now_or_never(), Some(Err(StoreError::Overloaded(_)))),
            "of all together"
        );
        drop((waiting, others));
        assert_eq!(admission.waiting(), 0, "whoever stops waiting leaves the queue");
        drop(busy);
        assert!(admission.reads.lock().of.is_empty(), "nobody is remembered for ever");
    }
}

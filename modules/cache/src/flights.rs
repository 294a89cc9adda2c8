//! Single flight: of the lookups of one key that no memory answers, one goes and the others wait for what it brings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::epochs::Stamp;
use crate::key::Key;
use crate::value::Found;

/// A flight is joined only by lookups with the same stamp. A write that finishes changes the stamp, so a lookup that
/// comes after it never joins a flight that took off before it and may bring the old value.
type FlightId = (Key, Stamp);

/// The stamp tells of writes in this process only. Where others write too, a lookup joins no flight that is older than
/// this, which bounds how far back its answer may reach.
const JOIN_WINDOW: Duration = Duration::from_millis(500);

pub(crate) type Landed<E> = Result<Found, E>;

type Airborne<E> = Arc<Mutex<HashMap<FlightId, Waiter<E>>>>;

pub(crate) struct Flights<E> {
    airborne: Airborne<E>,
    others_write: bool,
}

pub(crate) enum Role<E> {
    /// Go, and land with the result.
    Leader(Flight<E>),
    /// Wait for the leader.
    Waiter(Waiter<E>),
}

/// The leader's duty to land. Dropped without landing (its task was cancelled or panicked), it lets the waiters try again.
pub(crate) struct Flight<E> {
    id: FlightId,
    airborne: Airborne<E>,
    result: watch::Sender<Option<Landed<E>>>,
}

pub(crate) struct Waiter<E> {
    result: watch::Receiver<Option<Landed<E>>>,
    since: Instant,
}

impl<E: Clone> Flights<E> {
    pub(crate) fn new(others_write: bool) -> Self {
        Flights { airborne: Arc::default(), others_write }
    }

    pub(crate) fn join(&self, key: &Key, stamp: Stamp) -> Role<E> {
        let id = (key.clone(), stamp);
        let mut airborne = self.airborne.lock();
        let flight = airborne.get(&id);
        match flight.filter(|flight| !self.others_write || flight.since.elapsed() < JOIN_WINDOW) {
            Some(flight) => Role::Waiter(Waiter { result: flight.result.clone(), since: flight.since }),
            None => {
                let (result, waiting) = watch::channel(None);
                airborne.insert(id.clone(), Waiter { result: waiting, since: Instant::now() });
                Role::Leader(Flight { id, airborne: Arc::clone(&self.airborne), result })
            }
        }
    }

    /// How many are under way.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.airborne.lock().len()
    }
}

impl<E> Flight<E> {
    pub(crate) fn land(self, result: Landed<E>) {
        // `drop` takes the flight off the map first; those who hold a waiter still see this value.
        self.result.send_replace(Some(result));
    }
}

impl<E> Drop for Flight<E> {
    fn drop(&mut self) {
        let mut airborne = self.airborne.lock();
        // A later flight may have taken this one's place.
        if airborne.get(&self.id).is_some_and(|flight| flight.result.same_channel(&self.result.subscribe())) {
            airborne.remove(&self.id);
        }
    }
}

impl<E: Clone> Waiter<E> {
    /// What the leader brought; `None` when it was lost on the way.
    pub(crate) async fn wait(mut self) -> Option<Landed<E>> {
        self.result.wait_for(Option::is_some).await.ok()?.clone()
    }
}

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

#[cfg(test)]
mod tests {
    use hotshelf_stats::Stats;
    use tokio::time::advance;

    use super::*;
    use crate::epochs::Epochs;
    use crate::region::{Collection, Depends, Region, RegionOptions};
    use crate::value::Source;

    type Answer = Landed<&'static str>;

    fn stamps() -> (Stamp, Stamp) {
        let collection = Collection::new("things");
        let (ttl, depends) = (Duration::from_secs(1), Depends::Always);
        let options = RegionOptions { name: "thing", ttl, negative_ttl: ttl, collection, depends };
        let region = Region::new(options, Stats::new().unwrap().cache("thing"));
        let epochs = Epochs::new();
        let before = epochs.stamp(&region, &key());
        epochs.advance(&key(), || {});
        (before, epochs.stamp(&region, &key()))
    }

    fn key() -> Key {
        Key::new("id:1")
    }

    fn landing() -> Answer {
        Ok(Found { value: None, source: Source::Bypassed })
    }

    fn leader(flights: &Flights<&'static str>, stamp: Stamp) -> Flight<&'static str> {
        match flights.join(&key(), stamp) {
            Role::Leader(flight) => flight,
            Role::Waiter(_) => panic!("a flight is under way already"),
        }
    }

    fn waiter(flights: &Flights<&'static str>, stamp: Stamp) -> Waiter<&'static str> {
        match flights.join(&key(), stamp) {
            Role::Waiter(waiter) => waiter,
            Role::Leader(_) => panic!("no flight is under way"),
        }
    }

    #[tokio::test]
    async fn waiters_get_what_the_leader_brings() {
        let (flights, (stamp, _)) = (Flights::new(false), stamps());
        let flight = leader(&flights, stamp);
        let (first, second) = (waiter(&flights, stamp), waiter(&flights, stamp));
        flight.land(landing());
        assert_eq!(flights.count(), 0);
        assert_eq!(first.wait().await, Some(landing()));
        assert_eq!(second.wait().await, Some(landing()), "also when asked after the landing");
        drop(leader(&flights, stamp));
    }

    #[tokio::test]
    async fn when_the_leader_is_lost_a_waiter_leads() {
        let (flights, (stamp, _)) = (Flights::new(false), stamps());
        let flight = leader(&flights, stamp);
        let (first, second) = (waiter(&flights, stamp), waiter(&flights, stamp));
        drop(flight);
        assert_eq!(first.wait().await, None);
        let flight = leader(&flights, stamp);
        assert_eq!(second.wait().await, None);
        let second = waiter(&flights, stamp);
        flight.land(Err("no luck"));
        assert_eq!(second.wait().await, Some(Err("no luck")));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn a_flight_from_before_a_write_is_not_joined() {
        let (flights, (before, after)) = (Flights::new(false), stamps());
        let older = leader(&flights, before);
        let newer = leader(&flights, after);
        older.land(Err("the old value"));
        let waiter = waiter(&flights, after);
        newer.land(landing());
        assert_eq!(waiter.wait().await, Some(landing()));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn where_others_write_an_older_flight_is_replaced() {
        let (flights, (stamp, _)) = (Flights::new(true), stamps());
        let older = leader(&flights, stamp);
        let early = waiter(&flights, stamp);
        advance(JOIN_WINDOW).await;
        let newer = leader(&flights, stamp);
        older.land(Err("may be old"));
        assert_eq!(early.wait().await, Some(Err("may be old")));
        assert_eq!(flights.count(), 1, "the older one leaves the newer one's place alone");
        let late = waiter(&flights, stamp);
        newer.land(landing());
        assert_eq!(late.wait().await, Some(landing()));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn alone_on_the_database_a_flight_is_joined_at_any_age() {
        let (flights, (stamp, _)) = (Flights::new(false), stamps());
        let flight = leader(&flights, stamp);
        advance(JOIN_WINDOW * 100).await;
        drop(waiter(&flights, stamp));
        drop(flight);
    }
}

//! Single flight: of the lookups of one key that no memory answers, one goes and the others wait for what it brings.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chance::Hashing;
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

type Airborne<E> = Arc<Mutex<HashMap<FlightId, Waiter<E>, Hashing>>>;

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
    course: Arc<Course<E>>,
    /// One that is too old to be joined. However slow loads are, there is one of a key at a time, and one that waits.
    predecessor: Option<Waiter<E>>,
}

pub(crate) struct Waiter<E> {
    course: Arc<Course<E>>,
    since: Instant,
}

/// What leader and waiters share.
struct Course<E> {
    took_off: OnceLock<Instant>,
    /// Set once: what the leader brought, or that it was lost on the way.
    end: OnceLock<Option<Landed<E>>>,
    ended: Notify,
}

impl<E: Clone> Flights<E> {
    pub(crate) fn new(others_write: bool) -> Self {
        Flights { airborne: Arc::default(), others_write }
    }

    pub(crate) fn join(&self, key: &Key, stamp: Stamp) -> Role<E> {
        let id = (key.clone(), stamp);
        let mut airborne = self.airborne.lock();
        let flight = airborne.get(&id);
        if let Some(flight) = flight
            && (!self.others_write || flight.course.took_off_within(JOIN_WINDOW))
        {
            return Role::Waiter(flight.clone());
        }
        let course = Arc::new(Course::default());
        let waiter = Waiter { course: Arc::clone(&course), since: Instant::now() };
        let predecessor = airborne.insert(id.clone(), waiter);
        if predecessor.is_none() {
            course.take_off();
        }
        Role::Leader(Flight { id, airborne: Arc::clone(&self.airborne), course, predecessor })
    }

    /// When the flight took off that such a lookup would join.
    #[cfg(test)]
    pub(crate) fn took_off(&self, key: &Key, stamp: Stamp) -> Option<Instant> {
        self.airborne.lock().get(&(key.clone(), stamp))?.course.took_off.get().copied()
    }

    /// How many are under way.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.airborne.lock().len()
    }
}

impl<E> Default for Course<E> {
    fn default() -> Self {
        Course { took_off: OnceLock::new(), end: OnceLock::new(), ended: Notify::new() }
    }
}

impl<E> Course<E> {
    fn take_off(&self) {
        self.took_off.get_or_init(Instant::now);
    }

    /// Also before it has taken off.
    fn took_off_within(&self, window: Duration) -> bool {
        self.took_off.get().is_none_or(|moment| moment.elapsed() < window)
    }
}

impl<E: Clone> Flight<E> {
    /// Whether there is one of the same key before this one.
    pub(crate) fn waits(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Waits until there is none of the same key before this one: only then look, and load. Whoever leads several must let
    /// none of them wait here while others could go.
    pub(crate) async fn take_off(&mut self) {
        if let Some(predecessor) = &self.predecessor {
            predecessor.clone().wait().await;
        }
        self.predecessor = None;
        self.course.take_off();
    }
}

impl<E> Flight<E> {
    pub(crate) fn land(self, result: Landed<E>) {
        let _ = self.course.end.set(Some(result));
        // `drop` does the rest.
    }
}

impl<E> Drop for Flight<E> {
    fn drop(&mut self) {
        {
            let mut airborne = self.airborne.lock();
            // A later flight may have taken this one's place.
            if airborne.get(&self.id).is_some_and(|flight| Arc::ptr_eq(&flight.course, &self.course)) {
                airborne.remove(&self.id);
            }
        }
        self.course.end.get_or_init(|| None);
        self.course.ended.notify_waiters();
    }
}

impl<E> Clone for Waiter<E> {
    fn clone(&self) -> Self {
        Waiter { course: Arc::clone(&self.course), since: self.since }
    }
}

impl<E: Clone> Waiter<E> {
    /// When the flight was called for.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// What the leader brought; `None` when it was lost on the way.
    pub(crate) async fn wait(self) -> Option<Landed<E>> {
        // In this order: an end that comes after the look wakes those who were waiting by then.
        let ended = self.course.ended.notified();
        if self.course.end.get().is_none() {
            ended.await;
        }
        self.course.end.get()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hotshelf_stats::Stats;
    use tokio::time::advance;

    use super::*;
    use crate::epochs::Epochs;
    use crate::key_space::Keys;
    use crate::namespace::{Absence, Namespace, NamespaceOptions};
    use crate::value::Source;

    type Answer = Landed<&'static str>;

    fn stamps() -> (Stamp, Stamp) {
        let ttl = Duration::from_secs(1);
        let options = NamespaceOptions {
            name: "thing",
            keys: Keys::Beginning("id:"),
            ttl,
            negative_ttl: ttl,
            grace: ttl,
            absence: Absence::NotKept,
        };
        let entry = Namespace::alone(options, Stats::new().unwrap().cache("thing")).entry(key());
        let epochs = Epochs::new();
        let before = epochs.stamp(&entry);
        epochs.advance(&entry.key, || {});
        (before, epochs.stamp(&entry))
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
        let mut newer = leader(&flights, stamp);
        let joined = waiter(&flights, stamp);
        advance(JOIN_WINDOW * 2).await;
        drop(waiter(&flights, stamp));
        assert!(newer.take_off().now_or_never().is_none(), "one load at a time");
        older.land(Err("may be old"));
        assert_eq!(early.wait().await, Some(Err("may be old")));
        assert_eq!(flights.count(), 1, "the older one leaves the newer one's place alone");
        newer.take_off().await;
        drop(joined);
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

//! Single flight: of the lookups of one key that no memory answers, one goes and the others wait for what it brings.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::SetOnce;
use tokio::time::Instant;

use crate::key::Key;
use crate::rng::Hashing;
use crate::value::Found;
use crate::write_counters::Snapshot;

/// A flight is joined only by lookups with the same snapshot. A write that finishes changes the snapshot, so a lookup
/// that comes after it never joins a flight that started before it and may bring the old value.
type FlightId = (Key, Snapshot);

/// Which flights a lookup joins. The snapshot tells of the writes of this process, and of what was heard of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Any: nobody else writes.
    AtAnyAge,
    /// Those that are younger than [`JOIN_WINDOW`]: so far back may the answer reach.
    Young,
    /// Those that wait for one before them: no answer may be of a time before the lookup. Mostly the one before
    /// brings what the tiers have when the next one looks, so there is no more to load than otherwise.
    NotStarted,
}

const JOIN_WINDOW: Duration = Duration::from_millis(500);

pub(crate) type Completed<E> = Result<Found, E>;

type InFlight<E> = Arc<Mutex<HashMap<FlightId, Waiter<E>, Hashing>>>;

pub(crate) struct Flights<E> {
    in_flight: InFlight<E>,
    joining: Joining,
}

pub(crate) enum Role<E> {
    /// Go, and complete with the result.
    Leader(Flight<E>),
    /// Wait for the leader.
    Waiter(Waiter<E>),
}

/// The leader's duty to complete. Dropped without completing (its task was cancelled or panicked), it lets the waiters
/// try again.
pub(crate) struct Flight<E> {
    id: FlightId,
    in_flight: InFlight<E>,
    call: Arc<Call<E>>,
    /// One that is too old to be joined. However slow loads are, there is one of a key at a time, and one that waits.
    predecessor: Option<Waiter<E>>,
}

#[derive(Clone)]
pub(crate) struct Waiter<E> {
    call: Arc<Call<E>>,
    since: Instant,
}

/// What leader and waiters share. Each waiter is woken by itself, so none depends on another that goes away.
struct Call<E> {
    started: OnceLock<Instant>,
    /// What the leader brought, or `None` when it was lost on the way.
    end: SetOnce<Option<Completed<E>>>,
}

impl<E: Clone> Flights<E> {
    pub(crate) fn new(joining: Joining) -> Self {
        Flights { in_flight: Arc::default(), joining }
    }

    pub(crate) fn join(&self, key: &Key, snapshot: Snapshot) -> Role<E> {
        let id = (key.clone(), snapshot);
        let mut in_flight = self.in_flight.lock();
        let flight = in_flight.get(&id);
        if let Some(flight) = flight
            && flight.call.is_joined(self.joining)
        {
            return Role::Waiter(flight.clone());
        }
        let call = Arc::new(Call { started: OnceLock::new(), end: SetOnce::new() });
        let waiter = Waiter { call: Arc::clone(&call), since: Instant::now() };
        let predecessor = in_flight.insert(id.clone(), waiter);
        if predecessor.is_none() {
            call.start();
        }
        Role::Leader(Flight { id, in_flight: Arc::clone(&self.in_flight), call, predecessor })
    }

    /// When the flight started that such a lookup would join.
    #[cfg(test)]
    pub(crate) fn started(&self, key: &Key, snapshot: Snapshot) -> Option<Instant> {
        self.in_flight.lock().get(&(key.clone(), snapshot))?.call.started.get().copied()
    }

    /// How many are under way.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.in_flight.lock().len()
    }
}

impl<E: Clone> Flight<E> {
    /// Whether there is one of the same key before this one.
    pub(crate) fn waits(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Waits until there is none of the same key before this one: only then look, and load. Whoever leads several must
    /// let none of them wait here while others could go.
    pub(crate) async fn start(&mut self) {
        if let Some(predecessor) = &self.predecessor {
            predecessor.clone().wait().await;
        }
        self.predecessor = None;
        self.call.start();
    }
}

impl<E> Flight<E> {
    pub(crate) fn complete(self, result: Completed<E>) {
        // Only once, since this takes the flight. `drop` does the rest.
        let _ = self.call.end.set(Some(result));
    }
}

impl<E> Drop for Flight<E> {
    fn drop(&mut self) {
        let mut in_flight = self.in_flight.lock();
        // A later flight may have taken this one's place.
        if in_flight.get(&self.id).is_some_and(|flight| Arc::ptr_eq(&flight.call, &self.call)) {
            in_flight.remove(&self.id);
        }
        drop(in_flight);
        // Has no effect on one that has completed.
        let _ = self.call.end.set(None);
    }
}

impl<E> Call<E> {
    fn start(&self) {
        self.started.get_or_init(Instant::now);
    }

    fn is_joined(&self, joining: Joining) -> bool {
        self.started.get().is_none_or(|started| match joining {
            Joining::AtAnyAge => true,
            Joining::Young => started.elapsed() < JOIN_WINDOW,
            Joining::NotStarted => false,
        })
    }
}

impl<E: Clone> Waiter<E> {
    /// When the flight was called for.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// What the leader brought; `None` when it was lost on the way.
    pub(crate) async fn wait(self) -> Option<Completed<E>> {
        self.call.end.wait().await.clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;
    use crate::key_space::Keys;
    use crate::namespace::{Absence, Namespace, NamespaceOptions};
    use crate::value::Source;
    use crate::write_counters::WriteCounters;

    type Answer = Completed<&'static str>;

    fn snapshots() -> (Snapshot, Snapshot) {
        let ttl = Duration::from_secs(1);
        let options = NamespaceOptions {
            name: "thing",
            keys: Keys::Beginning("id:"),
            ttl,
            negative_ttl: ttl,
            grace: ttl,
            absence: Absence::NotKept,
            in_redis: true,
        };
        let entry = Namespace::alone(options).entry(key());
        let write_counters = WriteCounters::new();
        let before = write_counters.snapshot(&entry);
        write_counters.advance(&entry.key, || {});
        (before, write_counters.snapshot(&entry))
    }

    fn key() -> Key {
        Key::new("id:1")
    }

    fn completing() -> Answer {
        Ok(Found { value: None, source: Source::Bypassed })
    }

    fn leader(flights: &Flights<&'static str>, snapshot: Snapshot) -> Flight<&'static str> {
        match flights.join(&key(), snapshot) {
            Role::Leader(flight) => flight,
            Role::Waiter(_) => panic!("a flight is under way already"),
        }
    }

    fn waiter(flights: &Flights<&'static str>, snapshot: Snapshot) -> Waiter<&'static str> {
        match flights.join(&key(), snapshot) {
            Role::Waiter(waiter) => waiter,
            Role::Leader(_) => panic!("no flight is under way"),
        }
    }

    #[tokio::test]
    async fn waiters_get_what_the_leader_brings() {
        let (flights, (snapshot, _)) = (Flights::new(Joining::AtAnyAge), snapshots());
        let flight = leader(&flights, snapshot);
        let (first, second) = (waiter(&flights, snapshot), waiter(&flights, snapshot));
        flight.complete(completing());
        assert_eq!(flights.count(), 0);
        assert_eq!(first.wait().await, Some(completing()));
        assert_eq!(second.wait().await, Some(completing()), "also when asked after its end");
        drop(leader(&flights, snapshot));
    }

    #[tokio::test]
    async fn when_the_leader_is_lost_a_waiter_leads() {
        let (flights, (snapshot, _)) = (Flights::new(Joining::AtAnyAge), snapshots());
        let flight = leader(&flights, snapshot);
        let (first, second) = (waiter(&flights, snapshot), waiter(&flights, snapshot));
        drop(flight);
        assert_eq!(first.wait().await, None);
        let flight = leader(&flights, snapshot);
        assert_eq!(second.wait().await, None);
        let second = waiter(&flights, snapshot);
        flight.complete(Err("no luck"));
        assert_eq!(second.wait().await, Some(Err("no luck")));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn a_flight_from_before_a_write_is_not_joined() {
        let (flights, (before, after)) = (Flights::new(Joining::AtAnyAge), snapshots());
        let older = leader(&flights, before);
        let newer = leader(&flights, after);
        older.complete(Err("the old value"));
        let waiter = waiter(&flights, after);
        newer.complete(completing());
        assert_eq!(waiter.wait().await, Some(completing()));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn where_others_write_an_older_flight_is_replaced() {
        let (flights, (snapshot, _)) = (Flights::new(Joining::Young), snapshots());
        let older = leader(&flights, snapshot);
        let early = waiter(&flights, snapshot);
        advance(JOIN_WINDOW).await;
        let mut newer = leader(&flights, snapshot);
        let joined = waiter(&flights, snapshot);
        advance(JOIN_WINDOW * 2).await;
        drop(waiter(&flights, snapshot));
        assert!(newer.start().now_or_never().is_none(), "one load at a time");
        older.complete(Err("may be old"));
        assert_eq!(early.wait().await, Some(Err("may be old")));
        assert_eq!(flights.count(), 1, "the older one leaves the newer one's place alone");
        newer.start().await;
        drop(joined);
        let late = waiter(&flights, snapshot);
        newer.complete(completing());
        assert_eq!(late.wait().await, Some(completing()));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn where_no_answer_may_be_older_than_its_question_the_next_flight_is_joined() {
        let (flights, (snapshot, _)) = (Flights::new(Joining::NotStarted), snapshots());
        let first = leader(&flights, snapshot);
        let mut second = leader(&flights, snapshot);
        let joined = waiter(&flights, snapshot);
        assert!(second.start().now_or_never().is_none(), "one load at a time");
        first.complete(Err("may be old"));
        second.start().await;
        let third = leader(&flights, snapshot);
        second.complete(completing());
        assert_eq!(joined.wait().await, Some(completing()));
        drop(third);
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn alone_on_the_database_a_flight_is_joined_at_any_age() {
        let (flights, (snapshot, _)) = (Flights::new(Joining::AtAnyAge), snapshots());
        let flight = leader(&flights, snapshot);
        advance(JOIN_WINDOW * 100).await;
        drop(waiter(&flights, snapshot));
        drop(flight);
    }
}

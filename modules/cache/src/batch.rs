//! Lookups of many entries at once: one step to each tier, and one load for all that none of them has.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;
use hotshelf_lifecycle::TRACED;
use tokio::task::JoinError;
use tokio::time::timeout;
use tracing::Instrument;

use crate::cache::Cache;
use crate::flights::{Flight, Role};
use crate::key::Key;
use crate::reading::{Claims, Consulted, PATIENCE_WITH_OVERDUE, answer, count_load, found};
use crate::region::Slot;
use crate::tier::{Lookup, Until};
use crate::value::{Found, Read, Value};

/// An entry that this batch loads.
struct Missing<E> {
    /// Where its answer belongs.
    position: usize,
    slot: Slot,
    claims: Claims,
    flight: Flight<E>,
}

type Answers = Vec<(usize, Found)>;

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// As [`get_or_load`](Cache::get_or_load) for each of the slots, in their order: memory is asked, then Redis for all of
    /// the rest in one go, then `load` once for all that is still missing. `load` is given their keys and brings as many
    /// values, in the same order.
    ///
    /// What another process loads just now is not waited for: it is loaded here as well, and not kept.
    ///
    /// # Errors
    /// What `load` failed with, unless a tier still holds a value within its grace for everything that it was to bring.
    pub async fn get_or_load_many<L, F>(&self, slots: Vec<Slot>, load: L) -> Result<Vec<Found>, E>
    where
        L: Fn(Vec<Key>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Option<Value>>, E>> + Send + 'static,
    {
        let span = tracing::info_span!(target: TRACED, "cache lookups", cache.keys = slots.len());
        self.look_up_many(slots, Arc::new(load)).instrument(span).await
    }

    async fn look_up_many<L, F>(&self, slots: Vec<Slot>, load: Arc<L>) -> Result<Vec<Found>, E>
    where
        L: Fn(Vec<Key>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Option<Value>>, E>> + Send + 'static,
    {
        let mut answers: Vec<Option<Found>> = vec![None; slots.len()];
        let (mut leading, mut waiting) = (Vec::new(), Vec::new());
        for (position, slot) in slots.iter().enumerate() {
            if let Some(hit) = self.look(&slot.key, Read::default()) {
                answers[position] = Some(answer(&slot.region, found(&hit), false));
                if hit.due {
                    self.refresh(slot.clone(), of_one(&load, &slot.key));
                }
                continue;
            }
            self.0.tiers.iter().for_each(|tier| tier.peeked_in_vain(&slot.region));
            match self.0.flights.join(&slot.key, self.0.epochs.stamp(slot)) {
                Role::Leader(flight) => leading.push((position, slot.clone(), flight)),
                Role::Waiter(waiter) => waiting.push((position, waiter)),
            }
        }
        if !leading.is_empty() {
            for (position, found) in self.land_many(leading, &load).await? {
                answers[position] = Some(answer(&slots[position].region, found, false));
            }
        }
        // Only now: whoever leads those may wait for what was led here.
        for (position, waiter) in waiting {
            let slot = &slots[position];
            let landed = self.or_overdue(
                slot,
                Read::default(),
                waiter.since() + PATIENCE_WITH_OVERDUE,
                waiter.wait(),
                |found| Some(Ok(found)),
            );
            answers[position] = Some(match landed.await {
                Some(landed) => answer(&slot.region, landed?, true),
                None => self.get_or_load(slot.clone(), Read::default(), of_one(&load, &slot.key)).await?,
            });
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Leads all these flights, in a task of its own: others may wait for some of them. If that takes long and there are
    /// values past their lives for all of them, those are the answer.
    async fn land_many<L, F>(&self, leading: Vec<(usize, Slot, Flight<E>)>, load: &Arc<L>) -> Result<Answers, E>
    where
        L: Fn(Vec<Key>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Option<Value>>, E>> + Send + 'static,
    {
        let led: Vec<_> = leading.iter().map(|(position, slot, _)| (*position, slot.clone())).collect();
        let (cache, load) = (self.clone(), Arc::clone(load));
        let mut landing = self.0.tasks.spawn(async move { cache.lead_many(leading, &*load).await });
        let landed = match timeout(PATIENCE_WITH_OVERDUE, &mut landing).await {
            Ok(landed) => landed,
            Err(_) => {
                let overdue = led.iter().map(|(position, slot)| async move {
                    Some((*position, self.overdue(slot, Read::default()).await?))
                });
                match join_all(overdue).await.into_iter().collect::<Option<Answers>>() {
                    Some(answers) => return Ok(answers),
                    None => landing.await,
                }
            }
        };
        match landed.map_err(JoinError::try_into_panic) {
            Ok(landed) => landed,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // Cancelled: the runtime is going down, and this task with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    async fn lead_many<L, F>(&self, leading: Vec<(usize, Slot, Flight<E>)>, load: &L) -> Result<Answers, E>
    where
        L: Fn(Vec<Key>) -> F + Send + Sync,
        F: Future<Output = Result<Vec<Option<Value>>, E>> + Send,
    {
        let taking_off = leading.into_iter().map(|(position, slot, mut flight)| async move {
            flight.take_off().await;
            (slot, (position, flight))
        });
        let (slots, flights): (Vec<_>, Vec<_>) = join_all(taking_off).await.into_iter().unzip();
        let consulted = self.consult_many(&slots).await;
        let (mut answers, mut missing) = (Vec::new(), Vec::new());
        for ((slot, (position, flight)), consulted) in slots.into_iter().zip(flights).zip(consulted) {
            match consulted {
                Consulted::Hit(hit) => {
                    flight.land(Ok(found(&hit)));
                    answers.push((position, found(&hit)));
                }
                Consulted::Miss(claims) => missing.push(Missing { position, slot, claims, flight }),
            }
        }
        if !missing.is_empty() {
            answers.extend(self.load_many(missing, load).await?);
        }
        Ok(answers)
    }

    /// As `consult` of each, in their order, in one step to each tier.
    async fn consult_many(&self, slots: &[Slot]) -> Vec<Consulted> {
        let mut consulted: Vec<_> = slots.iter().map(|_| Consulted::Miss(Vec::new())).collect();
        for tier in &self.0.tiers {
            let open: Vec<usize> = (0..slots.len()).filter(|i| matches!(consulted[*i], Consulted::Miss(_))).collect();
            let asked: Vec<Slot> = open.iter().map(|i| slots[*i].clone()).collect();
            for (i, lookup) in open.into_iter().zip(tier.lookup_many(&asked, Until::ItsEndAtOnce).await) {
                match (lookup, &mut consulted[i]) {
                    (Lookup::Hit(hit), Consulted::Miss(claims)) => {
                        let claims = std::mem::take(claims);
                        consulted[i] = Consulted::Hit(self.copied(&slots[i], claims, hit).await);
                    }
                    (Lookup::Miss(Some(claim)), Consulted::Miss(claims)) => claims.push((Arc::clone(tier), claim)),
                    (Lookup::Hit(_) | Lookup::Miss(_), _) => {}
                }
            }
        }
        consulted
    }

    async fn load_many<L, F>(&self, mut missing: Vec<Missing<E>>, load: &L) -> Result<Answers, E>
    where
        L: Fn(Vec<Key>) -> F + Send + Sync,
        F: Future<Output = Result<Vec<Option<Value>>, E>> + Send,
    {
        match self.load_values(&mut missing, load).await {
            Ok(values) => {
                let filling = missing.into_iter().zip(values).map(|(missing, value)| async move {
                    let found = self.fill(&missing.slot, missing.claims, value).await;
                    missing.flight.land(Ok(found.clone()));
                    (missing.position, found)
                });
                Ok(join_all(filling).await)
            }
            Err(error) => {
                let instead = missing.into_iter().map(|missing| self.instead_of_load(missing, &error));
                join_all(instead).await.into_iter().collect::<Option<_>>().ok_or(error)
            }
        }
    }

    async fn load_values<L, F>(&self, missing: &mut [Missing<E>], load: &L) -> Result<Vec<Option<Value>>, E>
    where
        L: Fn(Vec<Key>) -> F + Send + Sync,
        F: Future<Output = Result<Vec<Option<Value>>, E>> + Send,
    {
        let keys = |missing: &[Missing<E>]| missing.iter().map(|missing| missing.slot.key.clone()).collect::<Vec<_>>();
        let mut loaded = load(keys(missing)).await;
        if let Ok(values) = &loaded {
            // "Does not exist" is only as good as the generations that were read before the load.
            let absent = missing.iter_mut().zip(values).filter(|(_, value)| value.is_none());
            let binding = absent.map(|(missing, _)| async move {
                let mut again = false;
                for (tier, claim) in &mut missing.claims {
                    again |= tier.bind_to_collections(&missing.slot, claim).await;
                }
                again
            });
            if join_all(binding).await.contains(&true) {
                loaded = load(keys(missing)).await;
            }
        }
        for (place, missing) in missing.iter().enumerate() {
            let absent = loaded.as_ref().map(|values| values.get(place).is_none_or(Option::is_none));
            count_load(&missing.slot.region, absent.map_err(|_| ()));
        }
        loaded
    }

    /// What a tier holds past the end of its life, for the one entry and for those who wait for it.
    async fn instead_of_load(&self, missing: Missing<E>, error: &E) -> Option<(usize, Found)> {
        for (tier, claim) in missing.claims {
            tier.abandon(&missing.slot, claim).await;
        }
        let found = self.overdue(&missing.slot, Read::default()).await;
        missing.flight.land(found.clone().ok_or_else(|| error.clone()));
        found.map(|found| (missing.position, found))
    }
}

/// A load of one entry by the load of many.
fn of_one<L, F, E>(load: &Arc<L>, key: &Key) -> impl Fn() -> SingleLoad<E> + Send + Sync + 'static
where
    L: Fn(Vec<Key>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Vec<Option<Value>>, E>> + Send + 'static,
    E: 'static,
{
    let (load, key) = (Arc::clone(load), key.clone());
    move || {
        let loading = load(vec![key.clone()]);
        Box::pin(async move { Ok(loading.await?.pop().flatten()) })
    }
}

type SingleLoad<E> = std::pin::Pin<Box<dyn Future<Output = Result<Option<Value>, E>> + Send>>;

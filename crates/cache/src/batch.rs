//! Lookups of many entries at once: one step to each tier, and one load for all that none of them has.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hotshelf_lifecycle::TRACED;
use tokio::time::timeout;
use tracing::Instrument;

use crate::cache::Cache;
use crate::flights::{Flight, Role};
use crate::key::Key;
use crate::namespace::EntryRef;
use crate::reading::{self, Consulted, TIMEOUT_WITH_OVERDUE, answer, count_load, in_memory, joined};
use crate::tier::{FillPermit, Lookup, Until};
use crate::value::{Found, Read, Value};

/// Why entries could not be looked up together. `E` is what loads fail with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError<E> {
    /// The load failed.
    #[error(transparent)]
    Load(E),
    /// The loader returned another number of values than of keys, so none is served or kept. The loader has a defect:
    /// it must bring one value, or `None`, for each key, in their order.
    #[error("a load brought {brought} values for {asked} keys")]
    Miscounted {
        /// How many were to be loaded.
        asked: usize,
        /// How many came.
        brought: usize,
    },
}

/// An entry that this batch loads.
struct Missing<E> {
    /// Where its answer belongs.
    position: usize,
    entry: EntryRef,
    permit: FillPermit,
    flight: Flight<E>,
}

/// A flight of this batch: where its answer belongs, and what it looks up.
type Led<E> = (usize, EntryRef, Flight<E>);

type Answers = Vec<(usize, Found)>;

/// As [`reading::Load`], of many.
type Load<E> = Arc<dyn Fn(Vec<Key>) -> BoxFuture<'static, Result<Vec<Option<Value>>, E>> + Send + Sync>;

impl<E: Clone + Send + Sync + 'static> Cache<E> {
    /// As [`get_or_load`](Cache::get_or_load) for each of the entries, in their order and as many: memory is asked,
    /// then Redis for all of the rest in one go, then `load` once for all that is still missing. `load` is given their
    /// keys and brings as many values, in the same order. What other lookups are loading already is waited for, and
    /// keeps none of the rest.
    ///
    /// What another process loads just now is not waited for: it is loaded here as well, and not kept.
    ///
    /// # Errors
    /// What `load` failed with, unless a tier still holds a value within its grace for everything that it was to bring.
    /// [`BatchError::Miscounted`] when it brought more or fewer values than it was asked for.
    pub async fn get_or_load_many<L, F>(&self, entries: Vec<EntryRef>, load: L) -> Result<Vec<Found>, BatchError<E>>
    where
        L: Fn(Vec<Key>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<Option<Value>>, E>> + Send + 'static,
    {
        let span = tracing::info_span!(target: TRACED, "cache lookups", cache.keys = entries.len());
        let load: Load<E> = Arc::new(move |keys| Box::pin(load(keys)));
        self.look_up_many(entries, load).instrument(span).await
    }

    async fn look_up_many(&self, entries: Vec<EntryRef>, load: Load<E>) -> Result<Vec<Found>, BatchError<E>> {
        let mut answers: Vec<Option<Found>> = vec![None; entries.len()];
        let mut open: Vec<usize> = (0..entries.len()).collect();
        while !open.is_empty() {
            open = self.look_up_open(&entries, open, &mut answers, &load).await?;
        }
        let asked = entries.len();
        let found: Vec<Found> = answers.into_iter().flatten().collect();
        let brought = found.len();
        if brought == asked { Ok(found) } else { Err(BatchError::Miscounted { asked, brought }) }
    }

    /// Answers those that are open. Returns those that are open still: whoever led them was lost on the way.
    async fn look_up_open(
        &self,
        entries: &[EntryRef],
        open: Vec<usize>,
        answers: &mut [Option<Found>],
        load: &Load<E>,
    ) -> Result<Vec<usize>, BatchError<E>> {
        let (mut leading, mut waiting, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for position in open {
            let entry = &entries[position];
            if let Some(hit) = self.look(&entry.key, Some(&entry.tags), Read::default()) {
                answers[position] = Some(answer(&entry.namespace, in_memory(&hit), false));
                if hit.due {
                    self.refresh(entry.clone(), of_one(load, &entry.key));
                }
                continue;
            }
            self.record_miss(&entry.namespace);
            match self.0.flights.join(&entry.key, self.0.write_counters.snapshot(entry)) {
                Role::Leader(flight) => leading.push((position, entry.clone(), flight)),
                Role::Waiter(waiter) => waiting.push((position, waiter)),
            }
        }
        if !leading.is_empty() {
            for (position, found) in self.complete_many(leading, load).await? {
                answers[position] = Some(answer(&entries[position].namespace, found, false));
            }
        }
        // Only now: whoever leads those may wait for what was led here.
        for (position, waiter) in waiting {
            let entry = &entries[position];
            let give_up = waiter.since() + TIMEOUT_WITH_OVERDUE;
            let completing = self.or_overdue(entry, Read::default(), give_up, waiter.wait(), |found| Some(Ok(found)));
            match completing.await {
                Some(completed) => {
                    let found = completed.map_err(BatchError::Load)?;
                    answers[position] = Some(answer(&entry.namespace, found, true));
                }
                None => lost.push(position),
            }
        }
        Ok(lost)
    }

    /// Leads all these flights, in a task of its own: others may wait for some of them. If that takes long and there
    /// are expired values for all of them, those are the answer.
    async fn complete_many(&self, leading: Vec<Led<E>>, load: &Load<E>) -> Result<Answers, BatchError<E>> {
        let led: Vec<_> = leading.iter().map(|(position, entry, _)| (*position, entry.clone())).collect();
        let (cache, load) = (self.clone(), Arc::clone(load));
        let mut completing = pin!(joined(self.0.tasks.spawn(async move { cache.lead_many(leading, &load).await })));
        if let Ok(completed) = timeout(TIMEOUT_WITH_OVERDUE, completing.as_mut()).await {
            return completed;
        }
        let overdue = led
            .iter()
            .map(|(position, entry)| async move { Some((*position, self.overdue(entry, Read::default()).await?)) });
        match join_all(overdue).await.into_iter().collect::<Option<Answers>>() {
            Some(answers) => Ok(answers),
            None => completing.await,
        }
    }

    /// Those that have to wait for an earlier flight of their key keep none of the others back: these go at once, all
    /// together, and each of those goes when it may, with all that may by then. So no flight that could go waits for
    /// another one, and batches do not wait for each other in a circle, in whatever order they have joined.
    async fn lead_many(&self, leading: Vec<Led<E>>, load: &Load<E>) -> Result<Answers, BatchError<E>> {
        let most = leading.len().max(1);
        let (late, ready): (Vec<_>, Vec<_>) = leading.into_iter().partition(|(_, _, flight)| flight.waits());
        let taking_off: FuturesUnordered<_> = late.into_iter().map(start).collect();
        let mut taking_off = taking_off.ready_chunks(most);
        let (mut under_way, mut completed) = (FuturesUnordered::new(), Vec::new());
        under_way.push(self.lead_ready(ready, load));
        loop {
            tokio::select! {
                biased;
                Some(ready) = taking_off.next() => under_way.push(self.lead_ready(ready, load)),
                Some(answers) = under_way.next() => completed.push(answers),
                else => break,
            }
        }
        // All have completed, whatever became of some.
        Ok(completed.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Leads flights that have started.
    async fn lead_ready(&self, leading: Vec<Led<E>>, load: &Load<E>) -> Result<Answers, BatchError<E>> {
        let entries: Vec<EntryRef> = leading.iter().map(|(_, entry, _)| entry.clone()).collect();
        let consulted = self.consult_many(&entries).await;
        let (mut answers, mut missing) = (Vec::new(), Vec::new());
        for ((position, entry, flight), consulted) in leading.into_iter().zip(consulted) {
            match consulted {
                Consulted::Hit { found, .. } => {
                    flight.complete(Ok(found.clone()));
                    answers.push((position, found));
                }
                Consulted::Miss(permit) => missing.push(Missing { position, entry, permit, flight }),
            }
        }
        if !missing.is_empty() {
            answers.extend(self.load_many(missing, load).await?);
        }
        Ok(answers)
    }

    /// As `consult` of each, in their order, in one step to each tier.
    async fn consult_many(&self, entries: &[EntryRef]) -> Vec<Consulted> {
        let in_memory = |entry| match self.0.memory.as_ref().map(|memory| memory.lookup(entry, Until::ItsEndAtOnce)) {
            Some(Lookup::Hit(hit)) => self.found_in_memory(entry, hit),
            Some(Lookup::Miss(snapshot)) => Consulted::Miss(FillPermit { memory: Some(snapshot), redis: None }),
            None => Consulted::Miss(FillPermit::default()),
        };
        let mut consulted: Vec<_> = entries.iter().map(in_memory).collect();
        let Some(redis) = &self.0.redis else { return consulted };
        let is_open = |i: &usize| matches!(consulted[*i], Consulted::Miss(_)) && self.redis_for(&entries[*i]).is_some();
        let open: Vec<usize> = (0..entries.len()).filter(is_open).collect();
        let asked: Vec<EntryRef> = open.iter().map(|i| entries[*i].clone()).collect();
        for (i, lookup) in open.into_iter().zip(redis.lookup_many(&asked, Until::ItsEndAtOnce).await) {
            let Consulted::Miss(permit) = &mut consulted[i] else { continue };
            match lookup {
                Lookup::Hit(hit) => {
                    let permit = std::mem::take(permit);
                    consulted[i] = self.found_in_redis(&entries[i], hit, permit);
                }
                Lookup::Miss(of_redis) => permit.redis = of_redis,
            }
        }
        consulted
    }

    async fn load_many(&self, mut missing: Vec<Missing<E>>, load: &Load<E>) -> Result<Answers, BatchError<E>> {
        match self.load_values(&mut missing, load).await {
            Ok(values) => {
                let filling = missing.into_iter().zip(values).map(|(missing, value)| async move {
                    let found = self.fill(&missing.entry, missing.permit, value).await;
                    missing.flight.complete(Ok(found.clone()));
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

    async fn load_values(
        &self,
        missing: &mut [Missing<E>],
        load: &Load<E>,
    ) -> Result<Vec<Option<Value>>, BatchError<E>> {
        let keys = |missing: &[Missing<E>]| missing.iter().map(|missing| missing.entry.key.clone()).collect::<Vec<_>>();
        let mut loaded = one_each(load, keys(missing)).await;
        if let Ok(values) = &loaded {
            let absent = missing.iter_mut().zip(values).filter(|(_, value)| value.is_none());
            let binding = absent.map(|(missing, _)| self.bind_to_tags(&missing.entry, &mut missing.permit));
            if join_all(binding).await.contains(&true) {
                loaded = one_each(load, keys(missing)).await;
            }
        }
        for (place, missing) in missing.iter().enumerate() {
            let absent = loaded.as_ref().map(|values| values.get(place).is_none_or(Option::is_none));
            count_load(&missing.entry.namespace, absent.map_err(drop));
        }
        loaded
    }

    /// The expired value that a tier still holds, for the one entry and for those who wait for it.
    async fn instead_of_load(&self, missing: Missing<E>, error: &BatchError<E>) -> Option<(usize, Found)> {
        self.abandon(&missing.entry, missing.permit).await;
        let found = self.overdue(&missing.entry, Read::default()).await;
        match (&found, error) {
            (Some(found), _) => missing.flight.complete(Ok(found.clone())),
            (None, BatchError::Load(error)) => missing.flight.complete(Err(error.clone())),
            // Those who wait have loaders of their own.
            (None, BatchError::Miscounted { .. }) => drop(missing.flight),
        }
        found.map(|found| (missing.position, found))
    }
}

async fn start<E: Clone>((position, entry, mut flight): Led<E>) -> Led<E> {
    flight.start().await;
    (position, entry, flight)
}

/// A value for each key, or an error: one too few, and every later one would be taken for that of the key before.
async fn one_each<E>(load: &Load<E>, keys: Vec<Key>) -> Result<Vec<Option<Value>>, BatchError<E>> {
    let asked = keys.len();
    let values = load(keys).await.map_err(BatchError::Load)?;
    let brought = values.len();
    if brought == asked {
        return Ok(values);
    }
    tracing::error!(asked, brought, "a load brought another number of values than of keys: please report this");
    Err(BatchError::Miscounted { asked, brought })
}

/// A load of one entry by the load of many.
fn of_one<E: 'static>(load: &Load<E>, key: &Key) -> reading::Load<BatchError<E>> {
    let (load, key) = (Arc::clone(load), key.clone());
    Arc::new(move || {
        let (load, key) = (Arc::clone(&load), key.clone());
        Box::pin(async move { Ok(one_each(&load, vec![key]).await?.pop().flatten()) })
    })
}

#[cfg(test)]
mod tests;

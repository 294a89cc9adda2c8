//! Confirmations: a writer asks all instances that may serve from memory whether they have heard of everything that it
//! has done in Redis, and waits until each has said so or has lost its lease.
//!
//! The question is a marker, a *barrier*, that is pushed behind the pushes of what was done before it. Whoever hears it
//! has applied those, and answers with a marker of its own. Both carry the number of the barrier: whoever has confirmed
//! one has confirmed all before it. Nothing of this is kept in Redis, so nothing is lost with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, try_join_all};
use hotshelf_lifecycle::Failure;
use hotshelf_redis_client::RedisError;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::RedisTier;
use super::link::ActiveLink;
use crate::instances::{Blockers, Instances, Observed, Other};

/// After so long without an answer the question is asked again, and the rows are looked at: the answer may be lost, or
/// the instance may have given up its lease.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// The barriers of this process, and those of others.
#[derive(Default)]
pub(super) struct Confirmations {
    /// One at a time.
    turn: tokio::sync::Mutex<Option<Arc<Round>>>,
    numbers: Mutex<Numbers>,
    /// What others have confirmed of this process' barriers.
    confirmed: Mutex<BTreeMap<String, u64>>,
    news: Notify,
    /// The barriers of others of which some part was heard.
    heard: Mutex<BTreeMap<String, Heard>>,
    /// The barriers of others that are to be confirmed.
    due: Mutex<BTreeMap<String, u64>>,
    is_due: Notify,
}

#[derive(Default)]
struct Numbers {
    /// Of the last barrier.
    barrier: u64,
    /// Of the last round that was begun.
    round: u64,
}

/// A barrier, and the instances that there were after it was called for.
struct Round {
    number: u64,
    barrier: u64,
    observed: Result<Observed, String>,
}

struct Heard {
    number: u64,
    hash_tags: BTreeSet<String>,
}

impl Confirmations {
    fn next_barrier(&self) -> u64 {
        let mut numbers = self.numbers.lock();
        numbers.barrier += 1;
        numbers.barrier
    }

    /// That instance has confirmed this barrier of this process.
    pub(super) fn confirmed(&self, by: &str, number: u64) {
        let mut confirmed = self.confirmed.lock();
        match confirmed.get_mut(by) {
            Some(known) => *known = (*known).max(number),
            None => drop(confirmed.insert(by.to_owned(), number)),
        }
        drop(confirmed);
        self.news.notify_waiters();
    }

    fn has_confirmed(&self, name: &str, number: u64) -> bool {
        self.confirmed.lock().get(name).is_some_and(|known| *known >= number)
    }

    /// A barrier of another process was heard where that hash tag leads, one of so many parts of the server.
    pub(super) fn barrier_heard(&self, of: &str, number: u64, hash_tag: String, parts: usize) {
        let mut heard = self.heard.lock();
        let known = heard.entry(of.to_owned()).or_insert(Heard { number, hash_tags: BTreeSet::new() });
        if number > known.number {
            *known = Heard { number, hash_tags: BTreeSet::new() };
        }
        // Whoever asks for the later one has done what the earlier one is about before.
        if number < known.number {
            return;
        }
        known.hash_tags.insert(hash_tag);
        if known.hash_tags.len() >= parts {
            heard.remove(of);
            drop(heard);
            let mut due = self.due.lock();
            let highest = due.entry(of.to_owned()).or_default();
            *highest = (*highest).max(number);
            drop(due);
            self.is_due.notify_one();
        }
    }

    /// Forgets instances that are gone.
    fn keep_only(&self, observed: &Observed) {
        let is_known = |name: &String| observed.others.iter().any(|other| other.row.name == *name);
        self.confirmed.lock().retain(|name, _| is_known(name));
        self.heard.lock().retain(|name, _| is_known(name));
    }
}

/// Confirms the barriers of others, all that are due at a time, until it is stopped.
pub(super) async fn confirm(tier: Arc<RedisTier>, stopping: CancellationToken) {
    let confirmations = &tier.confirmations;
    while stopping.run_until_cancelled(confirmations.is_due.notified()).await.is_some() {
        let due = std::mem::take(&mut *confirmations.due.lock());
        // Without a link nothing is confirmed: whoever waits asks again.
        let Some(link) = tier.link.load_full() else { continue };
        let names = &tier.setup.names;
        let hash_tag = link.hash_tags().first().map(String::as_str).unwrap_or_default();
        let instance = tier.heartbeats.instance();
        let markers: Vec<_> =
            due.iter().map(|(of, number)| names.confirmation(hash_tag, of, instance, *number)).collect();
        for confirmed in join_all(markers.iter().map(|marker| link.publish_marker(marker))).await {
            if let Err(error) = confirmed {
                tier.count_error("confirm", &error);
            }
        }
    }
}

impl RedisTier {
    /// Waits until every instance that may serve from memory has heard of all that was done in Redis before. Returns
    /// which server the others are on, as the database has told after that.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub(super) async fn heard_by_all(&self, link: &ActiveLink, instances: &Instances) -> Result<String, Failure> {
        let round = self.round(link, instances).await;
        let observed = round.observed.as_ref().map_err(|error| Failure::from(error.clone()))?;
        let blocks = |other: &Other| (other.row.memory != 0).then_some(other.memory_until);
        let mut blockers = Blockers::of(observed, blocks);
        let mut again = Instant::now() + ASK_AGAIN;
        loop {
            let mut news = std::pin::pin!(self.confirmations.news.notified());
            news.as_mut().enable();
            blockers.remove(|name| self.confirmations.has_confirmed(name, round.barrier));
            let Some(end) = blockers.next_end() else { return Ok(observed.server.clone()) };
            tokio::select! {
                biased;
                () = news => continue,
                () = sleep_until(end.min(again)) => {}
            }
            if Instant::now() >= again {
                let asking = timeout_at(end, join(instances.look(), self.publish_barrier(link)));
                if let Ok((Ok(observed), _)) = asking.await {
                    blockers.keep(&observed, blocks);
                }
                again = Instant::now() + ASK_AGAIN;
            }
        }
    }

    /// A round that begins after this call. Those who call while one is under way share the next one.
    async fn round(&self, link: &ActiveLink, instances: &Instances) -> Arc<Round> {
        let begun = self.confirmations.numbers.lock().round;
        let mut last = self.confirmations.turn.lock().await;
        if let Some(round) = last.as_ref().filter(|round| round.number > begun) {
            return Arc::clone(round);
        }
        let number = {
            let mut numbers = self.confirmations.numbers.lock();
            numbers.round += 1;
            numbers.round
        };
        let (observed, barrier) = match instances.are_known() {
            true => join(instances.look(), self.publish_barrier(link)).await,
            // Most of the time there is nobody to ask.
            false => match instances.look().await {
                Ok(observed) if !observed.others.is_empty() => (Ok(observed), self.publish_barrier(link).await),
                alone => (alone, 0),
            },
        };
        if let Ok(observed) = &observed {
            self.confirmations.keep_only(observed);
        }
        let round = Arc::new(Round { number, barrier, observed: observed.map_err(|error| error.to_string()) });
        *last = Some(Arc::clone(&round));
        round
    }

    /// Asks everybody. If that fails, the number was given all the same, and nobody confirms it before it is asked
    /// again.
    async fn publish_barrier(&self, link: &ActiveLink) -> u64 {
        let number = self.confirmations.next_barrier();
        let (names, instance, parts) = (&self.setup.names, self.heartbeats.instance(), link.hash_tags());
        let publishing = parts
            .iter()
            .map(async |hash_tag| link.publish_marker(&names.barrier(hash_tag, instance, number, parts.len())).await);
        let published: Result<Vec<()>, RedisError> = try_join_all(publishing).await;
        if let Err(error) = published {
            self.count_error("barrier", &error);
        }
        number
    }
}

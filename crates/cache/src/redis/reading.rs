//! Lookups in Redis: of one key with its lease, and of many in one step.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};
use hotshelf_redis_client::RedisError;

use super::link::ActiveLink;
use super::state::{self, Generation, NO_GENERATION, State, Stored};
use super::{LEASE_TTL, RedisPermit, RedisTier};
use crate::counters::Event;
use crate::namespace::EntryRef;
use crate::tier::{Hit, Lookup, Token, Until};

/// A reader waits no longer than this for what others load, however often they begin anew.
const LONGEST_WAIT: Duration = LEASE_TTL.saturating_mul(2);
/// Between two looks at what others load, where no push would wake.
const DISCONNECTED_PAUSE: Duration = Duration::from_millis(50);

/// While a lookup is under way, its lease may stand in Redis without anybody knowing whether it does. If the caller
/// goes away just then, the lease is taken back.
struct PendingLease<'a> {
    tier: &'a RedisTier,
    link: &'a Arc<ActiveLink>,
    name: &'a str,
    lease: &'a Bytes,
    answered: bool,
}

impl Drop for PendingLease<'_> {
    fn drop(&mut self) {
        if self.answered || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (link, name, lease) = (Arc::clone(self.link), self.name.to_owned(), self.lease.clone());
        let marker = self.tier.setup.names.marker(&name);
        // Without an answer the lease ends by itself.
        let tasks = &self.tier.setup.tasks;
        tasks.spawn(async move { link.fill(&name, &marker, lease, Bytes::new(), LEASE_TTL).await });
    }
}

/// What a look at the key has brought.
enum Looked {
    Answer(Lookup<Option<RedisPermit>>),
    /// Another process loads it, under this lease.
    Loading(Bytes),
}

impl RedisTier {
    /// Looks, and waits for what another process loads.
    pub(super) async fn look_and_wait(
        &self,
        link: &Arc<ActiveLink>,
        entry: &EntryRef,
        until: Until,
    ) -> Result<Lookup<Option<RedisPermit>>, RedisError> {
        // The holder of the lease will not store a value here, if Redis does not keep the entry.
        let waits = self.setup.shared && until != Until::ItsEndAtOnce && entry.namespace.in_redis();
        let give_up = tokio::time::Instant::now() + LONGEST_WAIT;
        loop {
            let lease = match self.look(link, entry, until).await? {
                Looked::Answer(lookup) => return Ok(lookup),
                Looked::Loading(lease) => lease,
            };
            // Alone on the database, only an earlier run of this service can have left it.
            if !waits || tokio::time::Instant::now() >= give_up {
                return Ok(Lookup::Miss(None));
            }
            // In this order: a change after the question wakes.
            let changed = self.setup.coherence.change_of(&entry.key);
            if let Some(left) = link.wait(&self.name_of(entry), lease).await? {
                // When the holder has died, the lease ends.
                let left = left + Duration::from_millis(1);
                let timeout = if self.setup.coherence.is_subscribed() { left } else { left.min(DISCONNECTED_PAUSE) };
                let _ = tokio::time::timeout(timeout, changed).await;
            }
        }
    }

    /// Reads the key and, if it is free, takes a lease on it; for pages together with the generation they depend on.
    async fn look(&self, link: &Arc<ActiveLink>, entry: &EntryRef, until: Until) -> Result<Looked, RedisError> {
        // Before the value is read: what is filled later is of this epoch or older.
        let epoch = self.epoch();
        let (name, lease) = (self.name_of(entry), state::lease(Token::random(), self.run(link)));
        let mut pending = PendingLease { tier: self, link, name: &name, lease: &lease, answered: false };
        let read = link.get_or_set(&name, lease.clone(), Some(LEASE_TTL));
        let (generation, held) = match entry.depends(false) {
            true => {
                // In whatever order they are read: what does not stand under the generation that is read here is
                // loaded, after both, and filled under it.
                let (generation, held) = join(self.generation(link, entry, false), read).await;
                (Some(generation?), held?)
            }
            false => (None, read.await?),
        };
        let permit = |expected, leased| {
            // One that was read some time before the load is as good, as long as it stands.
            let if_absent = self.generations.known(entry.dependencies(true));
            let permit = RedisPermit { expected, leased, epoch, generation, if_absent };
            Looked::Answer(Lookup::Miss(Some(permit)))
        };
        let state = held.map(|held| self.open(link, entry, held));
        if let Some(State::Foreign(head)) = state {
            // It makes room for a lease now, not for the value after the load: few bytes (or none) may also be how
            // something begins that a writer leaves meanwhile.
            let marker = self.setup.names.marker(&name);
            let leased = link.fill(&name, &marker, head, lease.clone(), LEASE_TTL).await?;
            pending.answered = true;
            return Ok(if leased { permit(lease.clone(), true) } else { Looked::Answer(Lookup::Miss(None)) });
        }
        pending.answered = true;
        match state {
            None => Ok(permit(lease.clone(), true)),
            Some(State::Leased(lease)) => Ok(Looked::Loading(lease)),
            Some(State::Fenced | State::Foreign(_) | State::Unsealed(_)) => Ok(Looked::Answer(Lookup::Miss(None))),
            Some(State::Value(stored)) => {
                let head = stored.head.clone();
                let hit = self.serve(link, entry, until, stored, generation).await?;
                Ok(hit.map_or_else(|| permit(head, false), |hit| Looked::Answer(Lookup::Hit(hit))))
            }
        }
    }

    /// A value as the answer, if it counts and is good enough.
    async fn serve(
        &self,
        link: &ActiveLink,
        entry: &EntryRef,
        until: Until,
        stored: Stored,
        known: Option<Generation>,
    ) -> Result<Option<Hit>, RedisError> {
        // Redis does not keep the entry: an earlier version has left this value, or somebody else.
        if !entry.namespace.in_redis() {
            return Ok(None);
        }
        let due = stored.value.is_some() && stored.ttl < entry.namespace.refresh_ahead();
        let good = !stored.ttl.is_zero() && (until != Until::ItIsDue || !due);
        if !good || !self.stands(link, entry, &stored, known).await? {
            return Ok(None);
        }
        let Stored { value, ttl, .. } = stored;
        // Not longer than it could have got: the clock may have been set back.
        let ttl = ttl.min(entry.namespace.longest_ttl());
        Ok(Some(Hit { value, ttl, due }))
    }

    /// Whether a value still counts.
    pub(super) async fn stands(
        &self,
        link: &ActiveLink,
        entry: &EntryRef,
        stored: &Stored,
        known: Option<Generation>,
    ) -> Result<bool, RedisError> {
        if stored.epoch != self.epoch() || stored.history != self.history() {
            entry.namespace.count(Event::InvalidationEpoch);
            return Ok(false);
        }
        let absent = stored.value.is_none();
        if !entry.depends(absent) {
            // Else it was filled as something that depends on tags, and only they could tell.
            return Ok(stored.generation == NO_GENERATION);
        }
        let current = match known.filter(|_| !absent) {
            Some(generation) => generation,
            None => self.generation(link, entry, absent).await?,
        };
        Ok(stored.generation == current && current != NO_GENERATION)
    }

    /// As [`lookup`](RedisTier::lookup) of each, in their order. Reads all keys in one step. Only those that this does
    /// not answer are looked up one by one, all at a time, with their leases: where everything is there, nothing is
    /// written, and a server has one command to carry out.
    pub(crate) async fn lookup_many(&self, entries: &[EntryRef], until: Until) -> Vec<Lookup<Option<RedisPermit>>> {
        let (true, Some(link)) = (entries.len() > 1, self.link.load_full()) else {
            return join_all(entries.iter().map(|entry| self.lookup(entry, until))).await;
        };
        if !self.lease.holds() {
            return entries.iter().map(|_| Lookup::Miss(None)).collect();
        }
        let held = link.get_many(entries.iter().map(|entry| self.name_of(entry)).collect()).await;
        let held = held.unwrap_or_else(|error| {
            self.count_error("lookup", &error);
            Vec::new()
        });
        if held.len() < entries.len() {
            entries.iter().for_each(|entry| entry.namespace.count(Event::MissL2));
            return entries.iter().map(|_| Lookup::Miss(None)).collect();
        }
        let link = &link;
        let answers = entries.iter().zip(held).map(async |(entry, held)| {
            if let Some(State::Value(stored)) = held.map(|held| self.open(link, entry, held))
                && let Ok(Some(hit)) = self.serve(link, entry, until, stored, None).await
            {
                return Lookup::Hit(hit);
            }
            self.lookup(entry, until).await
        });
        join_all(answers).await
    }
}

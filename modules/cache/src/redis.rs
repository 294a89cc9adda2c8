//! The shared tier: Redis. Each key is absent, a lease, a fence or a value, and each step from one to another is atomic on
//! that one key (see `docs/consistency.md`). What a key holds counts only while the link is up and the value is of the
//! current epoch.

mod compression;
mod deletion;
mod fred_link;
mod generations;
mod link;
mod listener;
mod names;
mod state;
mod supervisor;
mod timed;
mod writing;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{join, join_all};
use hotshelf_lifecycle::Tasks;
use hotshelf_redis::RedisError;
use hotshelf_stats::{L2State, ServerMemory, Stats, TierLevels};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::coherence::Coherence;
use crate::epoch::EpochStore;
use crate::region::{Collection, Slot};
use crate::tier::{
    Begun, Claim, Copy, DeleteError, Fill, Hit, Intent, Lookup, Outcome, SharedTier, Tier, Token, Unsettled, Until,
};
use crate::value::{Source, Value};
pub(crate) use fred_link::FredConnector;
use generations::Generations;
pub(crate) use link::{Connector, Link};
#[cfg(test)]
pub(crate) use link::{Ear, Step};
use listener::Beats;
pub(crate) use names::Names;
#[cfg(test)]
pub(crate) use state::Run;
use state::{Envelope, Generation, NO_GENERATION, State, Stored};
pub(crate) use timed::Timed;
pub(crate) use writing::GENERATION_LIFE;

/// Life of a lease: a loader that has died keeps others from filling no longer than this.
const LEASE_LIFE: Duration = Duration::from_secs(3);
/// A reader waits no longer than this for what others load, however often they begin anew.
const LONGEST_WAIT: Duration = LEASE_LIFE.saturating_mul(2);
/// Between two looks at what others load, where no push would wake.
const DEAF_PAUSE: Duration = Duration::from_millis(50);

/// What the tier works with.
pub(crate) struct RedisSetup {
    pub(crate) names: Names,
    /// Other processes write to the same database.
    pub(crate) shared: bool,
    pub(crate) epoch_store: Arc<dyn EpochStore>,
    pub(crate) coherence: Arc<Coherence>,
    pub(crate) stats: Stats,
    pub(crate) tasks: Tasks,
}

pub(crate) struct RedisTier<C: Connector> {
    connector: C,
    link: ArcSwapOption<C::Link>,
    /// Values of an older epoch are void. Only grows; may be 0 only while there has never been a link.
    epoch: AtomicU64,
    adopting: Mutex<()>,
    orphans: Mutex<Vec<(String, Token)>>,
    beats: Beats,
    generations: Generations,
    /// One sentence about the link, for health reports.
    condition: Mutex<String>,
    /// As the server told it last.
    memory: Mutex<ServerMemory>,
    setup: RedisSetup,
}

/// While a lookup is under way, its lease may stand in Redis without anybody knowing whether it does. If the caller goes
/// away just then, the lease is taken back.
struct PendingLease<'a, C: Connector> {
    tier: &'a RedisTier<C>,
    link: &'a Arc<C::Link>,
    name: &'a str,
    lease: &'a Bytes,
    answered: bool,
}

impl<C: Connector> Drop for PendingLease<'_, C> {
    fn drop(&mut self) {
        if self.answered || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (link, name, lease) = (Arc::clone(self.link), self.name.to_owned(), self.lease.clone());
        let marker = self.tier.setup.names.marker(&name);
        // Without an answer the lease ends by itself.
        let tasks = &self.tier.setup.tasks;
        tasks.spawn(async move { link.fill(&name, &marker, lease, Bytes::new(), LEASE_LIFE).await });
    }
}

/// The right to fill a key: it must still begin with `expected` by then.
#[derive(Debug)]
pub(crate) struct RedisClaim {
    expected: Bytes,
    /// Whether `expected` is this loader's own lease, which others meanwhile respect.
    leased: bool,
    /// Both as they were before the load: newer ones would vouch for a value that may be older.
    epoch: u64,
    generation: Option<Generation>,
    /// For "there is no such thing".
    if_absent: Option<Generation>,
}

/// What a look at the key has brought.
enum Looked {
    Answer(Lookup),
    /// Another process loads it, under this lease.
    Loading(Bytes),
}

impl<C: Connector> RedisTier<C> {
    pub(crate) fn new(connector: C, setup: RedisSetup) -> Arc<Self> {
        Arc::new(RedisTier {
            connector,
            link: ArcSwapOption::empty(),
            epoch: AtomicU64::new(0),
            adopting: Mutex::new(()),
            orphans: Mutex::default(),
            beats: Beats::new(),
            generations: Generations::default(),
            condition: Mutex::new("not connected yet".to_owned()),
            memory: Mutex::default(),
            setup,
        })
    }

    fn name_of(&self, slot: &Slot) -> String {
        self.setup.names.entry(&slot.key)
    }

    /// Takes over a newer epoch. Something was written then without a fence, of which nobody else tells the memory of
    /// this process.
    fn adopt(&self, epoch: u64) {
        // Not before the era has begun may another call take the epoch for adopted, and vouch for memory.
        let _adopting = self.adopting.lock();
        if self.epoch.fetch_max(epoch, Ordering::AcqRel) < epoch && self.setup.shared {
            self.setup.coherence.everything_changed();
        }
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Each failure is survived, and counted.
    fn survive(&self, operation: &str, error: &impl Display) {
        tracing::debug!(operation, %error, "Redis command failed");
        self.setup.stats.cache_errors("l2", operation).inc();
    }

    /// Looks, and waits for what another process loads.
    async fn consult(&self, link: &Arc<C::Link>, slot: &Slot, until: Until) -> Result<Lookup, RedisError> {
        let give_up = tokio::time::Instant::now() + LONGEST_WAIT;
        loop {
            let lease = match self.look(link, slot, until).await? {
                Looked::Answer(lookup) => return Ok(lookup),
                Looked::Loading(lease) => lease,
            };
            // Alone on the database, only an earlier run of this service can have left it.
            if !self.setup.shared || until == Until::ItsEndAtOnce || tokio::time::Instant::now() >= give_up {
                return Ok(Lookup::Miss(None));
            }
            // In this order: a change after the question wakes.
            let changed = self.setup.coherence.change_of(&slot.key);
            if let Some(left) = link.wait(&self.name_of(slot), lease).await? {
                // When the holder has died, the lease ends.
                let left = left + Duration::from_millis(1);
                let patience = if self.setup.coherence.hears() { left } else { left.min(DEAF_PAUSE) };
                let _ = timeout(patience, changed).await;
            }
        }
    }

    /// Reads the key and, if it is free, takes a lease on it; for pages together with the generation they depend on.
    async fn look(&self, link: &Arc<C::Link>, slot: &Slot, until: Until) -> Result<Looked, RedisError> {
        // Before the value is read: what is filled later is of this epoch or older.
        let epoch = self.epoch();
        let (name, lease) = (self.name_of(slot), state::lease(Token::random(), link.run()));
        let mut pending = PendingLease { tier: self, link, name: &name, lease: &lease, answered: false };
        let read = link.get_or_set(&name, lease.clone(), Some(LEASE_LIFE));
        let (generation, held) = match slot.depends(false) {
            true => {
                // In whatever order they are read: what does not stand under the generation that is read here is loaded,
                // after both, and filled under it.
                let (generation, held) = join(self.generation(link, slot, false), read).await;
                (Some(generation?), held?)
            }
            false => (None, read.await?),
        };
        let claim = |expected, leased| {
            // One that was read some time before the load is as good, as long as it stands.
            let if_absent = self.generations.known(slot.dependencies(true));
            let claim = RedisClaim { expected, leased, epoch, generation, if_absent };
            Looked::Answer(Lookup::Miss(Some(Claim::Redis(claim))))
        };
        let state = held.map(|held| state::open(held, link.run()));
        if let Some(State::Foreign(head)) = state {
            // It makes room for a lease now, not for the value after the load: few bytes (or none) may also be how
            // something begins that a writer leaves meanwhile.
            let marker = self.setup.names.marker(&name);
            let leased = link.fill(&name, &marker, head, lease.clone(), LEASE_LIFE).await?;
            pending.answered = true;
            return Ok(if leased { claim(lease.clone(), true) } else { Looked::Answer(Lookup::Miss(None)) });
        }
        pending.answered = true;
        match state {
            None => Ok(claim(lease.clone(), true)),
            Some(State::Leased(lease)) => Ok(Looked::Loading(lease)),
            Some(State::Fenced | State::Foreign(_)) => Ok(Looked::Answer(Lookup::Miss(None))),
            Some(State::Value(stored)) => {
                let head = stored.head.clone();
                let hit = self.serve(link, slot, until, stored, generation).await?;
                Ok(hit.map_or_else(|| claim(head, false), |hit| Looked::Answer(Lookup::Hit(hit))))
            }
        }
    }

    /// A value as the answer, if it counts and is good enough.
    async fn serve(
        &self,
        link: &C::Link,
        slot: &Slot,
        until: Until,
        stored: Stored,
        known: Option<Generation>,
    ) -> Result<Option<Hit>, RedisError> {
        let due = stored.value.is_some() && stored.ttl < slot.region.refresh_ahead();
        let good = !stored.ttl.is_zero() && (until != Until::ItIsDue || !due);
        if !good || !self.stands(link, slot, &stored, known).await? {
            return Ok(None);
        }
        let Stored { value, ttl, .. } = stored;
        // Not longer than it could have got: the clock may have been set back.
        let ttl = ttl.min(slot.region.longest_life());
        Ok(Some(Hit { value, ttl, due, source: |ttl| Source::L2 { ttl } }))
    }

    /// Whether a value still counts.
    async fn stands(
        &self,
        link: &C::Link,
        slot: &Slot,
        stored: &Stored,
        known: Option<Generation>,
    ) -> Result<bool, RedisError> {
        if stored.epoch != self.epoch() {
            slot.region.counters().invalidations_epoch.inc();
            return Ok(false);
        }
        let absent = stored.value.is_none();
        if !slot.depends(absent) {
            return Ok(true);
        }
        let current = match known.filter(|_| !absent) {
            Some(generation) => generation,
            None => self.generation(link, slot, absent).await?,
        };
        Ok(stored.generation == current && current != NO_GENERATION)
    }

    /// The value that stands there, also one whose life is over.
    async fn standing(&self, slot: &Slot) -> Result<Option<Stored>, RedisError> {
        let Some(link) = self.link.load_full() else { return Ok(None) };
        let held = link.get(&self.name_of(slot)).await?;
        match held.map(|held| state::open(held, link.run())) {
            Some(State::Value(stored)) if self.stands(&link, slot, &stored, None).await? => Ok(Some(stored)),
            _ => Ok(None),
        }
    }

    async fn replace(&self, slot: &Slot, expected: Bytes, value: Bytes, life: Duration) -> Result<bool, RedisError> {
        let Some(link) = self.link.load_full() else { return Ok(false) };
        let name = self.name_of(slot);
        link.fill(&name, &self.setup.names.marker(&name), expected, value, life).await
    }
}

#[async_trait]
impl<C: Connector> Tier for RedisTier<C> {
    async fn lookup(&self, slot: &Slot, until: Until) -> Lookup {
        let Some(link) = self.link.load_full() else { return Lookup::Miss(None) };
        let answer = self.consult(&link, slot, until).await.unwrap_or_else(|error| {
            self.survive("lookup", &error);
            Lookup::Miss(None)
        });
        if matches!(answer, Lookup::Miss(_)) {
            slot.region.counters().misses_l2.inc();
        }
        answer
    }

    /// Reads all keys in one step. Only those that this does not answer are looked up one by one, all at a time, with their
    /// leases: where everything is there, nothing is written, and a server has one command to carry out.
    async fn lookup_many(&self, slots: &[Slot], until: Until) -> Vec<Lookup> {
        let (true, Some(link)) = (slots.len() > 1, self.link.load_full()) else {
            return join_all(slots.iter().map(|slot| self.lookup(slot, until))).await;
        };
        let held = link.get_many(slots.iter().map(|slot| self.name_of(slot)).collect()).await;
        let held = held.unwrap_or_else(|error| {
            self.survive("lookup", &error);
            Vec::new()
        });
        if held.len() < slots.len() {
            slots.iter().for_each(|slot| slot.region.counters().misses_l2.inc());
            return slots.iter().map(|_| Lookup::Miss(None)).collect();
        }
        let link = &link;
        let answers = slots.iter().zip(held).map(async |(slot, held)| {
            if let Some(State::Value(stored)) = held.map(|held| state::open(held, link.run()))
                && let Ok(Some(hit)) = self.serve(link, slot, until, stored, None).await
            {
                return Lookup::Hit(hit);
            }
            self.lookup(slot, until).await
        });
        join_all(answers).await
    }

    async fn bind_to_collections(&self, slot: &Slot, claim: &mut Claim) -> bool {
        let Claim::Redis(claim) = claim else { return false };
        let (None, Some(link)) = (claim.if_absent, self.link.load_full()) else { return false };
        match self.generation(&link, slot, true).await {
            Ok(generation) => claim.if_absent = Some(generation),
            Err(error) => self.survive("generation", &error),
        }
        claim.if_absent.is_some()
    }

    async fn fill(&self, slot: &Slot, claim: Claim, value: Option<&Value>, ttl: Duration) -> Fill {
        let Claim::Redis(claim) = claim else { return Fill::Refused };
        if self.link.load().is_none() {
            return Fill::Failed;
        }
        let absent = value.is_none();
        let generation = match (slot.depends(absent), if absent { claim.if_absent } else { claim.generation }) {
            (true, Some(generation)) => generation,
            (true, None) => return Fill::Failed,
            (false, _) => NO_GENERATION,
        };
        let sealed = Envelope { epoch: claim.epoch, generation, ttl }.seal(value);
        match self.replace(slot, claim.expected, sealed, ttl + slot.region.grace(value.is_none())).await {
            Ok(true) => Fill::Stored,
            Ok(false) => Fill::Refused,
            Err(error) => {
                self.survive("fill", &error);
                Fill::Failed
            }
        }
    }

    async fn abandon(&self, slot: &Slot, claim: Claim) {
        let Claim::Redis(RedisClaim { expected, leased: true, .. }) = claim else { return };
        if let Err(error) = self.replace(slot, expected, Bytes::new(), LEASE_LIFE).await {
            self.survive("abandon", &error);
        }
    }

    async fn overdue(&self, slot: &Slot) -> Option<(Value, Duration)> {
        let stored = self.standing(slot).await.unwrap_or_else(|error| {
            self.survive("overdue", &error);
            None
        })?;
        Some((stored.value?, stored.overdue))
    }

    async fn begin(&self, intent: &Intent) -> Begun {
        self.begin_write(intent).await
    }

    async fn touch(&self, intent: &Intent, collections: &[Collection]) -> bool {
        self.touch_collections(intent, collections).await
    }

    async fn finish(&self, intent: &Intent, outcome: &Outcome) -> Result<(), Unsettled> {
        self.finish_write(intent, outcome).await
    }

    async fn inspect(&self, slot: &Slot) -> Option<Copy> {
        let stored = self.standing(slot).await.ok()??;
        Some(Copy { tier: "l2", identity: stored.head, value: stored.value })
    }

    async fn discard(&self, slot: &Slot, copy: &Copy) {
        if let Err(error) = self.replace(slot, copy.identity.clone(), Bytes::new(), LEASE_LIFE).await {
            self.survive("discard", &error);
        }
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError> {
        self.delete_entries(pattern).await
    }

    fn report(&self, levels: &mut TierLevels) {
        if self.link.load().is_some() {
            (levels.l2, levels.l2_memory) = (L2State::Up, *self.memory.lock());
        } else {
            levels.l2 = L2State::Down;
        }
    }
}

impl<C: Connector> SharedTier for RedisTier<C> {
    fn start(self: Arc<Self>) {
        let tasks = self.setup.tasks.clone();
        tasks.spawn_loop("redis supervisor", supervisor::run(Arc::clone(&self), tasks.stopping()));
        if self.setup.shared {
            tasks.spawn_loop("redis listener", listener::run(self, tasks.stopping()));
        }
    }

    fn adopt_epoch(&self, epoch: u64) {
        self.adopt(epoch);
    }

    fn condition(&self) -> String {
        self.condition.lock().clone()
    }
}

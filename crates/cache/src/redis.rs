//! The shared tier: Redis. Each key is absent, a lease, a fence or a value, and each step from one to another is atomic
//! on that one key (see `docs/consistency/protocol.md`). What a key holds counts only while the link is up and the
//! value is of the current epoch.

mod compression;
mod confirmations;
mod deletion;
mod fred_link;
mod generations;
mod heartbeat;
mod link;
mod listener;
mod names;
mod reading;
mod seal;
mod state;
mod supervisor;
mod writing;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use hotshelf_lifecycle::{Tasks, Trouble};
use hotshelf_redis_client::RedisError;
use parking_lot::Mutex;

use crate::coherence::Coherence;
use crate::condition::Condition;
use crate::counters::{Event, RedisCounters, RedisState, ServerMemory, TierLevels};
use crate::epoch::{Epoch, EpochStore};
use crate::instances::Instances;
use crate::lease::Lease;
use crate::namespace::EntryRef;
use crate::tier::{Copy, Fill, Lookup, TierName, Token, Until};
use crate::value::Value;
use confirmations::Confirmations;
pub(crate) use fred_link::FredConnector;
use generations::Generations;
use link::ActiveLink;
pub(crate) use link::Connector;
#[cfg(test)]
pub(crate) use link::{Agreement, InvalidationStream, Link, Presence, Renewal};
use listener::Heartbeats;
pub(crate) use names::{Names, RESERVED};
use seal::Place;
pub use seal::SealKey;
pub(crate) use seal::{Counted, Seal, SealedNumber};
pub(crate) use state::ServerRunId;
use state::{Envelope, Generation, NO_GENERATION, State, Stored};
pub(crate) use supervisor::UNTOLD;
pub(crate) use writing::GENERATION_TTL;

/// For the log and the health report.
pub(crate) const OTHER_SEAL: &str = "entries in Redis carry another seal and are not read: another instance has \
                          another REDIS_SEAL_KEY, or somebody else writes to Redis";
/// The health report contains [`OTHER_SEAL`] until no wrong seal was found for so long.
const FORGERY_TOLD: Duration = Duration::from_secs(60);
/// TTL of a lease: a loader that has died keeps others from filling no longer than this.
const LEASE_TTL: Duration = Duration::from_secs(3);

/// What the tier works with.
pub(crate) struct RedisSetup {
    pub(crate) names: Names,
    pub(crate) seal: Seal,
    /// Names this process.
    pub(crate) instance: String,
    /// Other processes write to the same database.
    pub(crate) shared: bool,
    /// Those, if an acknowledged write is to be seen by all of them.
    pub(crate) instances: Option<Arc<Instances>>,
    /// There is a tier in front of this one, which takes copies.
    pub(crate) has_memory: bool,
    /// On what Redis holds.
    pub(crate) lease: Arc<Lease>,
    pub(crate) epoch_store: Arc<dyn EpochStore>,
    pub(crate) coherence: Arc<Coherence>,
    pub(crate) counters: Arc<RedisCounters>,
    pub(crate) tasks: Tasks,
}

pub(crate) struct RedisTier {
    connector: Box<dyn Connector>,
    link: ArcSwapOption<ActiveLink>,
    /// Values of another history are invalid. Each begins with a higher epoch than any before, so a value that was
    /// loaded in one and labelled with the next is invalid, too. 0 only while there has never been a link.
    history: AtomicU64,
    /// The history before, 0 if there was none in this process.
    follows: AtomicU64,
    /// How many commits the database had when this process started.
    commits_at_start: AtomicU64,
    /// Whether it was found once that the database is not behind what Redis knows of it.
    has_agreed: AtomicBool,
    /// Values of an older epoch are invalid. Only grows; may be 0 only while there has never been a link.
    epoch: AtomicU64,
    adopting: Mutex<()>,
    orphans: Mutex<Vec<(String, Token)>>,
    heartbeats: Heartbeats,
    confirmations: Confirmations,
    /// Without it, no value is taken for the current one.
    lease: Arc<Lease>,
    /// Another instance writes without Redis: nobody has a lease.
    is_suspended: AtomicBool,
    generations: Generations,
    /// Why there is no link. `None` before the first try.
    down: Mutex<Option<String>>,
    /// What was logged about the link.
    outages: Trouble,
    /// That the listener hears nothing although there is a link.
    disconnection: Trouble,
    /// As the server told it last.
    memory: Mutex<ServerMemory>,
    /// Whether values with a wrong seal were found.
    forgeries: Trouble,
    setup: RedisSetup,
}

/// The right to fill a key: it must still begin with `expected` by then.
#[derive(Debug)]
pub(crate) struct RedisPermit {
    expected: Bytes,
    /// Whether `expected` is this loader's own lease, which others meanwhile respect.
    leased: bool,
    /// Both as they were before the load: newer ones would vouch for a value that may be older.
    epoch: Epoch,
    generation: Option<Generation>,
    /// For "there is no such thing".
    if_absent: Option<Generation>,
}

impl RedisTier {
    pub(crate) fn new(connector: Box<dyn Connector>, setup: RedisSetup) -> Arc<Self> {
        Arc::new(RedisTier {
            connector,
            link: ArcSwapOption::empty(),
            history: AtomicU64::new(0),
            follows: AtomicU64::new(0),
            commits_at_start: AtomicU64::new(0),
            has_agreed: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            adopting: Mutex::new(()),
            orphans: Mutex::default(),
            heartbeats: Heartbeats::new(setup.instance.clone()),
            confirmations: Confirmations::default(),
            lease: Arc::clone(&setup.lease),
            is_suspended: AtomicBool::new(false),
            generations: Generations::default(),
            down: Mutex::default(),
            outages: Trouble::default(),
            disconnection: Trouble::default(),
            memory: Mutex::default(),
            forgeries: Trouble::default(),
            setup,
        })
    }

    fn name_of(&self, entry: &EntryRef) -> String {
        self.setup.names.entry(&entry.key)
    }

    /// The key of the entry, for its seal.
    fn place<'a>(&'a self, entry: &'a EntryRef) -> Place<'a> {
        Place { seal: &self.setup.seal, prefix: self.setup.names.prefix(), key: entry.key.as_str() }
    }

    /// The state of an entry's key. A value with a wrong seal is counted and reported, and is foreign.
    fn open(&self, link: &ActiveLink, entry: &EntryRef, held: Bytes) -> State {
        match state::open(held, self.run(link), self.history(), self.place(entry)) {
            State::Unsealed(head) => {
                self.tell_forgery(entry.key.as_str());
                State::Foreign(head)
            }
            state => state,
        }
    }

    /// Counts a wrong seal, and logs the first one: again after a minute without any.
    fn tell_forgery(&self, key: &str) {
        self.setup.counters.count_error("seal");
        let _ = self.forgeries.succeeded_after(FORGERY_TOLD);
        if self.forgeries.failed(OTHER_SEAL) {
            tracing::warn!(key, "{OTHER_SEAL}");
        }
    }

    /// The server's run, as leases and fences of this history name it.
    fn run(&self, link: &ActiveLink) -> ServerRunId {
        state::run_in(self.history(), link.run())
    }

    fn follows(&self) -> u64 {
        self.follows.load(Ordering::Acquire)
    }

    fn history(&self) -> u64 {
        self.history.load(Ordering::Acquire)
    }

    /// Takes over the history that the epoch store has just found, before the epoch that goes with it.
    fn adopt_history(&self) {
        let _adopting = self.adopting.lock();
        let (known, found) = (self.history(), self.setup.epoch_store.history().name);
        if known == found {
            return;
        }
        self.follows.store(known, Ordering::Release);
        self.history.store(found, Ordering::Release);
        if known != 0 {
            self.setup.coherence.everything_changed();
        }
    }

    /// Takes over a newer epoch. Something was written then without a fence, of which nobody else tells the memory of
    /// this process.
    pub(crate) fn adopt(&self, epoch: Epoch) {
        // Not before memory is flushed may another call take the epoch for adopted, and vouch for memory.
        let _adopting = self.adopting.lock();
        if self.epoch.fetch_max(epoch.get(), Ordering::AcqRel) < epoch.get() && self.setup.shared {
            self.setup.coherence.everything_changed();
            // Others may wait for that.
            self.setup.instances.iter().for_each(|instances| instances.hurry());
        }
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch.load(Ordering::Acquire))
    }

    /// Each failure is survived, and counted.
    fn count_error(&self, operation: &'static str, error: &impl Display) {
        tracing::debug!(operation, %error, "Redis command failed");
        self.setup.counters.count_error(operation);
    }

    /// The value that stands there, also an expired one.
    async fn standing(&self, entry: &EntryRef) -> Result<Option<Stored>, RedisError> {
        let Some(link) = self.link.load_full().filter(|_| entry.namespace.in_redis()) else { return Ok(None) };
        let held = link.get(&self.name_of(entry)).await?;
        match held.map(|held| self.open(&link, entry, held)) {
            Some(State::Value(stored)) if self.stands(&link, entry, &stored, None).await? => Ok(Some(stored)),
            _ => Ok(None),
        }
    }

    async fn replace(
        &self,
        entry: &EntryRef,
        expected: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        let Some(link) = self.link.load_full() else { return Ok(false) };
        let name = self.name_of(entry);
        link.fill(&name, &self.setup.names.marker(&name), expected, value, ttl).await
    }
}

impl RedisTier {
    /// What stands here, if its TTL has not passed that point; else, unless somebody loads or writes it, or Redis is
    /// out of reach, the right to fill it.
    pub(crate) async fn lookup(&self, entry: &EntryRef, until: Until) -> Lookup<Option<RedisPermit>> {
        let Some(link) = self.link.load_full() else { return Lookup::Miss(None) };
        // Before the epoch is looked at: whoever renews the lease has gone over to the one that was current then.
        if !self.lease.holds() {
            return Lookup::Miss(None);
        }
        let answer = self.look_and_wait(&link, entry, until).await.unwrap_or_else(|error| {
            self.count_error("lookup", &error);
            Lookup::Miss(None)
        });
        if matches!(answer, Lookup::Miss(_)) && entry.namespace.in_redis() {
            entry.namespace.count(Event::MissL2);
        }
        answer
    }

    /// Called when a load has found nothing and that is to be kept: binds the permit to the generations that this
    /// depends on. `true` when they were read only now, so that the load has to be done again under them.
    pub(crate) async fn bind_to_tags(&self, entry: &EntryRef, permit: &mut RedisPermit) -> bool {
        let (None, Some(link)) = (permit.if_absent, self.link.load_full()) else { return false };
        match self.generation(&link, entry, true).await {
            Ok(generation) => permit.if_absent = Some(generation),
            Err(error) => self.count_error("generation", &error),
        }
        permit.if_absent.is_some()
    }

    pub(crate) async fn fill(
        &self,
        entry: &EntryRef,
        permit: RedisPermit,
        value: Option<&Value>,
        ttl: Duration,
    ) -> Fill {
        if self.link.load().is_none() {
            return Fill::Failed;
        }
        let absent = value.is_none();
        let generation = match (entry.depends(absent), if absent { permit.if_absent } else { permit.generation }) {
            (true, Some(generation)) => generation,
            (true, None) => return Fill::Failed,
            (false, _) => NO_GENERATION,
        };
        let (sealed, kept) = if entry.namespace.in_redis() {
            let envelope = Envelope { history: self.history(), epoch: permit.epoch, generation, ttl };
            (envelope.seal(self.place(entry), value), ttl + entry.namespace.grace(absent))
        } else {
            // Deletes the lease. If it is still there, no writer has begun since the lookup, and memory may store the
            // value.
            (Bytes::new(), LEASE_TTL)
        };
        match self.replace(entry, permit.expected, sealed, kept).await {
            Ok(true) => Fill::Stored,
            Ok(false) => Fill::Refused,
            Err(error) => {
                self.count_error("fill", &error);
                Fill::Failed
            }
        }
    }

    /// Gives a permit back unused.
    pub(crate) async fn abandon(&self, entry: &EntryRef, permit: RedisPermit) {
        let RedisPermit { expected, leased: true, .. } = permit else { return };
        if let Err(error) = self.replace(entry, expected, Bytes::new(), LEASE_TTL).await {
            self.count_error("abandon", &error);
        }
    }

    /// The value that stands here though it may have expired, and how long ago it has.
    pub(crate) async fn overdue(&self, entry: &EntryRef) -> Option<(Value, Duration)> {
        let stored = self.standing(entry).await.unwrap_or_else(|error| {
            self.count_error("overdue", &error);
            None
        })?;
        // Redis deletes the value at this time, unless somebody has removed its TTL.
        let in_time = stored.overdue < entry.namespace.grace(stored.value.is_none());
        stored.value.filter(|_| in_time).map(|value| (value, stored.overdue))
    }

    /// The copy that a lookup would be answered with.
    pub(crate) async fn inspect(&self, entry: &EntryRef) -> Option<Copy> {
        let stored = self.standing(entry).await.ok()??;
        Some(Copy { tier: TierName::Redis, identity: stored.head, value: stored.value })
    }

    /// Removes that copy, and no newer one.
    pub(crate) async fn discard(&self, entry: &EntryRef, copy: &Copy) {
        if let Err(error) = self.replace(entry, copy.identity.clone(), Bytes::new(), LEASE_TTL).await {
            self.count_error("discard", &error);
        }
    }

    /// Whether there is a link, and what the server has said of its memory.
    pub(crate) fn report(&self, levels: &mut TierLevels) {
        levels.l2 = self.state();
        if levels.l2 == RedisState::Up {
            levels.l2_memory = *self.memory.lock();
        }
    }

    pub(crate) fn state(&self) -> RedisState {
        if self.link.load().is_some() { RedisState::Up } else { RedisState::Down }
    }

    /// Begins to connect; the link is kept up until the tasks stop.
    pub(crate) fn start(self: Arc<Self>) {
        self.commits_at_start.store(self.setup.epoch_store.history().commits, Ordering::Release);
        let tasks = self.setup.tasks.clone();
        tasks.spawn_loop("redis supervisor", supervisor::run(Arc::clone(&self), tasks.stopping()));
        if self.setup.instances.is_some() {
            tasks.spawn_loop("redis confirmations", confirmations::confirm(Arc::clone(&self), tasks.stopping()));
        }
        if self.setup.shared {
            tasks.spawn_loop("redis listener", listener::run(self, tasks.stopping()));
        }
    }

    /// Leaves Redis alone from now on. The tasks have been told to.
    pub(crate) fn end_service(&self) {
        self.link.store(None);
    }

    pub(crate) fn condition(&self) -> Condition {
        if self.link.load().is_none() {
            return match self.down.lock().clone() {
                Some(reason) => Condition::RedisDown { reason },
                None => Condition::NotConnectedYet,
            };
        }
        if self.forgeries.succeeded_after(FORGERY_TOLD).is_none() && self.forgeries.stands() {
            return Condition::OtherSeal;
        }
        // The log may not believe yet that it is over.
        match self.disconnection.cause().filter(|_| !self.setup.coherence.is_subscribed()) {
            Some(reason) => Condition::Disconnected { reason },
            None => Condition::RedisUp,
        }
    }
}

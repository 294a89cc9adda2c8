//! The shared tier: Redis. Each key is absent, a lease, a fence or a value, and each step from one to another is atomic on
//! that one key (see `docs/consistency.md`). What a key holds counts only while the link is up and the value is of the
//! current epoch.

mod error;
mod link;
mod state;
mod supervisor;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{join, join_all};
use hotshelf_lifecycle::Tasks;
use hotshelf_stats::{L2State, Stats, TierLevels};
use parking_lot::Mutex;
use rand::RngExt;

use crate::epoch::EpochStore;
use crate::options::RedisOptions;
use crate::region::Collection;
use crate::tier::{Begun, Claim, DeleteError, Fill, Hit, Intent, Lookup, Outcome, Slot, Tier, Token, Unsettled};
use crate::value::{Source, Value};
use error::RedisError;
use link::Link;
use state::{Envelope, Generation, NO_GENERATION, State, Stored};

/// Life of a lease: a loader that has died keeps others from filling no longer than this.
const LEASE_LIFE: Duration = Duration::from_secs(3);
/// Life of a fence, longer than a write may take in the database. A writer that has died leaves a fence, which ends in
/// nothing: never in the old value.
const FENCE_LIFE: Duration = Duration::from_secs(30);
/// Each generation a writer sets ends by itself after this, and so does what was filled under it: the writer's second
/// one, after its commit, may never come.
const GENERATION_LIFE: Duration = FENCE_LIFE;
/// A writer tries this long to get a fence that another process holds.
const FENCE_PATIENCE: Duration = Duration::from_secs(2);
/// Fences that could not be released in time, to be released later; they also end by themselves.
const MAX_ORPHANS: usize = 1_024;
/// Keys per `SCAN` step and per `UNLINK`.
const DELETE_BATCH: u32 = 500;

pub(crate) struct RedisTier {
    options: RedisOptions,
    link: ArcSwapOption<Link>,
    /// Values of an older epoch are void. Only grows; may be 0 only while there has never been a link.
    epoch: AtomicU64,
    epoch_store: Arc<dyn EpochStore>,
    orphans: Mutex<Vec<(String, Token)>>,
    /// One sentence about the link, for health reports.
    condition: Mutex<String>,
    stats: Stats,
    tasks: Tasks,
}

/// While a lookup is under way, its lease may stand in Redis without anybody knowing whether it does. If the caller goes
/// away just then, the lease is taken back.
struct PendingLease<'a> {
    tier: &'a RedisTier,
    link: &'a Arc<Link>,
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
        // Without an answer the lease ends by itself.
        self.tier.tasks.spawn(async move { link.fill(&name, lease, Bytes::new(), LEASE_LIFE).await });
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
}

impl RedisTier {
    pub(crate) fn new(
        options: RedisOptions,
        epoch_store: Arc<dyn EpochStore>,
        stats: Stats,
        tasks: Tasks,
    ) -> Arc<Self> {
        Arc::new(RedisTier {
            options,
            link: ArcSwapOption::empty(),
            epoch: AtomicU64::new(0),
            epoch_store,
            orphans: Mutex::default(),
            condition: Mutex::new("not connected yet".to_owned()),
            stats,
            tasks,
        })
    }

    /// Begins to connect; the link is kept up until the tasks stop.
    pub(crate) fn start(self: &Arc<Self>) {
        self.tasks.spawn_loop("redis supervisor", supervisor::run(Arc::clone(self), self.tasks.stopping()));
    }

    pub(crate) fn condition(&self) -> String {
        self.condition.lock().clone()
    }

    fn name_of(&self, slot: &Slot) -> String {
        [self.options.prefix.as_str(), slot.key.as_str()].concat()
    }

    fn generation_name(&self, collection: &Collection) -> String {
        [self.options.prefix.as_str(), "gen:", collection.name()].concat()
    }

    fn epoch_name(&self) -> String {
        [self.options.prefix.as_str(), "epoch"].concat()
    }

    fn adopt(&self, epoch: u64) {
        self.epoch.fetch_max(epoch, Ordering::AcqRel);
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Each failure is survived, and counted.
    fn survive(&self, operation: &str, error: &impl Display) {
        tracing::debug!(operation, %error, "Redis command failed");
        self.stats.cache_errors("l2", operation).inc();
    }

    /// The generation that counts now; a new one if there is none.
    async fn generation(&self, link: &Link, collection: &Collection) -> Result<Generation, RedisError> {
        let proposed: Generation = rand::rng().random();
        let current =
            link.get_or_set(&self.generation_name(collection), Bytes::copy_from_slice(&proposed), None).await?;
        Ok(current.map_or(proposed, |bytes| generation_from(&bytes)))
    }

    /// Makes void what depends on these collections.
    async fn void(&self, link: &Link, collections: &[Collection]) -> Result<(), RedisError> {
        let advance = collections.iter().map(|collection| {
            let next: Generation = rand::rng().random();
            let name = self.generation_name(collection);
            async move { link.set(&name, Bytes::copy_from_slice(&next), GENERATION_LIFE).await }
        });
        join_all(advance).await.into_iter().collect()
    }

    /// Reads the key and, if it is free, takes a lease on it; for pages together with the generation they depend on.
    async fn consult(&self, link: &Arc<Link>, slot: &Slot) -> Result<Lookup, RedisError> {
        // Before the value is read: what is filled later is of this epoch or older.
        let epoch = self.epoch();
        let (name, lease) = (self.name_of(slot), state::lease(Token::random(), link.run));
        let mut pending = PendingLease { tier: self, link, name: &name, lease: &lease, answered: false };
        let read = link.get_or_set(&name, lease.clone(), Some(LEASE_LIFE));
        let (generation, held) = match slot.region.depends(false) {
            true => {
                // The generation goes first on the same connection: it is not newer than the page.
                let (generation, held) = join(self.generation(link, slot.region.collection()), read).await;
                (Some(generation?), held?)
            }
            false => (None, read.await?),
        };
        let claim =
            |expected, leased| Lookup::Miss(Some(Claim::Redis(RedisClaim { expected, leased, epoch, generation })));
        let state = held.map(|held| state::open(held, link.run));
        if let Some(State::Foreign(head)) = state {
            // It makes room for a lease now, not for the value after the load: few bytes (or none) may also be how
            // something begins that a writer leaves meanwhile.
            let leased = link.fill(&name, head, lease.clone(), LEASE_LIFE).await?;
            pending.answered = true;
            return Ok(if leased { claim(lease.clone(), true) } else { Lookup::Miss(None) });
        }
        pending.answered = true;
        match state {
            None => Ok(claim(lease.clone(), true)),
            Some(State::Occupied | State::Foreign(_)) => Ok(Lookup::Miss(None)),
            Some(State::Value(stored)) if self.stands(link, slot, &stored, generation).await? => {
                Ok(Lookup::Hit(Hit { value: stored.value, ttl: stored.ttl, source: |ttl| Source::L2 { ttl } }))
            }
            Some(State::Value(stored)) => Ok(claim(stored.head, false)),
        }
    }

    /// Whether a value still counts.
    async fn stands(
        &self,
        link: &Link,
        slot: &Slot,
        stored: &Stored,
        known: Option<Generation>,
    ) -> Result<bool, RedisError> {
        if stored.epoch != self.epoch() {
            slot.region.counters().invalidations_epoch.inc();
            return Ok(false);
        }
        if !slot.region.depends(stored.value.is_none()) {
            return Ok(true);
        }
        let current = match known {
            Some(generation) => generation,
            None => self.generation(link, slot.region.collection()).await?,
        };
        Ok(stored.generation == current && current != NO_GENERATION)
    }

    async fn release(&self, link: &Link, intent: &Intent, keep: Option<&Value>) -> Result<(), RedisError> {
        let Some(slot) = &intent.slot else { return self.void(link, &intent.voids).await };
        let ttl = slot.region.next_ttl(false);
        let envelope = Envelope { epoch: self.epoch(), generation: NO_GENERATION, ttl };
        let value = keep.map(|value| envelope.seal(Some(value))).unwrap_or_default();
        let name = self.name_of(slot);
        let release = link.release(&name, state::fence(intent.token, link.run), value, ttl);
        let (released, voided) = join(release, self.void(link, &intent.voids)).await;
        released.and(voided)
    }

    /// To be released when Redis answers again; else nobody could write this before the fence ends by itself.
    fn orphan(&self, intent: &Intent) {
        let Some(slot) = &intent.slot else { return };
        let mut orphans = self.orphans.lock();
        if orphans.len() < MAX_ORPHANS {
            orphans.push((self.name_of(slot), intent.token));
        }
    }

    async fn release_orphans(&self, link: &Link) {
        let orphans = std::mem::take(&mut *self.orphans.lock());
        for (index, (name, token)) in orphans.iter().enumerate() {
            if link.release(name, state::fence(*token, link.run), Bytes::new(), FENCE_LIFE).await.is_err() {
                self.orphans.lock().extend_from_slice(&orphans[index..]);
                return;
            }
        }
    }
}

/// Redis' patterns know more special characters than ours, and the prefix is no pattern at all.
fn escape(text: &str, special: &str) -> String {
    let escaped = |char| special.contains(char).then_some('\\').into_iter().chain([char]);
    text.chars().flat_map(escaped).collect()
}

/// Anything but 16 bytes is not ours, and nothing stands under it.
fn generation_from(bytes: &Bytes) -> Generation {
    bytes[..].try_into().unwrap_or(NO_GENERATION)
}

#[async_trait]
impl Tier for RedisTier {
    async fn lookup(&self, slot: &Slot) -> Lookup {
        let Some(link) = self.link.load_full() else { return Lookup::Miss(None) };
        let answer = self.consult(&link, slot).await.unwrap_or_else(|error| {
            self.survive("lookup", &error);
            Lookup::Miss(None)
        });
        if matches!(answer, Lookup::Miss(_)) {
            slot.region.counters().misses_l2.inc();
        }
        answer
    }

    async fn bind_to_collection(&self, slot: &Slot, claim: &mut Claim) -> bool {
        let Claim::Redis(claim) = claim else { return false };
        let (None, Some(link)) = (claim.generation, self.link.load_full()) else { return false };
        match self.generation(&link, slot.region.collection()).await {
            Ok(generation) => claim.generation = Some(generation),
            Err(error) => self.survive("generation", &error),
        }
        claim.generation.is_some()
    }

    async fn fill(&self, slot: &Slot, claim: Claim, value: Option<&Value>, ttl: Duration) -> Fill {
        let Claim::Redis(claim) = claim else { return Fill::Refused };
        let Some(link) = self.link.load_full() else { return Fill::Failed };
        let depends = slot.region.depends(value.is_none());
        let generation = match (depends, claim.generation) {
            (true, Some(generation)) => generation,
            (true, None) => return Fill::Failed,
            (false, _) => NO_GENERATION,
        };
        let sealed = Envelope { epoch: claim.epoch, generation, ttl }.seal(value);
        match link.fill(&self.name_of(slot), claim.expected, sealed, ttl).await {
            Ok(true) => Fill::Stored,
            Ok(false) => Fill::Refused,
            Err(error) => {
                self.survive("fill", &error);
                Fill::Failed
            }
        }
    }

    async fn abandon(&self, slot: &Slot, claim: Claim) {
        let (Claim::Redis(RedisClaim { expected, leased: true, .. }), Some(link)) = (claim, self.link.load_full())
        else {
            return;
        };
        if let Err(error) = link.fill(&self.name_of(slot), expected, Bytes::new(), LEASE_LIFE).await {
            self.survive("abandon", &error);
        }
    }

    async fn begin(&self, intent: &Intent) -> Begun {
        let Some(link) = self.link.load_full() else { return Begun::Uncovered };
        let give_up = tokio::time::Instant::now() + FENCE_PATIENCE;
        loop {
            let fence = async {
                let Some(slot) = &intent.slot else { return Ok(true) };
                link.fence(&self.name_of(slot), state::fence(intent.token, link.run), FENCE_LIFE).await
            };
            match join(fence, self.void(&link, &intent.voids)).await {
                (Ok(true), Ok(())) => return Begun::Fenced,
                (Ok(false), Ok(())) if tokio::time::Instant::now() >= give_up => return Begun::Taken,
                (Ok(false), Ok(())) => {
                    let pause = rand::rng().random_range(5..25);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                (Err(error), _) | (_, Err(error)) => {
                    // It may be there all the same: the answer may have been lost, or be late.
                    self.survive("fence", &error);
                    self.orphan(intent);
                    return Begun::Uncovered;
                }
            }
        }
    }

    async fn finish(&self, intent: &Intent, outcome: &Outcome) -> Result<(), Unsettled> {
        let (keep, changed) = match outcome {
            Outcome::Changed { epoch: Some(epoch), covered: false, .. } => {
                // From here on, no lookup of this process takes an older copy for good. What the server holds is void as
                // a whole, and the fence, if it came to stand, is an orphan: waiting for a release would cost the caller
                // a second time-out.
                self.adopt(*epoch);
                return Ok(());
            }
            Outcome::Changed { keep, epoch, covered } => {
                self.adopt(epoch.unwrap_or(0));
                // Not barred before the commit, another process may have written a newer one.
                (keep.as_ref().filter(|_| *covered), true)
            }
            Outcome::Unchanged => (None, false),
        };
        // Without a link there is no command that could fail: its loss has been told already.
        if let Some(link) = self.link.load_full() {
            match self.release(&link, intent, keep).await {
                Ok(()) => return Ok(()),
                Err(error) => self.survive("release", &error),
            }
        }
        self.orphan(intent);
        if changed {
            // The fence may have been set, but is it still there, and were the collections made void? What cannot be
            // confirmed is made void as a whole, on disk, before the write is acknowledged.
            let epoch = self.epoch_store.advance().await.map_err(|cause| Unsettled(cause.to_string()))?;
            self.adopt(epoch);
        }
        Ok(())
    }

    async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError> {
        let link = self.link.load_full().ok_or_else(|| DeleteError("it is not connected".to_owned()))?;
        let failed = |error: RedisError| DeleteError(error.to_string());
        let pattern = [escape(&self.options.prefix, r"*?[]\"), escape(pattern, r"[]\")].concat();
        let (mut cursor, mut deleted) = ("0".to_owned(), 0);
        loop {
            let (next, keys) = link.scan(cursor, &pattern, DELETE_BATCH).await.map_err(failed)?;
            if !keys.is_empty() {
                deleted += link.unlink(keys).await.map_err(failed)?;
            }
            if next == "0" {
                return Ok(deleted);
            }
            cursor = next;
        }
    }

    fn report(&self, levels: &mut TierLevels) {
        levels.l2 = if self.link.load().is_some() { L2State::Up } else { L2State::Down };
    }
}

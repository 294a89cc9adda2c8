//! What a tier is. Memory and Redis are one each; the cache works on a list of them, nearest first: `[memory, Redis]`,
//! one alone, or none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use hotshelf_stats::TierLevels;

use crate::chance;
use crate::epochs::Stamp;
use crate::key::Key;
use crate::redis::RedisClaim;
use crate::region::{Collection, Region, Slot};
use crate::value::{Source, Value};

/// A tier's answer to a lookup.
pub(crate) enum Lookup {
    Hit(Hit),
    /// Nothing here. With a claim, the tier may be given the value once it is loaded; without one (somebody else loads
    /// or writes it, or the tier is out of reach) it must not.
    Miss(Option<Claim>),
}

pub(crate) struct Hit {
    /// `None`: there is no such thing.
    pub(crate) value: Option<Value>,
    pub(crate) ttl: Duration,
    /// It should be loaded again ahead of its end.
    pub(crate) due: bool,
    pub(crate) source: fn(Duration) -> Source,
}

/// How far into its life an entry is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// For answering.
    ItsEnd,
    /// For answering, without waiting for what another process loads.
    ItsEndAtOnce,
    /// For not being loaded again ahead of its end.
    ItIsDue,
}

/// The right to fill a slot, good only as long as nobody has written it since.
#[derive(Debug)]
pub(crate) enum Claim {
    Memory(Stamp),
    Redis(RedisClaim),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Stored,
    /// A write came in between: what was loaded may be old already.
    Refused,
    /// The tier is out of reach.
    Failed,
}

/// Names one writer, or one loader, for as long as its write or load lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) [u8; 16]);

impl Token {
    pub(crate) fn random() -> Self {
        Token(chance::bytes())
    }
}

/// What a write is about to touch.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    /// The entries of what is written, by key; none for something that has no entry yet.
    pub(crate) slots: Vec<Slot>,
    /// The collections it changes.
    pub(crate) voids: Vec<Collection>,
    pub(crate) token: Token,
    /// Of what the write leaves: the epoch that was known before its commit. A newer one would vouch for it against a
    /// write that was committed after it.
    pub(crate) epoch: u64,
}

/// How the beginning of a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The slots are fenced, in this epoch: nobody reads an old copy here or leaves one.
    Fenced { epoch: u64 },
    /// The tier is out of reach and may go on holding an old copy, which must be made void with the commit.
    Uncovered,
    /// Another process is writing one of them.
    Taken,
}

/// What came of a write.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It changed something, or may have. `keep` is what to leave in place of the old value.
    Changed { keep: HashMap<Key, Value>, epoch: Option<u64>, covered: bool },
    /// It is certain to have changed nothing.
    Unchanged,
}

/// A committed write could not be made known, nor the epoch advanced in its stead: old copies may still be read. The
/// write must not be acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the write is committed, but old copies could not be made void: {0}")]
pub struct Unsettled(pub(crate) String);

#[async_trait]
pub(crate) trait Tier: Send + Sync {
    /// What can be told at once, without waiting for anything, of the entry with these collections; `None`: with those that
    /// it goes with.
    fn peek(&self, _key: &Key, _collections: Option<&[Collection]>) -> Option<Hit> {
        None
    }

    /// Counts a lookup that [`peek`](Tier::peek) did not answer.
    fn peeked_in_vain(&self, _region: &Region) {}

    /// Drops this process' copy, without waiting for anything.
    fn forget(&self, _key: &Key) {}

    /// What stands here, if its life has not passed that point.
    async fn lookup(&self, slot: &Slot, until: Until) -> Lookup;

    /// As [`lookup`](Tier::lookup) of each, in their order, in fewer steps.
    async fn lookup_many(&self, slots: &[Slot], until: Until) -> Vec<Lookup> {
        join_all(slots.iter().map(|slot| self.lookup(slot, until))).await
    }

    /// Called when a load has found nothing and that is to be kept: binds the claim to the generations that this depends on.
    /// `true` when they were read only now, so that the load has to be done again under them.
    async fn bind_to_collections(&self, _slot: &Slot, _claim: &mut Claim) -> bool {
        false
    }

    async fn fill(&self, slot: &Slot, claim: Claim, value: Option<&Value>, ttl: Duration) -> Fill;

    /// Gives a claim back unused.
    async fn abandon(&self, _slot: &Slot, _claim: Claim) {}

    /// The value that stands here though its life may be over, and for how long it has been.
    async fn overdue(&self, slot: &Slot) -> Option<(Value, Duration)>;

    /// The copy that a lookup would be answered with.
    async fn inspect(&self, slot: &Slot) -> Option<Copy>;

    /// Removes that copy, and no newer one.
    async fn discard(&self, slot: &Slot, copy: &Copy);

    /// Before the database is written.
    async fn begin(&self, intent: &Intent) -> Begun;

    /// Between the beginning of a write and its commit: makes void what depends on these. `false` when the tier is out of
    /// reach; then the write is no longer fenced here either.
    async fn touch(&self, _intent: &Intent, _collections: &[Collection]) -> bool {
        true
    }

    /// After the commit, before it is acknowledged.
    async fn finish(&self, intent: &Intent, outcome: &Outcome) -> Result<(), Unsettled>;

    /// Deletes the entries whose keys match (`*`, `?`), and tells how many there were.
    async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError>;

    /// Adds what this tier holds.
    fn report(&self, levels: &mut TierLevels);
}

/// A tier that other processes share.
pub(crate) trait SharedTier: Tier {
    /// Begins to connect; the link is kept up until the tasks stop.
    fn start(self: Arc<Self>);

    /// Leaves Redis alone from now on. The tasks have been told to.
    fn end_service(&self);

    /// What is of an older epoch is void from now on.
    fn adopt_epoch(&self, epoch: u64);

    /// One sentence about the link, for health reports.
    fn condition(&self) -> String;

    /// Why changes of other processes are not heard although there is a link, if that has lasted.
    fn deafness(&self) -> Option<String>;
}

/// One tier's copy of an entry, for comparing it with the truth.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) tier: &'static str,
    /// Differs from that of every other copy, also of the same value.
    pub(crate) identity: Bytes,
    /// `None`: it says that there is no such thing.
    pub(crate) value: Option<Value>,
}

/// Entries could not be deleted; some may have been.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot delete entries: {0}")]
pub struct DeleteError(pub(crate) String);

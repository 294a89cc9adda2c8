//! What memory and Redis have in common. There are these two tiers, or one of them, or none; reads ask memory first,
//! fills and the end of a write come to Redis first.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::epoch::{Epoch, Fencing};
use crate::instances::Uncommitted;
use crate::key::Key;
use crate::namespace::{EntryRef, Tag};
use crate::redis::RedisPermit;
use crate::rng;
use crate::value::Value;
use crate::write_counters::Snapshot;

/// A tier's answer to a lookup. `P` is what it gives for a miss: the right to fill it.
pub(crate) enum Lookup<P> {
    Hit(Hit),
    Miss(P),
}

pub(crate) struct Hit {
    /// `None`: there is no such thing.
    pub(crate) value: Option<Value>,
    pub(crate) ttl: Duration,
    /// It should be loaded again ahead of its end.
    pub(crate) due: bool,
}

/// How far into its TTL an entry is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// For answering.
    ItsEnd,
    /// For answering, without waiting for what another process loads.
    ItsEndAtOnce,
    /// For not being loaded again ahead of its end.
    ItIsDue,
}

/// The right to fill an entry, good only as long as nobody has written it since: what each tier has given. A tier that
/// gave none must not be filled: somebody else loads or writes the entry there, or the tier is out of reach, or there
/// is none.
#[derive(Debug, Default)]
pub(crate) struct FillPermit {
    pub(crate) memory: Option<Snapshot>,
    pub(crate) redis: Option<RedisPermit>,
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
        Token(rng::bytes())
    }
}

/// What a write is about to touch.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    /// The entries of what is written, by key; none for something that has no entry yet.
    pub(crate) entries: Vec<EntryRef>,
    /// The tags it changes.
    pub(crate) tags: Vec<Tag>,
    pub(crate) token: Token,
    /// Of what the write leaves: the epoch that was known before its commit. A newer one would vouch for it against a
    /// write that was committed after it.
    pub(crate) epoch: Epoch,
}

/// How the beginning of a write went in Redis.
pub(crate) enum Begun {
    /// The entries are fenced, in this epoch: nobody reads an old copy there or leaves one, nor has one in memory.
    Fenced { epoch: Epoch, uncommitted: Option<Uncommitted> },
    /// Redis is out of reach and may go on holding an old copy, which must be invalidated with the commit.
    Unfenced,
    /// Another process is writing one of them.
    Conflict,
}

/// What came of a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'a> {
    /// It changed something, or may have. `keep` is what to leave in place of the old value.
    Changed { keep: &'a HashMap<Key, Value>, epoch: Option<Epoch>, fencing: Fencing },
    /// It is certain to have changed nothing.
    Unchanged,
}

/// A committed write could not be made known, nor the epoch advanced in its stead: old copies may still be read. The
/// write must not be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the write is committed, but old copies could not be invalidated: {0}")]
pub struct InvalidationUnconfirmed(pub(crate) String);

/// Which tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TierName {
    Memory,
    Redis,
}

impl TierName {
    pub(crate) const BOTH: [TierName; 2] = [TierName::Memory, TierName::Redis];
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TierName::Memory => "l1",
            TierName::Redis => "l2",
        })
    }
}

/// One tier's copy of an entry, for comparing it with the truth.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) tier: TierName,
    /// Differs from that of every other copy, also of the same value.
    pub(crate) identity: Bytes,
    /// `None`: it says that there is no such thing.
    pub(crate) value: Option<Value>,
}

/// Entries could not be deleted; some may have been.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot delete entries: {0}")]
pub struct DeleteError(pub(crate) String);

use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// What is larger, in bytes, no tier keeps: it would push out a thousand others, and hold up whatever shares the
/// connection.
pub(crate) const LARGEST: usize = 1 << 20;

/// What a loader brings and a lookup returns: the bytes as they go out, ready serialized, and what tells this state of
/// the thing from its other states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Handed on as it is: a hit copies and parses nothing.
    pub payload: Bytes,
    /// Grows with each change of the thing where the caller compares it ([`Read::min_revision`]); else any number that
    /// differs when the payload differs.
    pub revision: u64,
    /// A number of the caller's own, 0 for none. Each tier keeps it beside the payload and gives it back with a hit;
    /// the engine does not interpret it.
    pub attribute: u64,
}

/// What a lookup asks for beyond the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Ask no tier, load.
    pub bypass: bool,
    /// Pass over copies of a smaller revision, and over copies that say the thing does not exist.
    pub min_revision: Option<u64>,
}

/// The answer to a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `None`: there is no such thing.
    pub value: Option<Value>,
    /// Where the answer comes from.
    pub source: Source,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This process' memory.
    L1 {
        /// How long until the entry expires.
        ttl: Duration,
    },
    /// The shared tier.
    L2 {
        /// How long until the entry expires.
        ttl: Duration,
    },
    /// A tier that holds an expired value within its grace, because the loader failed.
    Stale {
        /// How long ago it has expired.
        overdue: Duration,
    },
    /// The loader, because no tier had an answer.
    Loaded {
        /// Whether a tier has kept the answer.
        stored: bool,
    },
    /// The loader, because the caller wanted to bypass the tiers.
    Bypassed,
}

impl Source {
    /// In one word, for traces.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Source::L1 { .. } => "l1",
            Source::L2 { .. } => "l2",
            Source::Stale { .. } => "stale",
            Source::Loaded { .. } | Source::Bypassed => "database",
        }
    }

    /// Whether a tier answered, so that nothing was loaded for this lookup.
    pub fn is_hit(self) -> bool {
        matches!(self, Source::L1 { .. } | Source::L2 { .. } | Source::Stale { .. })
    }
}

impl Value {
    /// A value without a version: its revision is a hash of the payload.
    pub fn unversioned(payload: impl Into<Bytes>) -> Self {
        let payload = payload.into();
        Value { revision: xxh3_64(&payload), payload, attribute: 0 }
    }

    /// Whether no tier keeps it.
    pub(crate) fn is_too_large(&self) -> bool {
        self.payload.len() > LARGEST
    }
}

impl Read {
    /// Whether a copy is new enough for the reader.
    pub(crate) fn accepts(&self, value: Option<&Value>) -> bool {
        match (self.min_revision, value) {
            (None, _) => true,
            (Some(min), Some(value)) => value.revision >= min,
            (Some(_), None) => false,
        }
    }
}

use async_trait::async_trait;
use hotshelf_lifecycle::Failure;

use crate::key::Key;
use crate::value::Value;

/// The number of an epoch. A value in Redis carries that of its load, and counts only while it is the current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// Higher than any that is ever opened.
    pub const MAX: Epoch = Epoch(i64::MAX as u64);

    /// The epoch of that number.
    pub const fn new(number: u64) -> Self {
        Epoch(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<i64> for Epoch {
    type Error = InvalidEpoch;

    /// From a number with a sign, as databases keep it.
    fn try_from(number: i64) -> Result<Self, InvalidEpoch> {
        u64::try_from(number).map(Epoch).map_err(|_| InvalidEpoch(number))
    }
}

/// A number that no epoch has. Never to be taken for "no epoch was opened": old copies would stay good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no epoch")]
pub struct InvalidEpoch(pub i64);

/// Whether old copies of what is being written are barred for the time of the write, in every tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fencing {
    /// They are: nobody can read an old copy or leave one.
    Fenced,
    /// They are not, because a tier is out of reach that may hold one. The commit has to advance the epoch with the
    /// write, in the same transaction.
    Unfenced,
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// The result.
    pub value: T,
    /// The epoch that was opened with the write, if it was [`Unfenced`](Fencing::Unfenced).
    pub epoch: Option<Epoch>,
    /// The new values of what was written, by key, for the write-through strategy. It keeps those that depend on no
    /// tag.
    pub leaves: Vec<(Key, Value)>,
}

impl<T> Committed<T> {
    /// Without values to keep.
    pub fn new(value: T, epoch: Option<Epoch>) -> Self {
        Committed { value, epoch, leaves: Vec::new() }
    }

    /// With these values to keep.
    pub fn leaving(self, leaves: Vec<(Key, Value)>) -> Self {
        Committed { leaves, ..self }
    }
}

/// Which history of the database this is, and how far it has come.
///
/// A database that was restored from a backup knows less than it did, and gives versions, ids and epochs a second time.
/// So copies count only in the history that they were made in, and the shared tier remembers how far that had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Random: no two databases have the same, nor one database before and after it was restored.
    pub name: u64,
    /// Grows with every commit, or does not move at all where the database does not count them.
    pub commits: u64,
}

/// One instance of those that share the database, as its row tells.
///
/// A lease is known by the number of the beat that asked for it last. Whoever has seen such a number for longer than
/// a lease lasts, by its own monotonic clock, knows that the lease is over; no clocks are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Random: no two processes have the same.
    pub name: String,
    /// Grows each time the instance stores its row.
    pub beat: u64,
    /// The instance has gone over to this epoch, and all of its writes that were fenced under an older one are
    /// committed or given up. [`Epoch::MAX`] if it has neither copies nor fences.
    pub epoch: Epoch,
    /// The beat that asked last for a lease on what Redis holds; 0 without one.
    pub redis: u64,
    /// The beat that asked last for a lease on what memory holds; 0 without one.
    pub memory: u64,
    /// It writes without Redis: nobody may hold a lease.
    pub revokes: bool,
}

/// What the database tells of those who share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharers {
    /// The current epoch.
    pub epoch: Epoch,
    /// The server that the epoch was reconciled with last.
    pub server: String,
    /// The rows of all instances.
    pub instances: Vec<Instance>,
}

/// Where the epoch of all copies in the shared tier is kept: with the truth, so that it is as durable as the writes.
///
/// Each value in the shared tier carries the history and the epoch it was loaded in, and counts only while those are
/// the current ones. Advancing the epoch invalidates everything at once, at the cost of one row.
#[async_trait]
pub trait EpochStore: Send + Sync + 'static {
    /// The history, as it is known in this process. Asked after each of the other calls, which look into the database.
    fn history(&self) -> History;

    /// The epoch that goes with the memory of this server process: the current one when the same process was named
    /// last, else a new one.
    async fn reconcile(&self, server: &str) -> Result<Epoch, Failure>;

    /// The current epoch, and the server that it was reconciled with last. Asked every 250 ms: answer within that time,
    /// also while many others want to read.
    async fn current(&self) -> Result<(Epoch, String), Failure>;

    /// Opens a new epoch and returns it when it is on disk.
    async fn advance(&self) -> Result<Epoch, Failure>;

    /// Begins a new history unless another one than `known` has begun already, and returns its epoch, which is higher
    /// than any before. Somebody remembers a later state of this history than the database has: it was put back to an
    /// earlier one, and what was given since must not be given again.
    async fn begin_history(&self, known: u64) -> Result<Epoch, Failure>;

    /// The current epoch and the rows of all instances. Only where several processes share the database and are to be
    /// [`Linearizable`](crate::Consistency::Linearizable), as the two below: without them, nothing is cached there.
    async fn sharers(&self) -> Result<Sharers, Failure> {
        Err("this database keeps no rows of the instances that share it".into())
    }

    /// Stores the row of an instance in place of the one before, and then, in a transaction that begins after that
    /// commit, reads as [`sharers`](EpochStore::sharers). Called every 250 ms. The row need not survive the loss of
    /// the machine that all instances run on; where they run on several, it has to survive a restart of the database.
    async fn beat(&self, row: &Instance) -> Result<Sharers, Failure> {
        let _ = row;
        self.sharers().await
    }

    /// Removes the row of that name, if it is still the one of that beat.
    async fn remove_instance(&self, name: &str, beat: u64) -> Result<(), Failure> {
        let _ = (name, beat);
        Ok(())
    }
}

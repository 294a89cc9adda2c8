use async_trait::async_trait;
use hotshelf_lifecycle::Failure;

/// Which history of the database this is, and how far it has come.
///
/// A database that was restored from a backup knows less than it did, and gives versions, ids and epochs a second time. So
/// copies count only in the history that they were made in, and the shared tier remembers how far that had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Random: no two databases have the same, nor one database before and after it was restored.
    pub name: u64,
    /// Grows with every commit, or does not move at all where the database does not count them.
    pub commits: u64,
}

/// Where the epoch of all copies in the shared tier is kept: with the truth, so that it is as durable as the writes.
///
/// Each value in the shared tier carries the history and the epoch it was loaded in, and counts only while those are the
/// current ones. Advancing the epoch makes everything void at once, at the cost of one row.
#[async_trait]
pub trait EpochStore: Send + Sync + 'static {
    /// The history, as it is known in this process. Asked after each of the other calls, which look into the database.
    fn history(&self) -> History;

    /// The epoch that goes with the memory of this server process: the current one when the same process was named
    /// last, else a new one.
    async fn reconcile(&self, server: &str) -> Result<u64, Failure>;

    /// The current epoch, and the server that it was reconciled with last. Asked every 250 ms: answer within that time, also
    /// while many others want to read.
    async fn current(&self) -> Result<(u64, String), Failure>;

    /// Opens a new epoch and returns it when it is on disk.
    async fn advance(&self) -> Result<u64, Failure>;

    /// Begins a new history unless another one than `known` has begun already, and returns its epoch, which is higher than
    /// any before. Somebody remembers a later state of this history than the database has: it was put back to an earlier
    /// one, and what was given since must not be given again.
    async fn begin_history(&self, known: u64) -> Result<u64, Failure>;
}

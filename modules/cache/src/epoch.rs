use async_trait::async_trait;
use hotshelf_lifecycle::Failure;

/// Where the epoch of all copies in the shared tier is kept: with the truth, so that it is as durable as the writes.
///
/// Each value in the shared tier carries the epoch it was loaded in, and counts only while that is the current one.
/// Advancing it makes everything void at once, at the cost of one row.
#[async_trait]
pub trait EpochStore: Send + Sync + 'static {
    /// The epoch that goes with the memory of this server process: the current one when the same process was named
    /// last, else a new one.
    async fn reconcile(&self, server: &str) -> Result<u64, Failure>;

    /// The current epoch, and the server that it was reconciled with last.
    async fn current(&self) -> Result<(u64, String), Failure>;

    /// Opens a new epoch and returns it when it is on disk.
    async fn advance(&self) -> Result<u64, Failure>;
}

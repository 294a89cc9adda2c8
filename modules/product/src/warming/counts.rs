//! How often products are read outlives the process, in the database.

use std::sync::atomic::Ordering;

use hotshelf_domain::StoreError;

use super::warmer::Warmer;

impl Warmer {
    /// Goes on where the last run of the service ended.
    pub(crate) async fn recall(&self) -> Result<(), StoreError> {
        let (products, limit) = (&self.0.products, self.0.options.products);
        let counts = products.repository().read_counts(u32::try_from(limit).unwrap_or(u32::MAX)).await?;
        products.add_reads(counts);
        self.0.kept.store(products.reads_changed(), Ordering::Relaxed);
        Ok(())
    }

    /// Keeps the counts if they have changed. Instances that share a database keep theirs in turn: each has counted a
    /// share of the same reads, and any of them tells what is read most.
    pub(crate) async fn keep(&self) {
        let products = &self.0.products;
        let now = products.reads_changed();
        if self.0.kept.load(Ordering::Relaxed) == now {
            return;
        }
        match products.repository().keep_read_counts(&products.most_read(self.0.options.products)).await {
            Ok(()) => self.0.kept.store(now, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "how often products are read could not be kept"),
        }
    }
}

use hotshelf_cache::{Epoch, EpochStore, History};
use hotshelf_lifecycle::{Failure, async_trait};

use super::ProductRepository;

/// The epoch of the cached copies is a row of the database, so that a write and the epoch it opens are committed together or
/// not at all.
#[async_trait]
impl EpochStore for ProductRepository {
    fn history(&self) -> History {
        History { name: self.0.history().get(), commits: self.0.commits() }
    }

    async fn reconcile(&self, server: &str) -> Result<Epoch, Failure> {
        Ok(self.0.reconcile_epoch(server.to_owned()).await?)
    }

    async fn current(&self) -> Result<(Epoch, String), Failure> {
        Ok(self.0.epoch().await?)
    }

    async fn advance(&self) -> Result<Epoch, Failure> {
        Ok(self.0.advance_epoch().await?)
    }

    async fn begin_history(&self, known: u64) -> Result<Epoch, Failure> {
        self.0.begin_history(crate::History::new(known)).await?;
        Ok(self.0.epoch().await?.0)
    }
}

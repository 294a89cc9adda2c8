use hotshelf_cache::{EpochStore, History};
use hotshelf_database::Database;
use hotshelf_lifecycle::{Failure, async_trait};

/// Keeps the epoch of the cached copies in the catalogue's database, so that a write and the epoch it opens are
/// committed together or not at all.
pub struct CatalogueEpoch(Database);

impl CatalogueEpoch {
    /// On this database.
    pub fn new(repository: Database) -> Self {
        CatalogueEpoch(repository)
    }
}

#[async_trait]
impl EpochStore for CatalogueEpoch {
    async fn reconcile(&self, server: &str) -> Result<u64, Failure> {
        Ok(u64::try_from(self.0.reconcile_epoch(server.to_owned()).await?)?)
    }

    async fn current(&self) -> Result<(u64, String), Failure> {
        let (epoch, server) = self.0.epoch().await?;
        Ok((u64::try_from(epoch)?, server))
    }

    async fn advance(&self) -> Result<u64, Failure> {
        Ok(u64::try_from(self.0.advance_epoch().await?)?)
    }

    fn history(&self) -> History {
        History { name: self.0.history().get(), commits: self.0.commits() }
    }

    async fn begin_history(&self, known: u64) -> Result<u64, Failure> {
        self.0.begin_history(hotshelf_domain::History::new(known)).await?;
        Ok(self.current().await?.0)
    }
}

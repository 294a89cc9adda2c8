use std::sync::OnceLock;
use std::time::Duration;

use hotshelf_cache::Cache;
use hotshelf_domain::{ProductRepository, StoreError};
use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};
use hotshelf_stats::Stats;

use crate::sessions::{SessionOptions, Sessions};

/// The life of [`Sessions`], which it offers to the other modules.
pub struct SessionModule {
    options: SessionOptions,
    sessions: OnceLock<Sessions>,
}

impl SessionModule {
    /// Looks at nothing yet.
    pub fn new(options: SessionOptions) -> Self {
        SessionModule { options, sessions: OnceLock::new() }
    }
}

#[async_trait]
impl Module for SessionModule {
    fn name(&self) -> &'static str {
        "session"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let cache = services.require::<Cache<StoreError>>("cache")?;
        let accounts = services.require::<ProductRepository>("database")?.accounts();
        let stats = services.require::<Stats>("stats")?;
        let sessions = Sessions::new(cache, accounts, self.options, &stats)?;
        services.provide(sessions.clone())?;
        let _ = self.sessions.set(sessions);
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        self.sessions.get().ok_or("started before it was initialized")?.start();
        Ok(())
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        match self.sessions.get() {
            Some(sessions) if !sessions.stop(patience).await => Err("sessions were still being written".into()),
            _ => Ok(()),
        }
    }

    async fn health(&self) -> Health {
        match self.sessions.get().map(Sessions::ended_task) {
            None => Health::unhealthy("not initialized"),
            Some(Some(task)) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            Some(None) => Health::healthy("keeping sessions"),
        }
    }
}

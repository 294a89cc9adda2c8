use std::sync::OnceLock;
use std::time::Duration;

use hotshelf_cache::Cache;
use hotshelf_domain::{ProductRepository, StoreError};
use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};

use crate::lives::Lives;
use crate::service::ProductService;

/// The life of the [`ProductService`], which it offers to the other modules.
pub struct ProductModule {
    lives: Lives,
    audit_rate: f64,
    service: OnceLock<ProductService>,
}

impl ProductModule {
    /// With entries that live so long, of which so many each second are compared with the database.
    pub fn new(lives: Lives, audit_rate: f64) -> Self {
        ProductModule { lives, audit_rate, service: OnceLock::new() }
    }
}

#[async_trait]
impl Module for ProductModule {
    fn name(&self) -> &'static str {
        "product"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let cache = services.require::<Cache<StoreError>>("cache")?;
        let repository = services.require::<ProductRepository>("database")?;
        let service = ProductService::new(cache, repository, self.lives)?;
        services.provide(service.clone())?;
        let _ = self.service.set(service);
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        let service = self.service.get().ok_or("started before it was initialized")?;
        service.watch_for_replacement();
        service.audit(self.audit_rate);
        Ok(())
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        match self.service.get() {
            Some(service) if !service.stop(patience).await => Err("writes were still under way".into()),
            _ => Ok(()),
        }
    }

    async fn health(&self) -> Health {
        Health::healthy("serving products")
    }
}

use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, async_trait};

use crate::service::ProductService;

/// The life of the [`ProductService`].
pub struct ProductModule {
    service: ProductService,
    audit_rate: f64,
}

impl ProductModule {
    /// `audit_rate` entries each second are compared with the database.
    pub fn new(service: ProductService, audit_rate: f64) -> Self {
        ProductModule { service, audit_rate }
    }

    /// The handle.
    pub fn service(&self) -> &ProductService {
        &self.service
    }
}

#[async_trait]
impl Module for ProductModule {
    async fn start(&self) -> Result<(), Failure> {
        self.service.watch_for_replacement();
        self.service.audit(self.audit_rate);
        Ok(())
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if self.service.stop(timeout).await { Ok(()) } else { Err("writes were still under way".into()) }
    }

    async fn health(&self) -> Health {
        Health::healthy("serving products")
    }
}

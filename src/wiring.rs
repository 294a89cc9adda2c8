//! The composition root: the only place that knows every module. Builds the modules in the order of their dependencies,
//! each with what it needs.

use std::sync::Arc;

use hotshelf_accounts::{AccessMetrics, Auth, Issued};
use hotshelf_api::{ApiModule, ApiServices};
use hotshelf_audit::AuditLog;
use hotshelf_cache::{Cache, SealKey};
use hotshelf_cache_module::{CacheModule, CacheStatistics};
use hotshelf_database::Database;
use hotshelf_domain::StoreError;
use hotshelf_issuer::Issuer;
use hotshelf_lifecycle::{Container, Running, StartError};
use hotshelf_product::{ProductService, WarmOptions, Warmer};
use hotshelf_ratelimit::RateLimiter;
use hotshelf_stats::Registry;

use crate::config::Config;
use crate::failure::Failure;

/// The catalogue without its HTTP interface: what all commands work with.
pub(crate) struct Catalogue {
    pub(crate) container: Container,
    pub(crate) repository: Database,
    pub(crate) products: ProductService,
    pub(crate) cache: Cache<StoreError>,
    statistics: CacheStatistics,
    registry: Registry,
}

/// For a command that works on the products and ends.
pub(crate) async fn catalogue(config: &Config) -> Result<Catalogue, StartError> {
    // The command ends before an audit finds anything.
    build(config, 0.0).await
}

async fn build(config: &Config, audit_rate: f64) -> Result<Catalogue, StartError> {
    let mut container = Container::new(config.shutdown_timeout);
    let registry = container.init("stats", async { Ok(Registry::new()?) }).await?;
    let repository = async { Ok(Database::open(config.database.clone(), &registry).await?) };
    let repository = container.init("database", repository).await?;
    let repository = Database::clone(&repository);
    let (mut options, epoch) = (config.cache.clone(), Arc::new(repository.clone()));
    let cache = async {
        // Instances that share the database get the same secret.
        if options.seal_key.is_none() && options.tiers.have_redis() {
            options.seal_key = Some(SealKey::new(repository.seal_secret().await?));
        }
        let cache = Cache::new(options, epoch, StoreError::changed_nothing)?;
        Ok(CacheModule::new(cache, &registry)?)
    };
    let cache = container.init("cache", cache).await?;
    let (cache, statistics) = (cache.cache().clone(), cache.statistics().clone());
    let product = async { Ok(ProductService::new(cache.clone(), repository.clone(), config.ttls, audit_rate)?) };
    let products = ProductService::clone(&*container.init("product", product).await?);
    Ok(Catalogue { container, repository, products, cache, statistics, registry: Registry::clone(&registry) })
}

/// Starts the modules, does the work, and stops them again, even if the work fails.
pub(crate) async fn run<T>(container: Container, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let running = container.start().await?;
    let outcome = work.await;
    let stopped = running.stop().await;
    let done = outcome?;
    stopped?;
    Ok(done)
}

impl Catalogue {
    /// Adds the warmer, which loads the cache ahead of requests.
    pub(crate) async fn warmer(&mut self, options: WarmOptions) -> Result<Warmer, StartError> {
        let warmer = async { Ok(Warmer::new(self.products.clone(), &self.registry, options)?) };
        Ok(Warmer::clone(&*self.container.init("warm", warmer).await?))
    }

    /// Adds the audit log, which records what is no write of its own.
    async fn audit(&mut self, config: &Config) -> Result<AuditLog, StartError> {
        let audit = async { Ok(AuditLog::new(self.repository.clone(), config.audit_kept, &self.registry)?) };
        Ok(AuditLog::clone(&*self.container.init("audit", audit).await?))
    }

    /// Adds the users of a command.
    pub(crate) async fn users(&mut self, config: &Config) -> Result<Auth, StartError> {
        let audit = self.audit(config).await?;
        self.accounts(config, audit).await
    }

    /// Adds the users.
    async fn accounts(&mut self, config: &Config, audit: AuditLog) -> Result<Auth, StartError> {
        let accounts = Database::clone(&self.repository);
        let auth = async {
            let (mailer, options) = (config.mail.clone().mailer()?, config.accounts.clone());
            let issued = match config.issued.clone() {
                Some((issuer, options)) => Some(Issued::new(Issuer::new(issuer)?, options)),
                None => None,
            };
            let metrics = AccessMetrics::register(&self.registry)?;
            Ok(Auth::new(self.cache.clone(), accounts, options, mailer, issued, audit, metrics)?)
        };
        Ok(Auth::clone(&*self.container.init("accounts", auth).await?))
    }
}

/// Builds and starts the whole service.
pub(crate) async fn serve(config: &Config) -> Result<Running, StartError> {
    let mut catalogue = build(config, config.audit_rate).await?;
    let warmer = catalogue.warmer(config.warm).await?;
    let audit = catalogue.audit(config).await?;
    let auth = match config.api.users {
        Some(_) => Some(catalogue.accounts(config, audit.clone()).await?),
        None => None,
    };
    let Catalogue { mut container, products, statistics, registry, .. } = catalogue;
    let limiter = async { Ok(RateLimiter::new(config.rate_limits.clone(), &registry)?) };
    let limiter = RateLimiter::clone(&*container.init("ratelimit", limiter).await?);
    let health = container.health();
    let services = ApiServices { products, auth, audit, warmer, limiter, statistics, registry, health };
    let api = async {
        // The metrics of users show on the page also where there are none.
        if services.auth.is_none() {
            AccessMetrics::register(&services.registry)?;
        }
        Ok(ApiModule::new(config.api.clone(), services)?)
    };
    container.init("api", api).await?;
    container.start().await
}

use std::time::Duration;

use hotshelf_cache::{Key, Namespace, Value};
use hotshelf_database::Database;
use hotshelf_domain::StoreError;
use hotshelf_lifecycle::{Failure, Health, Module, async_trait};

use super::ProductService;
use super::ids::load_ids;
use super::lists::{load_listing, load_total};
use super::products::{load_details, load_product};
use crate::keys;

/// Of entries that take the database long, so many fewer are audited.
const SELDOM: f64 = 60.0;

#[async_trait]
impl Module for ProductService {
    async fn start(&self) -> Result<(), Failure> {
        self.watch_for_replacement();
        self.audit();
        self.finish_organizations();
        Ok(())
    }

    /// Waits for the rebuilding of the report.
    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if self.0.tasks.stop(timeout).await { Ok(()) } else { Err("writes were still under way".into()) }
    }

    async fn health(&self) -> Health {
        Health::healthy("serving products")
    }
}

impl ProductService {
    /// Serves nothing from the cache any more once the database was found not to be the one that was opened.
    fn watch_for_replacement(&self) {
        let (replaced, cache) = (self.0.repository.replaced(), self.0.cache.clone());
        let stopping = self.0.tasks.stopping();
        self.0.tasks.spawn_loop("watch for another database", async move {
            if stopping.run_until_cancelled(replaced.cancelled()).await.is_some() {
                cache.end_service("the database is not the one that was opened");
                stopping.cancelled().await;
            }
        });
    }

    /// Compares cached entries with the database from now on, each kind at the rate that was asked for, and fewer of
    /// those that the database has to count or list as a whole. Left out are analytics, which may be old, and entries
    /// whose key has only the hash of what they are.
    fn audit(&self) {
        let (state, rate) = (&*self.0, self.0.audit_rate);
        self.compare(&state.products, rate, keys::product_of, load_product);
        self.compare(&state.details, rate, keys::details_of, load_details);
        self.compare(&state.lists, rate, keys::page_of, load_listing);
        self.compare(&state.pages, rate, keys::member_page_of, load_listing);
        self.compare(&state.totals, rate / SELDOM, keys::total_of, load_total);
        for ids in [&state.organization_ids, &state.schema_ids] {
            self.compare(ids, rate / SELDOM, keys::ids_of, load_ids);
        }
    }

    fn compare<T, F>(&self, namespace: &Namespace, rate: f64, wanted: fn(&Key) -> Option<T>, load: fn(Database, T) -> F)
    where
        T: Send + 'static,
        F: Future<Output = Result<Option<Value>, StoreError>> + Send + 'static,
    {
        let repository = self.0.repository.clone();
        self.0.cache.audit(namespace, rate, move |key| {
            let (repository, wanted) = (repository.clone(), wanted(&key));
            // An error skips the entry.
            async move { load(repository, wanted.ok_or(StoreError::Closed)?).await }
        });
    }
}

//! Which entries the cache compares with the database.

use std::future::Future;

use hotshelf_cache::{Key, Namespace, Value};
use hotshelf_database::Database;
use hotshelf_domain::StoreError;

use super::ProductService;
use super::ids::load_ids;
use super::lists::{load_listing, load_total};
use super::products::{load_details, load_product};
use crate::keys;

/// Of entries that take the database long, so many fewer are compared.
const SELDOM: f64 = 60.0;

impl ProductService {
    /// Compares cached entries with the database from now on, `rate` of each kind each second, and fewer of those that
    /// the database has to count or list as a whole. Left out are analytics, which may be old, and entries whose key
    /// has only the hash of what they are.
    pub fn audit(&self, rate: f64) {
        let state = &*self.0;
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

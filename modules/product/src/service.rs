//! The service: what is cached, and the parts that read and write it.

mod analytics;
mod bulk;
mod ending;
mod ids;
mod lists;
mod module;
mod most_read;
mod owners;
mod products;
mod write;
mod writes;

use std::sync::Arc;

use hotshelf_cache::{Absence, Cache, DeleteError, Namespace, NamespaceError, NamespaceOptions, RedisState};
use hotshelf_database::Database;
use hotshelf_domain::{History, StoreError};
use hotshelf_lifecycle::Tasks;

use crate::top_items::TopItems;
use crate::ttls::Ttls;
use crate::{keys, tags};
use analytics::Rebuilds;
pub use ids::ProductIds;
pub use lists::MemberPage;
pub use most_read::Warmed;
use owners::SchemaOwners;

/// Products whose reads are counted: several times as many as are ever warmed, so that those are told apart well.
const COUNTED: usize = 16_384;

/// Products behind the cache. A cheap handle.
///
/// | entry | key | invalid when |
/// |---|---|---|
/// | a product | `id:<id>` | it changes |
/// | a product with its details | `<id>:details` | either changes |
/// | that there is no such product | as either | any product is created |
/// | the ids on a page | `list:<offset>:<limit>`, `list:after:<place>:<position>:<limit>`, with filters and order behind | its list's membership changes, or what its order and its filters look at |
/// | the same of an organization or schema | `products:org:<id>:page:…` | likewise, of that one |
/// | the size of a list, where it is counted | `total:…` | likewise |
/// | all ids of an organization or schema | `org:<id>:products`, `schema:<id>:products` | its membership changes |
/// | analytics | `analytics:catalogue` | asked for |
#[derive(Clone)]
pub struct ProductService(Arc<State>);

struct State {
    cache: Cache<StoreError>,
    repository: Database,
    products: Namespace,
    /// The same entries, looked up as parts of pages.
    members: Namespace,
    details: Namespace,
    lists: Namespace,
    pages: Namespace,
    totals: Namespace,
    organization_ids: Namespace,
    schema_ids: Namespace,
    analytics: Namespace,
    rebuilds: Rebuilds,
    schema_owners: SchemaOwners,
    /// Which products are read most.
    reads: TopItems,
    /// Entries of each kind that are compared with the database each second.
    audit_rate: f64,
    tasks: Tasks,
}

impl ProductService {
    /// On this cache and this database, with which `audit_rate` entries of each kind are compared each second.
    ///
    /// # Errors
    /// When somebody else keeps entries under the same keys in this cache.
    pub fn new(
        cache: Cache<StoreError>,
        repository: Database,
        ttls: Ttls,
        audit_rate: f64,
    ) -> Result<Self, NamespaceError> {
        let namespace = |name, keys, ttl| {
            let Ttls { negative: negative_ttl, grace, .. } = ttls;
            let absence = Absence::DependsOn(tags::everything());
            cache.namespace(NamespaceOptions { name, keys, ttl, negative_ttl, grace, absence, in_redis: true })
        };
        let products = namespace("product", keys::PRODUCTS, ttls.product)?;
        let state = State {
            members: products.uncounted(),
            products,
            details: namespace("details", keys::DETAILS, ttls.details)?,
            lists: namespace("list", keys::PAGES, ttls.list)?,
            pages: namespace("page", keys::MEMBER_PAGES, ttls.pages)?,
            // Looked up as parts of pages.
            totals: namespace("total", keys::TOTALS, ttls.pages)?.uncounted(),
            organization_ids: namespace("org_ids", keys::ORGANIZATION_IDS, ttls.organization_ids)?,
            schema_ids: namespace("schema_ids", keys::SCHEMA_IDS, ttls.schema_ids)?,
            analytics: namespace("analytics", keys::ANALYTICS, ttls.analytics)?,
            rebuilds: Rebuilds::default(),
            schema_owners: SchemaOwners::default(),
            reads: TopItems::new(COUNTED),
            audit_rate,
            tasks: Tasks::default(),
            cache,
            repository,
        };
        Ok(ProductService(Arc::new(state)))
    }

    /// The database itself, for what is not cached: organizations and schemas.
    pub fn repository(&self) -> &Database {
        &self.0.repository
    }

    /// Whether Redis takes part in the cache.
    pub(crate) fn redis_state(&self) -> RedisState {
        self.0.cache.redis_state()
    }

    /// The history of the database, beside which versions and ids are to be kept. One look at memory.
    pub fn history(&self) -> History {
        self.0.repository.history()
    }

    /// Deletes the cached entries whose keys match, where `*` stands for any text and `?` for one character; in memory,
    /// in Redis, and in the memory of other instances. Returns how many there were. Walks over all keys.
    ///
    /// # Errors
    /// When Redis failed on the way; what had been deleted stays deleted.
    pub async fn delete_cached(&self, pattern: &str) -> Result<u64, DeleteError> {
        self.0.cache.delete_matching(pattern).await
    }
}

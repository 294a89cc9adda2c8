//! Reads of single products, and of some of them by id.

use std::time::Duration;

use hotshelf_cache::{Found, Key, Read, Source, Value};
use hotshelf_database::Database;
use hotshelf_domain::{OrganizationId, ProductId, StoreError};
use serde::Serialize;

use super::ProductService;
use crate::error::ProductError;
use crate::pages::{self, Page, farther};
use crate::render::owner_of;
use crate::{keys, render};

/// Where it comes from that an organization does not have something: see `ProductService::hidden`.
const HIDDEN: Source = Source::Loaded { stored: false };

#[derive(Serialize)]
struct Missing {
    missing: Vec<ProductId>,
}

impl ProductService {
    /// The product as JSON; no value when there is none. Its revision is its version.
    ///
    /// # Errors
    /// [`WriteError::Store`](hotshelf_cache::WriteError::Store) when the database had to be asked and failed.
    pub async fn get(&self, id: ProductId, read: Read) -> Result<Found, ProductError> {
        self.0.reads.note(id.get());
        let repository = self.0.repository.clone();
        let load = move || load_product(repository.clone(), id);
        Ok(self.0.cache.get_or_load(self.0.products.entry(keys::product(id)), read, load).await?)
    }

    /// As [`get`](ProductService::get); with `within`, a product of another organization does not exist, and nothing
    /// about the answer tells it from one that does not.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn get_within(
        &self,
        id: ProductId,
        within: Option<OrganizationId>,
        read: Read,
    ) -> Result<Found, ProductError> {
        let found = self.get(id, read).await?;
        self.within(id, within, found).await
    }

    /// The product if this process' memory has it, without waiting for anything; otherwise the answer is with
    /// [`get`](ProductService::get).
    pub fn peek(&self, id: ProductId, read: Read) -> Option<(Value, Source)> {
        let hit = self.0.cache.peek(&self.0.products, &keys::product(id), read)?;
        self.0.reads.note(id.get());
        Some(hit)
    }

    /// The product with its details, a JSON object without its closing brace; no value when there is none. Its revision
    /// is the product's version.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn details(&self, id: ProductId, read: Read) -> Result<Found, ProductError> {
        self.0.reads.note(id.get());
        let repository = self.0.repository.clone();
        let load = move || load_details(repository.clone(), id);
        Ok(self.0.cache.get_or_load(self.0.details.entry(keys::details(id)), read, load).await?)
    }

    /// As [`details`](ProductService::details), within an organization as [`get_within`](ProductService::get_within).
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn details_within(
        &self,
        id: ProductId,
        within: Option<OrganizationId>,
        read: Read,
    ) -> Result<Found, ProductError> {
        let found = self.details(id, read).await?;
        self.within(id, within, found).await
    }

    async fn within(&self, id: ProductId, within: Option<OrganizationId>, found: Found) -> Result<Found, ProductError> {
        match within {
            Some(own) if found.value.as_ref().and_then(owner_of) != Some(own) => {
                self.hidden(&[id], found.source.is_hit()).await?;
                Ok(Found { value: None, source: HIDDEN })
            }
            _ => Ok(found),
        }
    }

    /// What an organization does not have is asked for in the database, also if a cache knows that it does not exist,
    /// or has it for its owner: from a cache or not, sooner or later, nobody is to learn what others have. `cached`:
    /// the lookup has not asked the database for anything. If it has, one more read would tell.
    async fn hidden(&self, unseen: &[ProductId], cached: bool) -> Result<(), ProductError> {
        if cached && !unseen.is_empty() {
            self.0.repository.find_many(unseen).await?;
        }
        Ok(())
    }

    /// The products with these ids, in this order, and the ids of those that do not exist: `products` and `missing`.
    /// One step to each tier, and one query for what none has. Up to some thousands. With `within`, those of other
    /// organizations do not exist.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn get_many(
        &self,
        ids: &[ProductId],
        within: Option<OrganizationId>,
        read: Read,
    ) -> Result<Page, ProductError> {
        ids.iter().for_each(|id| self.0.reads.note(id.get()));
        let (mut values, source) = match read.bypass {
            false => {
                let found = self.find_members(ids, true).await?;
                match within {
                    Some(own) => self.own(ids, found, own).await?,
                    None => in_order(found),
                }
            }
            true => {
                let found = self.0.repository.find_many(ids).await?;
                let values: Result<Vec<_>, _> =
                    ids.iter().map(|id| found.get(id).map(render::product).transpose()).collect();
                (values?, Source::Bypassed)
            }
        };
        if let (true, Some(own)) = (read.bypass, within) {
            values.iter_mut().for_each(|value| drop(value.take_if(|value| owner_of(value) != Some(own))));
        }
        let missing = ids.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(id, _)| *id).collect();
        let products: Vec<_> = values.into_iter().flatten().collect();
        Ok(pages::open(&products, &Missing { missing }, source)?)
    }

    /// Those of the products that are an organization's, in the order given.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn of_organization(
        &self,
        ids: &[ProductId],
        organization: OrganizationId,
    ) -> Result<Vec<ProductId>, ProductError> {
        let found = self.find_members(ids, false).await?;
        let (values, _) = self.own(ids, found, organization).await?;
        let own = ids.iter().zip(&values).filter(|(_, value)| value.is_some());
        Ok(own.map(|(id, _)| *id).collect())
    }

    /// Those of the products that are an organization's, and the farthest place that one of them came from.
    async fn own(
        &self,
        ids: &[ProductId],
        found: Vec<Found>,
        own: OrganizationId,
    ) -> Result<(Vec<Option<Value>>, Source), ProductError> {
        let is_own = |found: &Found| found.value.as_ref().and_then(owner_of) == Some(own);
        let unseen = ids.iter().zip(&found).filter(|(_, found)| !is_own(found));
        let unseen: Vec<_> = unseen.map(|(id, _)| *id).collect();
        self.hidden(&unseen, found.iter().all(|found| found.source.is_hit())).await?;
        let shown = |found| if is_own(&found) { found } else { Found { value: None, source: HIDDEN } };
        Ok(in_order(found.into_iter().map(shown)))
    }

    /// The products, as far as they exist, and the farthest place that one of them came from. `counted`: as lookups of
    /// their own.
    pub(super) async fn members(
        &self,
        ids: &[ProductId],
        counted: bool,
    ) -> Result<(Vec<Option<Value>>, Source), ProductError> {
        Ok(in_order(self.find_members(ids, counted).await?))
    }

    pub(super) async fn find_members(&self, ids: &[ProductId], counted: bool) -> Result<Vec<Found>, ProductError> {
        let namespace = if counted { &self.0.products } else { &self.0.members };
        let entries = ids.iter().map(|id| namespace.entry(keys::product(*id))).collect();
        let repository = self.0.repository.clone();
        let load = move |keys: Vec<Key>| load_products(repository.clone(), keys);
        Ok(self.0.cache.get_or_load_many(entries, load).await?)
    }
}

/// The values, and the farthest place that one of them came from.
fn in_order(found: impl IntoIterator<Item = Found>) -> (Vec<Option<Value>>, Source) {
    let mut source = Source::L1 { ttl: Duration::MAX };
    let value = |found: Found| {
        source = farther(source, found.source);
        found.value
    };
    (found.into_iter().map(value).collect(), source)
}

pub(super) async fn load_product(repository: Database, id: ProductId) -> Result<Option<Value>, StoreError> {
    repository.find(id).await?.as_ref().map(render::product).transpose()
}

pub(super) async fn load_details(repository: Database, id: ProductId) -> Result<Option<Value>, StoreError> {
    repository.details(id).await?.as_ref().map(render::details).transpose()
}

async fn load_products(repository: Database, keys: Vec<Key>) -> Result<Vec<Option<Value>>, StoreError> {
    let ids: Vec<_> = keys.iter().filter_map(keys::product_of).collect();
    let products = repository.find_many(&ids).await?;
    let product = |key: &Key| keys::product_of(key).and_then(|id| products.get(&id));
    keys.iter().map(|key| product(key).map(render::product).transpose()).collect()
}

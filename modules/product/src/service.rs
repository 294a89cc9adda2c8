use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_cache::{Cache, Collection, Found, Key, Read, Region, RegionOptions, Source, Target, Value};
use hotshelf_domain::{
    Committed, Copies, Expect, NewProduct, PageIds, PageRequest, Product, ProductId, ProductPage, ProductPatch,
    ProductRepository, StoreError,
};
use hotshelf_lifecycle::Tasks;

use crate::crash::Step;
use crate::error::ProductError;
use crate::keys;
use crate::pages::{Listing, Page, farther};
use crate::render;

/// How long entries live.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// A product.
    pub product: Duration,
    /// A page of the list.
    pub list: Duration,
    /// "There is no such product."
    pub negative: Duration,
    /// How long past its life a copy is served while the database fails.
    pub grace: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        Lives {
            product: Duration::from_secs(300),
            list: Duration::from_secs(300),
            negative: Duration::from_secs(10),
            grace: Duration::from_secs(600),
        }
    }
}

/// Products behind the cache. A cheap handle.
///
/// | entry | key | void when |
/// |---|---|---|
/// | a product | `id:<id>` | it changes |
/// | that there is no such product | `id:<id>` | any product is created |
/// | the ids on a page | `list:<offset>:<limit>`, `list:after:<id>:<position>:<limit>` | any product is created or deleted |
#[derive(Clone)]
pub struct ProductService(Arc<Shelves>);

struct Shelves {
    cache: Cache<StoreError>,
    repository: ProductRepository,
    products: Region,
    /// The same entries, looked up as parts of pages.
    members: Region,
    pages: Region,
    catalogue: Collection,
    writes: Tasks,
}

impl ProductService {
    /// On this cache and this database.
    pub fn new(cache: Cache<StoreError>, repository: ProductRepository, lives: Lives) -> Self {
        let catalogue = Collection::new("products");
        let products = cache.region(RegionOptions {
            name: "product",
            ttl: lives.product,
            negative_ttl: lives.negative,
            grace: lives.grace,
            absent: vec![catalogue.clone()],
        });
        let pages = cache.region(RegionOptions {
            name: "list",
            ttl: lives.list,
            negative_ttl: lives.negative,
            grace: lives.grace,
            absent: Vec::new(),
        });
        let writes = Tasks::default();
        let members = products.uncounted();
        ProductService(Arc::new(Shelves { cache, repository, products, members, pages, catalogue, writes }))
    }

    /// The product as JSON; no value when there is none. Its revision is its version.
    ///
    /// # Errors
    /// [`ProductError::Store`] when the database had to be asked and failed.
    pub async fn get(&self, id: ProductId, read: Read) -> Result<Found, ProductError> {
        self.lookup(&self.0.products, id, read).await
    }

    async fn lookup(&self, region: &Region, id: ProductId, read: Read) -> Result<Found, ProductError> {
        let repository = self.0.repository.clone();
        let load = move || load_product(repository.clone(), id);
        Ok(self.0.cache.get_or_load(region.slot(keys::product(id)), read, load).await?)
    }

    /// The product if this process' memory has it, without waiting for anything; otherwise the answer is with
    /// [`get`](ProductService::get).
    pub fn peek(&self, id: ProductId, read: Read) -> Option<(Value, Source)> {
        self.0.cache.peek(&self.0.products, &keys::product(id), read)
    }

    /// A page of the products. What is cached of it are the ids; the products come from their own entries.
    ///
    /// Counted as one lookup of the page; those of its products are not counted.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn page(&self, request: PageRequest, read: Read) -> Result<Page, ProductError> {
        let repository = self.0.repository.clone();
        let load = move || load_listing(repository.clone(), request);
        let slot = self.0.pages.slot_in(keys::page(&request), [self.0.catalogue.clone()]);
        let found = self.0.cache.get_or_load(slot, read, load).await?;
        let listing = found.value.and_then(|value| Listing::unpack(value.payload));
        let listing = listing.filter(|_| found.source != Source::Bypassed);
        if let Some(listing) = listing
            && let Some((products, source)) = self.members(&listing.ids).await?
        {
            return Ok(listing.show(&products, farther(found.source, source)));
        }
        // Asked for, or one of the products was deleted since the page was read: all of one moment.
        let ProductPage { products, total, has_more } = self.0.repository.page(request).await?;
        let ids = products.iter().map(|product| product.id).collect();
        let products = products.iter().map(render::product).collect::<Result<Vec<_>, _>>()?;
        Ok(Listing::new(&request, ids, total, has_more)?.show(&products, Source::Bypassed))
    }

    /// The products, and the farthest place that one of them came from; `None` when not all of them exist.
    async fn members(&self, ids: &[ProductId]) -> Result<Option<(Vec<Value>, Source)>, ProductError> {
        let mut source = Source::L1 { ttl: Duration::MAX };
        let slots = ids.iter().map(|id| self.0.members.slot(keys::product(*id))).collect();
        let repository = self.0.repository.clone();
        let load = move |keys: Vec<Key>| load_products(repository.clone(), keys);
        let products = self.0.cache.get_or_load_many(slots, load).await?.into_iter().map(|found| {
            source = farther(source, found.source);
            found.value
        });
        Ok(products.collect::<Option<Vec<_>>>().map(|products| (products, source)))
    }

    /// Stores a new product.
    ///
    /// # Errors
    /// [`ProductError::Store`], [`ProductError::Unsettled`].
    pub async fn create(&self, new: NewProduct) -> Result<Product, ProductError> {
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.create(new, copies).await;
        self.write(None, Membership::Changes, commit, |_| Ok(None)).await
    }

    /// Stores all of them or, on an error, none; up to some thousands at a time. Their ids come in the same order.
    ///
    /// # Errors
    /// As [`create`](ProductService::create).
    pub async fn create_many(&self, new: Vec<NewProduct>) -> Result<Vec<ProductId>, ProductError> {
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.create_many(new, copies).await;
        self.write(None, Membership::Changes, commit, |_| Ok(None)).await
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`ProductError::Locked`], [`ProductError::Store`] with [`StoreError::NotFound`] or
    /// [`StoreError::PreconditionFailed`] among others, [`ProductError::Unsettled`].
    pub async fn update(&self, id: ProductId, patch: ProductPatch, expect: Expect) -> Result<Product, ProductError> {
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.update(id, patch, expect, copies).await;
        self.write(Some(id), Membership::Stays, commit, |product| render::product(product).map(Some)).await
    }

    /// Takes the product out of the catalogue.
    ///
    /// # Errors
    /// As [`update`](ProductService::update).
    pub async fn delete(&self, id: ProductId, expect: Expect) -> Result<(), ProductError> {
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.delete(id, expect, copies).await;
        self.write(Some(id), Membership::Changes, commit, |()| Ok(None)).await
    }

    /// Compares cached products and pages with the database from now on, `rate` of them each second.
    pub fn audit(&self, rate: f64) {
        let Shelves { cache, repository, products, pages, .. } = &*self.0;
        let source = repository.clone();
        cache.audit(products, rate, move |key| {
            let (repository, id) = (source.clone(), keys::product_of(&key));
            async move { load_product(repository, id.ok_or(StoreError::Closed)?).await }
        });
        let source = repository.clone();
        cache.audit(pages, rate, move |key| {
            let (repository, request) = (source.clone(), keys::page_of(&key));
            async move { load_listing(repository, request.ok_or(StoreError::Closed)?).await }
        });
    }

    /// Waits for the writes under way. `false` when that took longer than `patience`.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.0.writes.stop(patience).await
    }

    /// The order that keeps the promise: bar the caches, commit, void the caches, acknowledge. In a task of its own, so
    /// that a client that hangs up cannot cut it in two.
    async fn write<T, C, F>(
        &self,
        id: Option<ProductId>,
        membership: Membership,
        commit: C,
        new_entry: fn(&T) -> Result<Option<Value>, StoreError>,
    ) -> Result<T, ProductError>
    where
        T: Send + 'static,
        C: FnOnce(Copies) -> F + Send + 'static,
        F: Future<Output = Result<Committed<T>, StoreError>> + Send + 'static,
    {
        let shelves = Arc::clone(&self.0);
        let work = self.0.writes.spawn(async move {
            let slots = id.map(|id| shelves.products.slot(keys::product(id))).into_iter().collect();
            let collections = match membership {
                Membership::Changes => vec![shelves.catalogue.clone()],
                Membership::Stays => Vec::new(),
            };
            Step::BeforeFence.reached();
            let write = shelves.cache.begin(Target { slots, collections }).await?;
            Step::AfterFence.reached();
            let copies = if write.covered() { Copies::Fenced } else { Copies::Unfenced };
            match commit(copies).await {
                Ok(Committed { value, epoch }) => {
                    Step::AfterCommit.reached();
                    let entry = id.zip(new_entry(&value).ok().flatten());
                    write
                        .committed(
                            entry.map(|(id, entry)| (keys::product(id), entry)),
                            epoch.and_then(|epoch| u64::try_from(epoch).ok()),
                        )
                        .await?;
                    Step::AfterRelease.reached();
                    Ok(value)
                }
                Err(error) if error.changed_nothing() => {
                    write.unchanged().await;
                    Err(error.into())
                }
                Err(error) => {
                    // Committed or not, nobody knows: void it all the same. The caller hears of the first failure.
                    let _ = write.committed([], None).await;
                    Err(error.into())
                }
            }
        });
        let done = work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a write's task died");
            Err(ProductError::BrokeOff)
        });
        Step::BeforeAck.reached();
        done
    }
}

/// Whether a write changes which products there are.
#[derive(Clone, Copy)]
enum Membership {
    Changes,
    Stays,
}

async fn load_product(repository: ProductRepository, id: ProductId) -> Result<Option<Value>, StoreError> {
    repository.find(id).await?.as_ref().map(render::product).transpose()
}

async fn load_products(repository: ProductRepository, keys: Vec<Key>) -> Result<Vec<Option<Value>>, StoreError> {
    let ids: Vec<_> = keys.iter().filter_map(keys::product_of).collect();
    let products = repository.find_many(&ids).await?;
    keys.iter()
        .map(|key| keys::product_of(key).and_then(|id| products.get(&id)).map(render::product).transpose())
        .collect()
}

async fn load_listing(repository: ProductRepository, request: PageRequest) -> Result<Option<Value>, StoreError> {
    let PageIds { ids, total, has_more } = repository.page_ids(request).await?;
    Ok(Some(Listing::new(&request, ids, total, has_more)?.pack()))
}

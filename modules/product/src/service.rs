use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_cache::{Cache, Collection, Depends, Found, Key, Read, Region, RegionOptions, Source, Target, Value};
use hotshelf_domain::{
    Committed, Copies, Expect, NewProduct, PageRequest, PageStart, Product, ProductId, ProductPatch, ProductRepository,
    StoreError,
};
use hotshelf_lifecycle::Tasks;

use crate::error::ProductError;
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
}

impl Default for Lives {
    fn default() -> Self {
        Lives { product: Duration::from_secs(300), list: Duration::from_secs(300), negative: Duration::from_secs(10) }
    }
}

/// Products behind the cache. A cheap handle.
///
/// | entry | key | void when |
/// |---|---|---|
/// | a product | `id:<id>` | it changes |
/// | that there is no such product | `id:<id>` | any product is created |
/// | a page | `list:<offset>:<limit>`, `list:after:<id>:<position>:<limit>` | any product changes |
#[derive(Clone)]
pub struct ProductService(Arc<Shelves>);

struct Shelves {
    cache: Cache<StoreError>,
    repository: ProductRepository,
    products: Region,
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
            collection: catalogue.clone(),
            depends: Depends::WhenAbsent,
        });
        let pages = cache.region(RegionOptions {
            name: "list",
            ttl: lives.list,
            negative_ttl: lives.negative,
            collection: catalogue.clone(),
            depends: Depends::Always,
        });
        let writes = Tasks::default();
        ProductService(Arc::new(Shelves { cache, repository, products, pages, catalogue, writes }))
    }

    /// The product as JSON; no value when there is none. Its revision is its version.
    ///
    /// # Errors
    /// [`ProductError::Store`] when the database had to be asked and failed.
    pub async fn get(&self, id: ProductId, read: Read) -> Result<Found, ProductError> {
        let repository = self.0.repository.clone();
        let load = move || {
            let repository = repository.clone();
            async move { repository.find(id).await?.as_ref().map(render::product).transpose() }
        };
        Ok(self.0.cache.get_or_load(&self.0.products, product_key(id), read, load).await?)
    }

    /// The product if this process' memory has it, without waiting for anything; otherwise the answer is with
    /// [`get`](ProductService::get).
    pub fn peek(&self, id: ProductId, read: Read) -> Option<(Value, Source)> {
        self.0.cache.peek(&self.0.products, &product_key(id), read)
    }

    /// A page as JSON: an object with `products`, `total`, `offset`, `limit` and `next_cursor`. Its revision tells it
    /// from other states of the same page.
    ///
    /// # Errors
    /// As [`get`](ProductService::get).
    pub async fn page(&self, request: PageRequest, read: Read) -> Result<Found, ProductError> {
        let repository = self.0.repository.clone();
        let load = move || {
            let repository = repository.clone();
            async move { Ok(Some(render::page(&request, &repository.page(request).await?)?)) }
        };
        Ok(self.0.cache.get_or_load(&self.0.pages, page_key(&request), read, load).await?)
    }

    /// Stores a new product.
    ///
    /// # Errors
    /// [`ProductError::Store`], [`ProductError::Unsettled`].
    pub async fn create(&self, new: NewProduct) -> Result<Product, ProductError> {
        let repository = self.0.repository.clone();
        self.write(None, async move |copies| repository.create(new, copies).await, |_| Ok(None)).await
    }

    /// Stores all of them or, on an error, none; up to some thousands at a time. Their ids come in the same order.
    ///
    /// # Errors
    /// As [`create`](ProductService::create).
    pub async fn create_many(&self, new: Vec<NewProduct>) -> Result<Vec<ProductId>, ProductError> {
        let repository = self.0.repository.clone();
        self.write(None, async move |copies| repository.create_many(new, copies).await, |_| Ok(None)).await
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`ProductError::Locked`], [`ProductError::Store`] with [`StoreError::NotFound`] or
    /// [`StoreError::PreconditionFailed`] among others, [`ProductError::Unsettled`].
    pub async fn update(&self, id: ProductId, patch: ProductPatch, expect: Expect) -> Result<Product, ProductError> {
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.update(id, patch, expect, copies).await;
        self.write(Some(id), commit, |product| render::product(product).map(Some)).await
    }

    /// Takes the product out of the catalogue.
    ///
    /// # Errors
    /// As [`update`](ProductService::update).
    pub async fn delete(&self, id: ProductId, expect: Expect) -> Result<(), ProductError> {
        let repository = self.0.repository.clone();
        let commit = async move |copies| repository.delete(id, expect, copies).await;
        self.write(Some(id), commit, |()| Ok(None)).await
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
            let entry = id.map(|id| (&shelves.products, product_key(id)));
            let collections = std::slice::from_ref(&shelves.catalogue);
            let write = shelves.cache.begin(Target { entry, collections }).await?;
            let copies = if write.covered() { Copies::Fenced } else { Copies::Unfenced };
            match commit(copies).await {
                Ok(Committed { value, epoch }) => {
                    let entry = new_entry(&value).ok().flatten();
                    write.committed(entry, epoch.and_then(|epoch| u64::try_from(epoch).ok())).await?;
                    Ok(value)
                }
                Err(error) if error.changed_nothing() => {
                    write.unchanged().await;
                    Err(error.into())
                }
                Err(error) => {
                    // Committed or not, nobody knows: void it all the same. The caller hears of the first failure.
                    let _ = write.committed(None, None).await;
                    Err(error.into())
                }
            }
        });
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a write's task died");
            Err(ProductError::BrokeOff)
        })
    }
}

fn product_key(id: ProductId) -> Key {
    Key::numbered("id:", id.get())
}

fn page_key(request: &PageRequest) -> Key {
    let limit = request.limit;
    match request.start {
        PageStart::Offset(offset) => Key::new(format!("list:{offset}:{limit}")),
        PageStart::After { id, position } => Key::new(format!("list:after:{id}:{position}:{limit}")),
    }
}

//! What is promised of products: durable, exact, one version more with each change, ids never given twice.

use hotshelf_cache::{Committed, Epoch, EpochStore, Fencing};
use std::time::Duration;

use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, Expect, PageRequest, PageStart, Place, Product, ProductDraft, ProductId, StoreError, Version,
    VersionInHistory,
};

use crate::adapter::{Adapter, Storage};

struct Catalogue {
    storage: Storage,
    products: Database,
}

impl Catalogue {
    async fn new(adapter: Adapter) -> Self {
        let storage = adapter.storage();
        let products = storage.open().await;
        Catalogue { storage, products }
    }

    async fn create(&self, name: &str) -> Product {
        self.products.create(draft(name).into_new().unwrap(), Fencing::Fenced).await.expect("created").value
    }

    async fn set_stock(&self, id: ProductId, stock: i64, expect: Expect) -> Result<Product, StoreError> {
        let patch = ProductDraft { stock: Some(stock), ..Default::default() }.into_patch().unwrap();
        self.products.update(id, patch, expect, None, Fencing::Fenced).await.map(|committed| committed.value)
    }

    /// As after the end of the process: closed, and opened again.
    async fn reopened(self) -> Self {
        self.products.close(Duration::from_secs(5)).await.expect("closed");
        drop(self.products);
        let products = self.storage.open().await;
        Catalogue { storage: self.storage, products }
    }
}

fn draft(name: &str) -> ProductDraft {
    ProductDraft { name: Some(name.to_owned()), price: Some("9.99".to_owned()), ..Default::default() }
}

fn offset(offset: i64, limit: u32) -> PageRequest {
    PageRequest { start: PageStart::Offset(offset), limit, ..PageRequest::default() }
}

pub(crate) async fn what_was_created_is_there_after_reopening(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let cup = catalogue.create("Cup").await;
    assert_eq!((cup.id.get(), cup.version, cup.price.minor_units()), (1, Version::FIRST, 999));
    let catalogue = catalogue.reopened().await;
    assert_eq!(catalogue.products.find(cup.id).await.unwrap(), Some(cup));
}

pub(crate) async fn each_change_counts_the_version_and_an_empty_one_does_not(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let cup = catalogue.create("Cup").await;
    let changed = catalogue.set_stock(cup.id, 5, Expect::Anything).await.unwrap();
    assert_eq!((changed.version, changed.stock), (Version::new(2), 5));
    assert_eq!((changed.name.as_str(), changed.created_at), ("Cup", cup.created_at));

    let nothing = ProductDraft::default().into_patch().unwrap();
    let same = catalogue.products.update(cup.id, nothing, Expect::Anything, None, Fencing::Fenced).await.unwrap();
    assert_eq!(same.value, changed);
}

pub(crate) async fn a_lost_race_changes_nothing(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let id = catalogue.create("Cup").await.id;
    let history = catalogue.products.history();
    let first = Expect::OneOf(vec![VersionInHistory { history, version: Version::FIRST }]);
    catalogue.set_stock(id, 1, first.clone()).await.expect("the first wins");

    let error = catalogue.set_stock(id, 2, first.clone()).await.expect_err("the second loses");
    assert!(matches!(error, StoreError::PreconditionFailed { current, .. } if current == Version::new(2)));
    assert!(error.changed_nothing());
    let error = catalogue
        .products
        .delete(id, first, None, Actor::default(), Fencing::Fenced)
        .await
        .expect_err("so does a delete");
    assert!(matches!(error, StoreError::PreconditionFailed { .. }));
    assert_eq!(catalogue.products.find(id).await.unwrap().unwrap().stock, 1);
}

pub(crate) async fn a_deleted_product_is_gone_and_its_id_is_never_given_again(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let cup = catalogue.create("Cup").await;
    catalogue
        .products
        .delete(cup.id, Expect::Anything, None, Actor::default(), Fencing::Fenced)
        .await
        .expect("deleted");

    assert_eq!(catalogue.products.find(cup.id).await.unwrap(), None);
    let again = catalogue.products.delete(cup.id, Expect::Anything, None, Actor::default(), Fencing::Fenced).await;
    assert!(matches!(again, Err(StoreError::NotFound(id)) if id == cup.id));
    assert!(matches!(catalogue.set_stock(cup.id, 1, Expect::Anything).await, Err(StoreError::NotFound(_))));
    let catalogue = catalogue.reopened().await;
    assert!(catalogue.create("Plate").await.id > cup.id);
}

pub(crate) async fn pages_follow_offset_and_cursor_and_know_the_total(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let mut ids = Vec::new();
    for number in 0..25 {
        ids.push(catalogue.create(&format!("Product {number}")).await.id);
    }
    catalogue
        .products
        .delete(ids[3], Expect::Anything, None, Actor::default(), Fencing::Fenced)
        .await
        .expect("deleted");
    ids.remove(3);

    let first = catalogue.products.page(offset(0, 10)).await.unwrap();
    let shown = |products: &[Product]| products.iter().map(|product| product.id).collect::<Vec<_>>();
    assert_eq!((shown(&first.products).as_slice(), first.total, first.has_more), (&ids[..10], 24, true));
    let after = PageStart::After { place: Place::of_id(ids[9]), position: 10 };
    let rest =
        catalogue.products.page(PageRequest { start: after, limit: 100, ..PageRequest::default() }).await.unwrap();
    assert_eq!((shown(&rest.products).as_slice(), rest.total, rest.has_more), (&ids[10..], 24, false));
    let exact = catalogue.products.page(offset(14, 10)).await.unwrap();
    assert_eq!((shown(&exact.products).as_slice(), exact.has_more), (&ids[14..], false));
    assert!(catalogue.products.page(offset(1_000, 10)).await.unwrap().products.is_empty());
}

pub(crate) async fn concurrent_writes_share_commits_and_fail_one_by_one(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let id = catalogue.create("Cup").await.id;
    let writers = (0..200).map(|number| {
        let products = catalogue.products.clone();
        tokio::spawn(async move {
            let patch = ProductDraft { stock: Some(number), ..Default::default() }.into_patch().unwrap();
            // Every second one asks for a product that does not exist, in the same groups as the others.
            let target = if number % 2 == 0 { id } else { ProductId::new(9_999).unwrap() };
            products.update(target, patch, Expect::Anything, None, Fencing::Fenced).await.is_ok()
        })
    });
    let mut written = 0;
    for writer in writers.collect::<Vec<_>>() {
        written += i64::from(writer.await.expect("no panic"));
    }
    assert_eq!(written, 100);
    assert_eq!(catalogue.products.find(id).await.unwrap().unwrap().version, Version::new(101));
}

pub(crate) async fn a_write_whose_caller_goes_away_happens_all_the_same_and_leaves_nothing_open(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let id = catalogue.create("Cup").await.id;
    let mut write = Box::pin(catalogue.set_stock(id, 7, Expect::Anything));
    // Polled once, so that it is on its way, then dropped.
    assert!(futures_util::poll!(&mut write).is_pending());
    drop(write);

    // The next write has to wait for the first one's transaction, and sees what it did.
    let after = catalogue.set_stock(id, 8, Expect::Anything).await.unwrap();
    assert_eq!(after.version, Version::new(3));
}

pub(crate) async fn an_unfenced_write_advances_the_epoch_with_it_and_a_failed_one_does_not(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let before = catalogue.products.advance().await.unwrap();
    let new = draft("Cup").into_new().unwrap();
    let Committed { value, epoch, .. } = catalogue.products.create(new, Fencing::Unfenced).await.unwrap();
    assert_eq!(epoch, Some(Epoch::new(before.get() + 1)));

    let missing = ProductId::new(9_999).unwrap();
    catalogue
        .products
        .delete(missing, Expect::Anything, None, Actor::default(), Fencing::Unfenced)
        .await
        .expect_err("no such product");
    let Committed { epoch, .. } =
        catalogue.products.delete(value.id, Expect::Anything, None, Actor::default(), Fencing::Unfenced).await.unwrap();
    assert_eq!(epoch, Some(Epoch::new(before.get() + 2)));
}

pub(crate) async fn the_epoch_stays_with_the_server_it_belongs_to(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let first = catalogue.products.reconcile("server-a").await.unwrap();
    assert_eq!(catalogue.products.reconcile("server-a").await.unwrap(), first);
    let catalogue = catalogue.reopened().await;
    assert_eq!(catalogue.products.reconcile("server-a").await.unwrap(), first);
    assert_eq!(catalogue.products.reconcile("server-b").await.unwrap(), Epoch::new(first.get() + 1));
    assert_eq!(catalogue.products.reconcile("server-a").await.unwrap(), Epoch::new(first.get() + 2));
}

pub(crate) async fn after_closing_everything_is_refused(adapter: Adapter) {
    let catalogue = Catalogue::new(adapter).await;
    let id = catalogue.create("Cup").await.id;
    catalogue.products.close(Duration::from_secs(5)).await.expect("closed");
    assert!(matches!(catalogue.set_stock(id, 1, Expect::Anything).await, Err(StoreError::Closed)));
    assert!(matches!(catalogue.products.find(id).await, Err(StoreError::Closed)));
}

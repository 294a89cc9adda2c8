//! A catalogue of made-up products in which everything comes up often: equal prices and names, empty shelves, words
//! that many have and words that few have, products of three organizations.

use hotshelf_cache::Fencing;
use std::time::Duration;

use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, Expect, Filter, Order, OrganizationDraft, PageIds, PageRequest, PageStart, Product, ProductDraft, ProductId,
    SchemaDraft, Search,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::adapter::{Adapter, Storage};

const NAMES: [&str; 12] =
    ["apple", "Apple", "Banana", "banana split", "Café crème", "cafe", "Zebra", "_under", "[box]", "Ärger", "a", "B"];
const WORDS: [&str; 8] = ["red", "Blue", "Crème", "brûlée", "redwood", "usb-c", "NEAR", "naïve"];
pub(crate) const CATEGORIES: [&str; 5] = ["", "Lamps", "lamps", "Cups & Plates", "Möbel"];

pub(crate) struct Shop {
    pub(crate) storage: Storage,
    pub(crate) products: Database,
    pub(crate) random: SmallRng,
}

impl Shop {
    pub(crate) async fn new(adapter: Adapter) -> Self {
        let storage = adapter.storage();
        let products = storage.open().await;
        Shop { storage, products, random: SmallRng::seed_from_u64(4) }
    }

    /// With so many random products, some deleted again, in organizations 1, 2 and 3 with schemas 1, 2 and 3.
    pub(crate) async fn stocked(adapter: Adapter, count: usize) -> Self {
        let mut shop = Shop::new(adapter).await;
        for name in ["Two", "Three", "Empty"] {
            shop.organization(name).await;
        }
        for (organization, name) in [(2, "Lamp"), (1, "Cup"), (1, "Unused")] {
            let draft = format!(r#"{{"organization_id":{organization},"name":"{name}","fields":[]}}"#);
            let draft = SchemaDraft::from_json(draft.as_bytes()).expect("an object");
            shop.products.create_schema(draft.into_new().expect("valid")).await.expect("created");
        }
        let drafts: Vec<_> = (1..=count as i64).map(|id| shop.draft_of(id)).collect();
        for batch in drafts.chunks(1_000) {
            shop.create(batch.to_vec()).await;
        }
        shop.storage.outsider("UPDATE products SET created_at = created_at - id % 5, updated_at = updated_at + id % 7");
        for id in (1..=count as i64).step_by(17) {
            shop.delete(ProductId::new(id).unwrap()).await;
        }
        shop
    }

    /// Its id is the number of the organization.
    pub(crate) async fn organization(&self, name: &str) {
        let draft = OrganizationDraft { name: Some(name.to_owned()), ..OrganizationDraft::default() };
        let new = draft.into_new().expect("a valid name");
        self.products.create_organization(new, Actor::default()).await.expect("created");
    }

    /// Of the product that is to have this id.
    fn draft_of(&mut self, id: i64) -> ProductDraft {
        let (organization, schema) = match id {
            id if id % 30 == 2 => (3, 1),
            id if id % 3 == 1 => (2, 1 + id % 2),
            id if id % 40 == 0 => (1, 3),
            _ => (1, 1),
        };
        ProductDraft { organization_id: Some(organization), schema_id: Some(schema), ..self.draft() }
    }

    pub(crate) fn draft(&mut self) -> ProductDraft {
        let words: Vec<&str> = (0..3).map(|_| self.pick(&WORDS)).collect();
        let rare = if self.random.random_range(0..40) == 0 { " obsidian" } else { "" };
        let name = match self.random.random_range(0..3) {
            0 => format!("{} {}", self.pick(&NAMES), self.random.random_range(0..50)),
            _ => self.pick(&NAMES).to_owned(),
        };
        // One of them is larger than what is ever sorted.
        let category = if self.random.random_bool(0.4) { "Lamps" } else { self.pick(&CATEGORIES) };
        ProductDraft {
            name: Some(name),
            description: Some(format!("{}{rare}", words.join(" "))),
            price: Some(format!("{}.{:02}", self.random.random_range(1..30), self.random.random_range(0..3))),
            stock: Some(self.random.random_range(0..4)),
            category: Some(category.to_owned()),
            ..ProductDraft::default()
        }
    }

    pub(crate) fn pick<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.random.random_range(0..choice.len())]
    }

    pub(crate) async fn create(&self, drafts: Vec<ProductDraft>) -> Vec<ProductId> {
        let new = drafts.into_iter().map(|draft| draft.into_new().expect("valid")).collect();
        let created = self.products.create_many(new, true, Fencing::Fenced).await.expect("created").value;
        created.into_iter().map(|id| id.expect("valid")).collect()
    }

    pub(crate) async fn update(&self, id: ProductId, draft: ProductDraft) {
        let patch = draft.into_patch().expect("valid");
        self.products.update(id, patch, Expect::Anything, None, Fencing::Fenced).await.expect("updated");
    }

    pub(crate) async fn delete(&self, id: ProductId) {
        self.products.delete(id, Expect::Anything, None, Actor::default(), Fencing::Fenced).await.expect("deleted");
    }

    /// Every product there is, by id.
    pub(crate) async fn all(&self) -> Vec<Product> {
        let request = PageRequest { limit: 1_000_000, ..PageRequest::default() };
        self.products.page(request).await.expect("a page").products
    }

    /// The whole list, page by page.
    pub(crate) async fn walk(&self, filter: &Filter, order: Order, limit: u32) -> Vec<ProductId> {
        let (mut ids, mut start) = (Vec::new(), PageStart::default());
        loop {
            let page = self.page(filter, order, start, limit).await;
            assert!(page.ids.len() <= limit as usize);
            ids.extend(page.ids);
            match page.next {
                // As a cursor carries it.
                Some(place) if page.has_more => {
                    let place = hotshelf_domain::Place::from_bytes(&place.to_bytes()).unwrap();
                    start = PageStart::After { place, position: ids.len() as i64 };
                }
                _ => return ids,
            }
        }
    }

    pub(crate) async fn page(&self, filter: &Filter, order: Order, start: PageStart, limit: u32) -> PageIds {
        let request = PageRequest { filter: filter.clone(), order, start, limit };
        self.products.page_ids(request).await.unwrap_or_else(|error| panic!("{filter:?} by {order}: {error}"))
    }

    /// What a search finds, by id.
    pub(crate) async fn found(&self, text: &str) -> Vec<i64> {
        let filter = Filter { search: searched(text), ..Filter::default() };
        let ids = self.walk(&filter, Order::default(), 100).await;
        ids.into_iter().map(ProductId::get).collect()
    }

    /// As after the end of the process.
    pub(crate) async fn reopened(self) -> Self {
        self.products.close(Duration::from_secs(5)).await.expect("closed");
        drop(self.products);
        let products = self.storage.open().await;
        Shop { storage: self.storage, products, random: self.random }
    }
}

pub(crate) fn searched(text: &str) -> Option<Search> {
    Search::parse(text).expect("a search")
}

pub(crate) fn named(name: &str) -> ProductDraft {
    ProductDraft { name: Some(name.to_owned()), price: Some("9.99".to_owned()), ..ProductDraft::default() }
}

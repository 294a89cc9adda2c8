//! Which entries a write invalidates. Lists that do not depend on the changed fields stay valid, and so do all lists of
//! other organizations.
//!
//! A list is valid if its entry answers. The products on it are entries of their own: a changed product is loaded
//! again, while the page stays valid.

use std::collections::BTreeSet;

use hotshelf_testkit::{Client, RedisServer, Service};
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, SCHEMAS, create, create_many, create_organization, create_schema, delete, id, numbers,
    path, read, statistics, update, wait_for_redis,
};

/// Lists with different dependencies: their names and queries. Searches are counted separately, because the total of a
/// search is an entry of its own.
const LISTS: [(&str, &str); 11] = [
    ("id", "order=id"),
    ("name", "order=-name"),
    ("price", "order=price"),
    ("stock", "order=stock"),
    ("created_at", "order=-created_at"),
    ("updated_at", "order=updated_at"),
    ("category", "category=Kitchen"),
    ("min_price", "min_price=2"),
    ("max_price", "max_price=2&order=name"),
    ("in_stock", "in_stock=true"),
    ("search", "search=cup"),
];

/// The scopes of a change of the shop's product.
const OF_THE_SHOP: [&str; 3] = ["", "organization_id=2", "schema_id=2"];
const OF_ANOTHER: [&str; 2] = ["organization_id=3", "schema_id=3"];

/// A list by its scope and name, and the path to read it.
type List = (String, String);

/// The catalogue of two organizations with a schema each, and all their lists in the cache.
struct World {
    service: Service,
    shop: i64,
    kind: i64,
    /// A product of the shop and of its schema `kind`.
    product: Value,
    /// Lists that were invalid although nothing on which they depend had changed.
    surplus: BTreeSet<String>,
    /// Dropped after the service.
    _redis: RedisServer,
}

impl World {
    async fn with(backend: &str) -> Self {
        let redis = RedisServer::start();
        let service = hotshelf().redis(&redis).backend(backend).start().await;
        if backend != "memory" {
            wait_for_redis(&service, "up").await;
        }
        let shop = create_organization(&service, "Shop").await;
        let other = create_organization(&service, "Other").await;
        let kind = create_schema(&service, shop, &json!([])).await;
        let foreign = create_schema(&service, other, &json!([])).await;
        assert_eq!((shop, other, kind, foreign), (2, 3, 2, 3));
        let draft = |organization: i64, schema: i64| {
            json!({"name": "Cup", "price": 3, "stock": 5, "category": "Kitchen", "organization_id": organization,
                "schema_id": schema})
        };
        let product = create(&service, &draft(shop, kind)).await;
        create_many(&service, &[draft(shop, kind), draft(shop, 1), draft(other, foreign), draft(other, foreign)]).await;
        let world = World { service, shop, kind, product, surplus: BTreeSet::new(), _redis: redis };
        // With the totals and the products.
        world.void(&world.all()).await;
        world
    }

    fn of(&self, scope: &str) -> Vec<List> {
        let list = |(name, query): &(&str, &str)| (format!("{scope} {name}"), format!("{PRODUCTS}?{scope}&{query}"));
        let mut lists: Vec<_> = LISTS.iter().map(list).collect();
        let (owner, id) = match scope.split_once('=') {
            Some(("organization_id", id)) => (ORGANIZATIONS, id),
            Some((_, id)) => (SCHEMAS, id),
            None => return lists,
        };
        lists.push((format!("{scope} pages"), format!("{owner}/{id}/products")));
        lists.push((format!("{scope} pages by price"), format!("{owner}/{id}/products?order=-price")));
        lists.push((format!("{scope} ids"), format!("{owner}/{id}/product-ids")));
        lists
    }

    fn all(&self) -> Vec<List> {
        OF_THE_SHOP.iter().chain(&OF_ANOTHER).flat_map(|scope| self.of(scope)).collect()
    }

    /// The names of the lists whose entries did not answer. They are cached again afterwards.
    async fn void(&self, lists: &[List]) -> BTreeSet<String> {
        let mut void = BTreeSet::new();
        for (name, path) in lists {
            let before = misses(&self.service).await;
            self.service.get(path).await.expect(200);
            if misses(&self.service).await > before {
                void.insert(name.clone());
            }
        }
        void
    }

    /// Fails if one of `expected` is still valid; notes other invalid lists. `cause` is the write.
    async fn expect(&mut self, cause: &str, lists: &[List], expected: &BTreeSet<String>) {
        let void = self.void(lists).await;
        let left: Vec<_> = expected.difference(&void).collect();
        assert!(left.is_empty(), "{cause}: {left:?} should be invalid");
        self.surplus.extend(void.difference(expected).map(|list| format!("{cause}: {list}")));
    }

    /// As [`expect`](World::expect) for the lists with these names in all three scopes: all products, the shop, the
    /// schema.
    async fn expect_of_the_shop(&mut self, cause: &str, names: &[&str]) {
        let mut expected = BTreeSet::new();
        for scope in OF_THE_SHOP {
            expected.extend(names.iter().map(|name| format!("{scope} {name}")));
            let like = [("pages", "id"), ("ids", "id"), ("pages by price", "price")];
            let like = like.iter().filter(|(_, list)| !scope.is_empty() && names.contains(list));
            expected.extend(like.map(|(name, _)| format!("{scope} {name}")));
        }
        self.expect(cause, &self.all(), &expected).await;
    }
}

/// Lookups of lists, totals and id sets that were misses.
async fn misses(client: &Client) -> u64 {
    let stats = statistics(client).await;
    let caches = ["list", "page", "total", "org_ids", "schema_ids"];
    caches.map(|cache| stats["caches"][cache]["misses"].as_u64().unwrap()).iter().sum()
}

/// Runs the test for each backend. It fails if a list stays valid that should be invalid, or the reverse.
///
/// In memory, tags share counters, by a hash with a new seed for each process: sometimes a change invalidates another
/// list. If the same list is invalid in every process, that is a defect.
async fn everywhere(story: impl AsyncFn(&mut World)) {
    for (backend, processes) in [("redis", 1), ("memory", 3), ("tiered", 3)] {
        let mut always: Option<BTreeSet<String>> = None;
        for _ in 0..processes {
            let mut world = World::with(backend).await;
            story(&mut world).await;
            let surplus = std::mem::take(&mut world.surplus);
            let still = always.map_or(surplus.clone(), |always| &always & &surplus);
            let done = still.is_empty();
            always = Some(still);
            if done {
                break;
            }
        }
        let always = always.unwrap_or_default();
        assert!(always.is_empty(), "{backend}: invalidated for no reason: {always:?}");
    }
}

#[tokio::test]
async fn a_change_invalidates_the_lists_that_depend_on_it() {
    everywhere(async |world| {
        world.expect_of_the_shop("nothing", &[]).await;
        let changes = [
            (json!({"stock": 4}), vec!["stock", "updated_at"]),
            (json!({"stock": 0}), vec!["stock", "updated_at", "in_stock"]),
            (json!({"stock": 9}), vec!["stock", "updated_at", "in_stock"]),
            (json!({"price": 1.5}), vec!["price", "updated_at", "min_price", "max_price"]),
            (json!({"name": "Mug"}), vec!["name", "updated_at", "max_price", "search"]),
            (json!({"description": "A cup"}), vec!["updated_at", "search"]),
            (json!({"category": "Office"}), vec!["updated_at", "category", "search"]),
        ];
        for (change, lists) in changes {
            let product = update(&world.service, &world.product, &change).await;
            world.expect_of_the_shop(&change.to_string(), &lists).await;
            // Valid lists show the current product, too.
            let page = world.service.get(&format!("{PRODUCTS}?order=id")).await.expect(200).json();
            assert_eq!(page["products"][0], product);
        }
        let images = json!({"images": [{"url": "https://example.com/a.jpg"}]});
        world.service.put(&format!("{}/details", path(&world.product))).json(&images).await.expect(200);
        world.expect_of_the_shop("details", &["updated_at"]).await;
    })
    .await;
}

#[tokio::test]
async fn creates_and_deletes_invalidate_all_lists_of_the_organization() {
    let all = LISTS.map(|(name, _)| name);
    everywhere(async |world| {
        let draft = json!({"name": "Cup", "price": 3, "organization_id": world.shop, "schema_id": world.kind});
        let first = create(&world.service, &draft).await;
        world.expect_of_the_shop("create", &all).await;
        let many = create_many(&world.service, &[draft.clone(), draft.clone()]).await;
        world.expect_of_the_shop("create many", &all).await;
        delete(&world.service, &first).await;
        world.expect_of_the_shop("delete", &all).await;
        world.service.post(&format!("{PRODUCTS}/bulk-delete")).json(&json!({"ids": many})).await.expect(200);
        world.expect_of_the_shop("delete many", &all).await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_write_invalidates_nothing() {
    everywhere(async |world| {
        let (service, path) = (&world.service, path(&world.product));
        service.put(&path).json(&json!({"price": -1})).await.expect(400);
        service.post(PRODUCTS).json(&json!({"name": "Cup"})).await.expect(400);
        let atomic = json!({"products": [{"name": "Cup", "price": 1}, {}]});
        service.post(&format!("{PRODUCTS}/bulk?atomic=true")).json(&atomic).await.expect(400);
        let missing = json!({"ids": [777]});
        service.post(&format!("{PRODUCTS}/bulk-delete")).json(&missing).await.expect(200);
        service.put(&format!("{PRODUCTS}/777")).json(&json!({"price": 9})).await.expect(404);
        service.delete(&format!("{PRODUCTS}/777")).await.expect(404);
        world.expect_of_the_shop("refused", &[]).await;

        // A write that the commit refuses has already invalidated its lists in Redis.
        let service = &world.service;
        service.put(&path).header("if-match", "\"other\"").json(&json!({"price": 9})).await.expect(412);
        service.delete(&path).header("if-match", "\"other\"").await.expect(412);
        service.put(&path).json(&json!({"schema_id": 1, "organization_id": 3})).await.expect(400);
        let of_another: Vec<List> = OF_ANOTHER.iter().flat_map(|scope| world.of(scope)).collect();
        world.expect("refused late", &of_another, &BTreeSet::new()).await;
    })
    .await;
}

#[tokio::test]
async fn a_product_that_moves_leaves_one_schema_for_another() {
    everywhere(async |world| {
        let target = create_schema(&world.service, world.shop, &json!([])).await;
        let (from, to) = (world.of("schema_id=2"), world.of(&format!("schema_id={target}")));
        let lists = [world.all(), to.clone()].concat();
        world.void(&lists).await;
        let moved = update(&world.service, &world.product, &json!({"schema_id": target})).await;
        let of_schemas = [from, to].concat().into_iter().map(|(name, _)| name);
        let by_time = [" updated_at", "organization_id=2 updated_at"].map(str::to_owned);
        world.expect("move", &lists, &of_schemas.chain(by_time).collect()).await;
        for (schema, there) in [(world.kind, false), (target, true)] {
            let ids = world.service.get(&format!("{SCHEMAS}/{schema}/product-ids")).await.expect(200).json();
            assert_eq!(numbers(&ids["ids"]).contains(&id(&moved)), there);
        }
        assert_eq!(read(&world.service, &moved).await, moved);
    })
    .await;
}

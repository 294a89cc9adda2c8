use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{Filter, PageRequest, Price, Product, ProductDraft};
use rand::RngExt;

use crate::adapter::{Adapter, open};
use crate::shop::{Shop, searched};

#[derive(QueryableByName, Debug, PartialEq)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    organization_id: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    schema_id: i64,
    #[diesel(sql_type = diesel::sql_types::Text)]
    category: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    live: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    in_stock: i64,
}

fn counters(shop: &Shop) -> [Vec<Count>; 2] {
    let kept = "SELECT * FROM product_counts ORDER BY organization_id, schema_id, category";
    let recount = "SELECT organization_id, schema_id, category, count(*) AS live, sum(stock > 0) AS in_stock
        FROM products WHERE deleted_at IS NULL GROUP BY organization_id, schema_id, category ORDER BY 1, 2, 3";
    [kept, recount].map(|sql| diesel::sql_query(sql).load(&mut shop.storage.connection()).unwrap())
}

fn totals(shop: &Shop) -> [Vec<Count>; 2] {
    let kept = "SELECT organization_id, 0 AS schema_id, '' AS category, live, in_stock FROM organization_counts
        WHERE live > 0 ORDER BY organization_id";
    let recount = "SELECT organization_id, 0 AS schema_id, '' AS category, count(*) AS live, sum(stock > 0) AS in_stock
        FROM products WHERE deleted_at IS NULL GROUP BY organization_id ORDER BY 1";
    [kept, recount].map(|sql| diesel::sql_query(sql).load(&mut shop.storage.connection()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_what_a_recount_says_through_random_writes() {
    let mut shop = Shop::stocked(Adapter::Sqlite, 200).await;
    for round in 0..150 {
        let ids: Vec<_> = shop.all().await.iter().map(|product| product.id).collect();
        let (id, draft) = (shop.pick(&ids), shop.draft());
        match shop.pick(&[0, 1, 2, 3, 4, 5, 6]) {
            0 => drop(shop.create(vec![draft]).await),
            1 => shop.delete(id).await,
            2 => shop.update(id, draft).await,
            3 => shop.update(id, ProductDraft { stock: draft.stock, ..ProductDraft::default() }).await,
            // As another program may do it.
            4 => shop.storage.outsider(&format!("DELETE FROM products WHERE id = {id}")),
            5 => shop.storage.outsider(
                "UPDATE products SET deleted_at = NULL WHERE deleted_at = (SELECT max(deleted_at) FROM products)",
            ),
            _ => shop
                .storage
                .outsider(&format!("UPDATE products SET schema_id = 2, organization_id = 2 WHERE id = {id}")),
        }
        let [kept, recount] = counters(&shop);
        assert_eq!(kept, recount, "round {round}");
        let [kept, recount] = totals(&shop);
        assert_eq!(kept, recount, "round {round}");
    }
}

pub(crate) async fn the_report_adds_up(adapter: Adapter) {
    let shop = Shop::stocked(adapter, 700).await;
    let report = shop.products.analytics().await.unwrap();
    let mut groups: BTreeMap<(i64, String), Vec<Product>> = BTreeMap::new();
    for product in shop.all().await {
        groups.entry((product.organization_id.get(), product.category.clone())).or_default().push(product);
    }
    assert_eq!(report.total, groups.values().map(Vec::len).sum::<usize>() as i64);
    assert_eq!(report.categories.len(), groups.len());
    let in_stock = |products: &[&Product]| products.iter().filter(|product| product.stock > 0).count() as i64;
    let range = |products: &[&Product]| -> (Price, Price) {
        let prices = || products.iter().map(|product| product.price);
        (prices().min().unwrap(), prices().max().unwrap())
    };
    for (category, ((organization, name), products)) in report.categories.iter().zip(&groups) {
        let products: Vec<_> = products.iter().collect();
        assert_eq!((category.organization_id.get(), &category.category), (*organization, name));
        assert_eq!((category.products, category.in_stock), (products.len() as i64, in_stock(&products)));
        assert_eq!((category.min_price, category.max_price), range(&products));
    }
    assert_eq!(report.organizations.iter().map(|part| part.organization_id.get()).collect::<Vec<_>>(), [1, 2, 3]);
    for part in &report.organizations {
        let of_it = groups.iter().filter(|((organization, _), _)| *organization == part.organization_id.get());
        let products: Vec<_> = of_it.flat_map(|(_, products)| products).collect();
        assert_eq!((part.products, part.in_stock), (products.len() as i64, in_stock(&products)));
        assert_eq!((part.min_price, part.max_price), range(&products));
    }
    let json = serde_json::to_value(&report.categories[0]).unwrap();
    let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["category", "in_stock", "max_price", "min_price", "organization_id", "products"]);
}

pub(crate) async fn an_empty_catalogue_has_an_empty_report(adapter: Adapter) {
    let report = Shop::new(adapter).await.products.analytics().await.unwrap();
    assert_eq!((report.total, report.organizations.len(), report.categories.len()), (0, 0, 0));
}

/// The first version's database has rows and neither counters nor an index of words.
#[tokio::test]
async fn the_products_of_an_older_database_are_counted_and_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("products.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute(include_str!("../../migrations/sqlite/00000000000001_catalogue/up.sql")).unwrap();
    connection
        .batch_execute(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
                 run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
             INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000001');
             INSERT INTO products VALUES (1, 'Blue cup', '', 100, 3, 'Cups', 1, 1, 1, 0, 0, NULL),
                 (2, 'Gone cup', '', 100, 3, 'Cups', 1, 1, 2, 0, 0, 5), (3, 'Plate', '', 200, 0, 'Plates', 1, 1, 1, 0, 0, NULL);",
        )
        .unwrap();
    drop(connection);
    let products = open(&path).await;
    let page = products.page(PageRequest { limit: 10, ..PageRequest::default() }).await.unwrap();
    assert_eq!((page.total, page.products.len()), (2, 2));
    let cups = Filter { search: searched("cup"), ..Filter::default() };
    assert_eq!(products.count(cups).await.unwrap(), 1);
    let out_of_stock = Filter { in_stock: Some(false), ..Filter::default() };
    assert_eq!(products.count(out_of_stock).await.unwrap(), 1);
}

pub(crate) async fn totals_stay_after_reopening(adapter: Adapter) {
    let mut shop = Shop::stocked(adapter, 100).await;
    let count = shop.random.random_range(1..50);
    let drafts = (0..count).map(|_| shop.draft()).collect();
    shop.create(drafts).await;
    let before = shop.products.count(Filter::default()).await.unwrap();
    let shop = shop.reopened().await;
    assert_eq!(shop.products.count(Filter::default()).await.unwrap(), before);
    assert_eq!(shop.all().await.len() as i64, before);
}

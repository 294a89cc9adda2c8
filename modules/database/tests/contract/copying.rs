//! A database is copied into another of either kind, and goes on there.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::prelude::*;
use hotshelf_cache::Fencing;
use hotshelf_domain::{Actor, Email, Filter, Home, NewUser, OrganizationId, Role, StoreError};
use hotshelf_testkit::PostgresServer;

use crate::adapter::{Adapter, Storage};
use crate::shop::{Shop, searched};
use crate::world::{World, details};

const BOTH_WAYS: [(Adapter, Adapter); 4] = [
    (Adapter::Sqlite, Adapter::Postgres),
    (Adapter::Postgres, Adapter::Sqlite),
    (Adapter::Sqlite, Adapter::Sqlite),
    (Adapter::Postgres, Adapter::Postgres),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_everything_and_goes_on() {
    for (from, to) in BOTH_WAYS {
        let shop = Shop::stocked(from, 1_500).await;
        let product = shop.all().await[0].clone();
        let patch = details(r#"{"images":[{"url":"https://a.example/1.png"},{"url":"https://a.example/2.png"}]}"#);
        let put =
            shop.products.put_details(product.id, patch, hotshelf_domain::Expect::Anything, None, Fencing::Fenced);
        put.await.unwrap();
        let email: Email = "a@b.example".parse().unwrap();
        let user = NewUser {
            email: email.clone(),
            password_hash: Some("hash".to_owned()),
            home: Home::In(OrganizationId::BUILT_IN),
            role: Role::Admin,
            verified: true,
        };
        let user = shop.products.add_user(user, None, Actor::default(), Fencing::Fenced).await.unwrap().value;

        let target = to.storage();
        let copy = target.open().await;
        let copied = shop.products.copy_into(&copy).await.unwrap();
        let rows = |table: &str| copied.iter().find(|copied| copied.table == table).unwrap().rows;
        assert_eq!((rows("products"), rows("organizations"), rows("users")), (1_500, 4, 1), "{from:?} to {to:?}");

        let world = World::on(copy.clone());
        assert_eq!(copy.find(product.id).await.unwrap(), shop.products.find(product.id).await.unwrap());
        assert_eq!(world.details(product.id).await, shop.products.details(product.id).await.unwrap().unwrap());
        assert_eq!(copy.credentials(email).await.unwrap(), Some((user, Some("hash".to_owned()))));
        let (here, there) = (shop.products.analytics().await.unwrap(), copy.analytics().await.unwrap());
        let parts = |report: &hotshelf_domain::CatalogueReport| {
            (report.total, serde_json::to_string(&(&report.organizations, &report.categories)).unwrap())
        };
        assert_eq!(parts(&there), parts(&here));
        let red = Filter { search: searched("red"), ..Filter::default() };
        assert_eq!(copy.count(red.clone()).await.unwrap(), shop.products.count(red).await.unwrap());
        assert_ne!(copy.history(), shop.products.history());
        let next = world.create(r#"{"name":"Next","price":1,"images":[{"url":"https://a.example/3.png"}]}"#).await;
        let next = next.unwrap().id;
        assert_eq!((next.get(), world.details(next).await.images[0].id.get()), (1_501, 3));

        let refused = shop.products.copy_into(&copy).await.unwrap_err();
        assert!(matches!(&refused, StoreError::NotCommitted(why) if why.contains("is not empty")), "{refused}");
        assert_eq!(copy.find(next).await.unwrap().unwrap().name, "Next", "a refused copy changes nothing");
        copy.close(Duration::from_secs(10)).await.unwrap();
    }
}

/// What is not copied: it follows from the rest, or belongs to one database.
const OWN: [&str; 14] = [
    "copy_epoch",
    "database_history",
    "group_writers",
    "instances",
    "hotshelf_migrations",
    "hotshelf_migration_lock",
    "organization_counts",
    "product_counts",
    "product_search",
    "redis_seal",
    "search_pending",
    "sqlite_sequence",
    "write_probe",
    "__diesel_schema_migrations",
];

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

/// A migration that adds a table or a column has to say what a copy does with it, and has to add it to both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (Adapter::Sqlite.storage(), Adapter::Postgres.storage());
    drop((sqlite.open().await, postgres.open().await));
    let own = |column: &String| {
        !OWN.iter().any(|table| column.starts_with(&format!("{table}.")) || column.contains("product_search_"))
    };
    let of_sqlite = "SELECT t.name || '.' || c.name AS name FROM sqlite_schema t, pragma_table_info(t.name) c \
                     WHERE t.type = 'table'";
    let of_sqlite: Vec<Column> = diesel::sql_query(of_sqlite).load(&mut sqlite.connection()).unwrap();
    let of_sqlite: BTreeSet<String> = of_sqlite.into_iter().map(|column| column.name).filter(own).collect();
    let Storage::Postgres(database) = &postgres else { panic!("a database") };
    let of_postgres = "SELECT table_name || '.' || column_name FROM information_schema.columns \
                       WHERE table_schema = 'public'";
    let of_postgres = PostgresServer::shared().ask(database, of_postgres);
    let of_postgres: BTreeSet<String> = of_postgres.lines().map(str::to_owned).filter(own).collect();
    assert_eq!(of_sqlite, of_postgres);
    assert!(of_sqlite.contains("products.name_key"));
    let copied: BTreeSet<String> = hotshelf_database::copied_columns().collect();
    assert_eq!(copied, of_sqlite);
}

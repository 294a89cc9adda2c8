//! How PostgreSQL goes about a page: never through the whole table, and never sorting more than a small set. The plans
//! are those that the server has run and logged (`auto_explain`), with the parameters of the service.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml allows them in test functions, but not in their helpers"
)]

use std::time::Duration;

use hotshelf_cache::Fencing;
use hotshelf_database::{Database, DatabaseOptions, Location};
use hotshelf_domain::{
    Actor, Filter, NewProduct, Order, OrderBy, OrganizationDraft, OrganizationId, PageRequest, PageStart, Price,
    ProductDraft, ProductId, ProductScope, SchemaId, Search,
};
use hotshelf_stats::Registry;
use hotshelf_testkit::PostgresServer;

/// In each organization more than is ever sorted, and so many that to read all of them costs more than an index.
const PRODUCTS: i64 = 24_000;
const COLUMNS: [OrderBy; 5] = [OrderBy::Name, OrderBy::Price, OrderBy::Stock, OrderBy::CreatedAt, OrderBy::UpdatedAt];

struct Planner {
    server: PostgresServer,
    database: Database,
}

impl Planner {
    async fn new() -> Self {
        let server = PostgresServer::start_with(&[
            "session_preload_libraries=auto_explain",
            "auto_explain.log_min_duration=0",
            "auto_explain.log_level=log",
            "jit=off",
        ]);
        let name = server.database();
        let options = DatabaseOptions::from(Location::Server(server.url(&name).parse().unwrap()));
        let database = Database::open(options, &Registry::new().unwrap()).await.expect("opened");
        let two = OrganizationDraft { name: Some("Two".to_owned()), ..OrganizationDraft::default() };
        database.create_organization(two.into_new().unwrap(), Actor::default()).await.expect("created");
        let products: Vec<NewProduct> = (0..PRODUCTS).map(product).collect();
        for batch in products.chunks(4_000) {
            database.create_many(batch.to_vec(), true, Fencing::Fenced).await.expect("created");
        }
        server.run(&name, "VACUUM ANALYZE");
        Planner { server, database }
    }

    /// The nodes of the plans of all statements on products that run meanwhile.
    async fn nodes(&self, work: impl AsyncFnOnce(&Database)) -> Vec<String> {
        let before = self.server.log().len();
        work(&self.database).await;
        let log = self.server.log();
        let mut nodes = Vec::new();
        for plan in log[before..].split("Query Text: ").skip(1) {
            let lines = plan.lines().take_while(|line| line.starts_with('\t') || line.starts_with("SELECT"));
            let lines: Vec<&str> = lines.map(str::trim).collect();
            if ["FROM products", "FROM product_search", "JOIN products"].iter().any(|from| plan.contains(from)) {
                nodes.extend(lines.iter().filter(|line| line.contains("(cost=")).map(|line| (*line).to_owned()));
            }
        }
        nodes
    }

    /// The first page, the one after it, and one by offset.
    async fn pages(&self, filter: &Filter, by: OrderBy, descending: bool) -> Vec<String> {
        let order = Order { by, descending };
        let request = |start| PageRequest { filter: filter.clone(), order, start, limit: 20 };
        self.nodes(async |database| {
            let first = database.page_ids(request(PageStart::Offset(0))).await.unwrap();
            let after = PageStart::After { place: first.next.unwrap(), position: 20 };
            database.page_ids(request(after)).await.unwrap();
            database.page_ids(request(PageStart::Offset(100))).await.unwrap();
        })
        .await
    }
}

fn product(number: i64) -> NewProduct {
    let text = |text: &str| Some(text.to_owned());
    let draft = ProductDraft {
        organization_id: Some(1 + number % 2),
        name: Some(format!("Name {}", number % 999)),
        description: text(if number % 100 == 0 { "rare" } else { "common" }),
        price: Some(format!("{}", 1 + number % 997)),
        stock: Some(number % 10),
        category: if number % 500 == 0 { text("Few") } else { Some(format!("C{}", number % 4)) },
        ..ProductDraft::default()
    };
    draft.into_new().unwrap()
}

fn one() -> Option<OrganizationId> {
    Some(OrganizationId::BUILT_IN)
}

fn category(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn search(text: &str) -> Option<Search> {
    Search::parse(text).unwrap()
}

/// From so many on, to so many.
fn prices(min: &str, max: &str) -> Filter {
    Filter { min_price: min.parse::<Price>().ok(), max_price: max.parse::<Price>().ok(), ..Filter::default() }
}

#[track_caller]
fn assert_sought(nodes: &[String], what: &str) {
    assert!(!nodes.is_empty(), "{what}: no plan");
    assert!(!nodes.iter().any(|node| node.contains("Seq Scan on product")), "{what}: {nodes:#?}");
}

#[track_caller]
fn assert_unsorted(nodes: &[String], what: &str) {
    assert!(!nodes.iter().any(|node| node.contains("Sort")), "{what}: {nodes:#?}");
}

#[track_caller]
fn assert_along(nodes: &[String], index: &str, what: &str) {
    assert!(nodes.iter().any(|node| node.contains(&format!(" {index} "))), "{what}, {index}: {nodes:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_read_along_indexes() {
    let planner = Planner::new().await;
    pages_in_the_order_of_a_column(&planner).await;
    pages_by_id(&planner).await;
    small_subsets(&planner).await;
    searches(&planner).await;
    counts_and_ids(&planner).await;
    planner.database.close(Duration::from_secs(5)).await.unwrap();
}

async fn pages_in_the_order_of_a_column(planner: &Planner) {
    let in_category = Filter { organization: one(), category: category("C2"), ..Filter::default() };
    let in_stock = Filter { organization: one(), in_stock: Some(true), ..Filter::default() };
    let filters = [Filter::default(), Filter::of_organization(OrganizationId::BUILT_IN), in_category, in_stock];
    for filter in filters.iter().chain([&prices("10", "900")]) {
        for by in COLUMNS {
            for descending in [false, true] {
                let what = format!("{filter:?} by {by:?}, descending: {descending}");
                let nodes = planner.pages(filter, by, descending).await;
                assert_sought(&nodes, &what);
                assert_unsorted(&nodes, &what);
            }
        }
    }
}

async fn pages_by_id(planner: &Planner) {
    let filters = [
        (Filter::default(), "products_live"),
        (Filter::of_organization(OrganizationId::BUILT_IN), "products_of_organization"),
        (Filter::of_schema(SchemaId::BUILT_IN), "products_of_schema"),
        (Filter { category: category("C1"), ..Filter::default() }, "products_of_category"),
    ];
    for (filter, index) in filters {
        for descending in [false, true] {
            let nodes = planner.pages(&filter, OrderBy::Id, descending).await;
            assert_sought(&nodes, index);
            assert_unsorted(&nodes, index);
        }
    }
}

async fn small_subsets(planner: &Planner) {
    let small = [
        (Filter { search: search("rare"), ..Filter::default() }, "products_live"),
        (prices("10", "30"), "products_by_price"),
        (
            Filter { organization: one(), category: category("Few"), ..Filter::default() },
            "products_of_category_by_price",
        ),
        (Filter { organization: one(), in_stock: Some(false), ..prices("10", "12") }, "products_by_price"),
    ];
    for (filter, index) in small {
        let by = if filter.has_price() { OrderBy::Name } else { OrderBy::Price };
        let what = format!("{filter:?}");
        let nodes = planner.pages(&filter, by, true).await;
        assert_sought(&nodes, &what);
        assert_along(&nodes, index, &what);
    }
}

async fn searches(planner: &Planner) {
    let common = Filter { search: search("common"), ..Filter::default() };
    let in_stock = Filter { in_stock: Some(true), organization: one(), ..common.clone() };
    let rare = Filter { search: search("rare"), ..Filter::default() };
    for by in [OrderBy::Id, OrderBy::Relevance, OrderBy::Name] {
        for filter in [&common, &in_stock, &rare] {
            let what = format!("{filter:?} by {by:?}");
            assert_sought(&planner.pages(filter, by, false).await, &what);
        }
    }
    let nodes = planner.pages(&rare, OrderBy::Id, false).await;
    assert_along(&nodes, "product_search_words", "rare");
}

async fn counts_and_ids(planner: &Planner) {
    let filter = Filter { organization: one(), ..prices("10", "100") };
    let counted = planner.nodes(async |database| assert!(database.count(filter).await.unwrap() > 0)).await;
    assert_sought(&counted, "count");
    assert_along(&counted, "products_by_price", "count");
    let members = ProductScope::Schema(SchemaId::BUILT_IN);
    let nodes = planner
        .nodes(async |database| {
            assert_eq!(database.ids(members, ProductId::new(100), 50).await.unwrap().len(), 50);
        })
        .await;
    assert_sought(&nodes, "ids");
    assert_unsorted(&nodes, "ids");
}

//! How the database goes about a page: never through everything, and never sorting more than a small set.

use std::sync::{Arc, Mutex};

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::{Order, OrganizationId, Price, SchemaId, Search};
use tempfile::TempDir;

use super::*;
use crate::sqlite::connect::connect;
use crate::sqlite::identity::opened;
use crate::sqlite::reader::Reader;
use crate::sqlite::search_index::catch_up;

/// More in each organization than is ever sorted.
const PRODUCTS: &str = "INSERT INTO organizations (id, name, created_at) VALUES (2, 'Two', 0);
    INSERT INTO schemas VALUES (2, 1, 'Cup', '[]', 1);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
    INSERT INTO products SELECT NULL, 'Name ' || (i % 999), CASE i % 100 WHEN 0 THEN 'rare' ELSE 'common' END,
        1 + i % 997, i % 10, CASE i % 50 WHEN 0 THEN 'Few' ELSE 'C' || (i % 4) END, 1 + i % 2, 1 + (i % 2 = 0 AND i % 5 = 0), 1, i, i, NULL, x'' FROM n;";

struct Planner {
    _directory: TempDir,
    writer: SqliteConnection,
    reader: Reader,
}

impl Planner {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plans.db");
        let url = path.to_str().unwrap();
        opened(&path);
        let mut writer = connect(url).unwrap();
        writer.batch_execute(PRODUCTS).unwrap();
        writer.transaction(catch_up).unwrap();
        Planner { _directory: directory, writer, reader: Reader::open(url).unwrap() }
    }

    /// The steps of all statements on products that `read` runs.
    fn steps<T>(&self, read: impl FnOnce(&dyn ListReader) -> Result<T, SqlError>) -> (T, Vec<String>) {
        self.reader.seen.take();
        let answer = read(&self.reader).unwrap();
        let statements = self.reader.seen.take();
        (answer, self.plans(&statements))
    }

    fn plans(&self, statements: &[String]) -> Vec<String> {
        let statements = statements.iter().filter(|text| text.contains("products") || text.contains("product_search"));
        statements.flat_map(|statement| self.reader.plan(statement)).collect()
    }

    /// The first page, the one after it, and one by offset.
    fn pages(&self, filter: &Filter, by: OrderBy, descending: bool) -> Vec<String> {
        let order = Order { by, descending };
        let request = |start| PageRequest { filter: filter.clone(), order, start, limit: 20 };
        let (first, mut steps) = self.steps(|conn| page_ids(conn, &request(PageStart::Offset(0))));
        let after = PageStart::After { place: first.next.unwrap(), position: 20 };
        steps.extend(self.steps(|conn| page_ids(conn, &request(after))).1);
        steps.extend(self.steps(|conn| page_ids(conn, &request(PageStart::Offset(100)))).1);
        steps
    }
}

const COLUMNS: [OrderBy; 5] = [OrderBy::Name, OrderBy::Price, OrderBy::Stock, OrderBy::CreatedAt, OrderBy::UpdatedAt];

fn one() -> Option<OrganizationId> {
    Some(OrganizationId::BUILT_IN)
}

fn category(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn search(text: &str) -> Option<Search> {
    Search::parse(text).unwrap()
}

/// From so many units on, to so many.
fn prices(min: i64, max: i64) -> Filter {
    let price = |units| Price::from_minor_units(units).ok();
    Filter { min_price: price(min), max_price: price(max), ..Filter::default() }
}

fn assert_sought(steps: &[String], what: &str) {
    assert!(!steps.is_empty(), "{what}");
    for step in steps {
        // Read in its order up to the limit, this one is no full scan.
        let live = step.starts_with("SCAN p USING COVERING INDEX products_live");
        let found = step.starts_with("SCAN s VIRTUAL TABLE INDEX") || step.starts_with("SCAN product_search VIRTUAL");
        assert!(live || found || !step.starts_with("SCAN p"), "{what}: {steps:#?}");
    }
}

fn assert_unsorted(steps: &[String], what: &str) {
    assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{what}: {steps:#?}");
}

#[test]
fn pages_in_the_order_of_a_column_follow_its_index() {
    let planner = Planner::new();
    let in_category = Filter { organization: one(), category: category("C2"), ..Filter::default() };
    let in_stock = Filter { organization: one(), in_stock: Some(true), ..Filter::default() };
    let filters = [Filter::default(), Filter::of_organization(OrganizationId::BUILT_IN), in_category, in_stock];
    for filter in filters.iter().chain([&prices(10, 900)]) {
        for by in COLUMNS {
            for descending in [false, true] {
                let what = format!("{filter:?} by {by:?}");
                let steps = planner.pages(filter, by, descending);
                assert_sought(&steps, &what);
                assert_unsorted(&steps, &what);
            }
        }
    }
}

#[test]
fn a_cursor_is_sought_by_key_and_id() {
    let planner = Planner::new();
    let filter = Filter::of_organization(OrganizationId::BUILT_IN);
    let steps = planner.pages(&filter, OrderBy::Name, false);
    for part in ["(organization_id=? AND name_key=? AND id>?)", "(organization_id=? AND name_key>?)"] {
        let step = format!("SEARCH p USING COVERING INDEX products_by_name {part}");
        assert!(steps.contains(&step), "{steps:#?}");
    }
    let steps = planner.pages(&filter, OrderBy::Price, true);
    for part in ["(organization_id=? AND price=? AND id>?)", "(organization_id=? AND price<?)"] {
        let step = format!("SEARCH p USING COVERING INDEX products_by_price {part}");
        assert!(steps.contains(&step), "{steps:#?}");
    }
    let in_category = Filter { organization: one(), category: category("C2"), ..prices(10, 900) };
    let steps = planner.pages(&in_category, OrderBy::Price, false);
    let range = "SEARCH p USING COVERING INDEX products_of_category_by_price (organization_id=? AND category=? AND price>? AND price<?)";
    assert!(steps.iter().any(|step| step == range), "{steps:#?}");
    let bounded = Filter { organization: one(), ..prices(10, 900) };
    let steps = planner.pages(&bounded, OrderBy::Price, true);
    let both = "SEARCH p USING COVERING INDEX products_by_price (organization_id=? AND price>? AND price<?)";
    assert!(steps.iter().any(|step| step == both), "{steps:#?}");
}

#[test]
fn pages_by_id_follow_the_index_of_the_members() {
    let planner = Planner::new();
    let filters = [
        (Filter::default(), "products_live"),
        (Filter::of_organization(OrganizationId::BUILT_IN), "products_of_organization"),
        (Filter::of_schema(SchemaId::BUILT_IN), "products_of_schema"),
        (Filter { category: category("C1"), ..Filter::default() }, "products_of_category"),
    ];
    for (filter, index) in filters {
        for descending in [false, true] {
            let steps = planner.pages(&filter, OrderBy::Id, descending);
            assert_sought(&steps, index);
            assert_unsorted(&steps, index);
            assert!(steps.iter().all(|step| step.contains(index)), "{steps:#?}");
        }
    }
}

#[test]
fn small_subsets_are_sorted_and_nothing_else_is_read() {
    let planner = Planner::new();
    let small = [
        (Filter { search: search("rare"), ..Filter::default() }, "SEARCH p USING INTEGER PRIMARY KEY"),
        (prices(10, 30), "products_by_price (organization_id=? AND price>? AND price<?)"),
        (Filter { organization: one(), category: category("Few"), ..Filter::default() }, "products_of_category"),
        (Filter { schema: SchemaId::new(2), ..Filter::default() }, "products_of_schema (schema_id=?)"),
        (Filter { organization: one(), in_stock: Some(false), ..Filter::default() }, "products_by_stock"),
    ];
    for (filter, index) in small {
        let by = if filter.has_price() { OrderBy::Name } else { OrderBy::Price };
        let steps = planner.pages(&filter, by, true);
        assert_sought(&steps, index);
        assert!(steps.iter().any(|step| step.contains(index)), "{index}: {steps:#?}");
    }
}

#[test]
fn searches_start_from_the_index_of_words() {
    let planner = Planner::new();
    let common = Filter { search: search("common"), ..Filter::default() };
    let in_stock = Filter { in_stock: Some(true), organization: one(), ..common.clone() };
    for filter in [common, in_stock] {
        let steps = planner.pages(&filter, OrderBy::Id, true);
        assert_sought(&steps, "by id");
        assert_unsorted(&steps, "by id");
        for by in [OrderBy::Relevance, OrderBy::Name] {
            assert_sought(&planner.pages(&filter, by, false), "common");
        }
        assert_sought(&planner.steps(|conn| count(conn, &filter)).1, "count");
    }
}

#[test]
fn counts_and_ids_read_an_index_alone() {
    let planner = Planner::new();
    let (_, steps) = planner.steps(|conn| count(conn, &Filter { organization: one(), ..prices(10, 500) }));
    let covering = "SEARCH p USING COVERING INDEX products_by_price (organization_id=? AND price>? AND price<?)";
    assert_eq!(steps, [covering]);
    let (ids, steps) =
        planner.steps(|conn| ids(conn, ProductScope::Schema(SchemaId::BUILT_IN), ProductId::new(100), 50));
    assert_eq!(ids.len(), 50);
    assert_eq!(steps, ["SEARCH p USING COVERING INDEX products_of_schema (schema_id=? AND id>?)"]);
    let (_, steps) = planner.steps(report);
    let covering = "SCAN products USING COVERING INDEX products_of_category_by_price";
    assert!(steps.iter().any(|step| step == covering), "{steps:#?}");
    assert_unsorted(&steps, "report");
}

#[test]
fn prices_within_a_category_are_counted_within_it() {
    let planner = Planner::new();
    let filter = Filter { organization: one(), category: category("C2"), ..prices(10, 900) };
    let range = "products_of_category_by_price (organization_id=? AND category=? AND price>? AND price<?)";
    let steps = planner.pages(&filter, OrderBy::Name, false);
    assert!(steps.iter().any(|step| step.contains(range)), "{steps:#?}");
    assert!(planner.steps(|conn| count(conn, &filter)).1.iter().all(|step| step.contains(range)));
}

/// Once for each commit.
#[test]
fn the_search_index_catches_up_by_what_is_pending() {
    let mut planner = Planner::new();
    planner.writer.batch_execute("UPDATE products SET name = 'Renamed' WHERE id = 7").unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    planner.writer.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            log.lock().unwrap().push(text.split(" -- binds").next().unwrap_or_default().to_owned());
        }
    });
    catch_up(&mut planner.writer).unwrap();
    let steps = planner.plans(&seen.lock().unwrap());
    let by_id = "SEARCH products USING INTEGER PRIMARY KEY (rowid=?)";
    assert!(steps.iter().any(|step| step == by_id), "{steps:#?}");
    assert!(!steps.iter().any(|step| step.starts_with("SCAN products")), "{steps:#?}");
}

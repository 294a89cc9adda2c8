//! A stop during the rebuild of products from an older version, which happens at the start, before the service answers
//! requests, and may take minutes.

use std::time::Duration;

use hotshelf_testkit::{PATIENCE, Service, wait_until};

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;

/// More products than are rebuilt while a process ends.
const MANY: i64 = 120_000;
/// A few products, for a short rebuild.
const FEW: i64 = 1_000;
/// One second for the batch in progress, and time for a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A stopped service. Its database is in the state after the migration, with this many products and a deleted one.
async fn with_unbuilt(products: i64) -> Service {
    let mut service = hotshelf().backend("none").start().await;
    assert!(service.terminate().await.success());
    ExternalWriter::on_database_of(&service).run(&format!(
        "BEGIN; WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= {products})
         INSERT INTO products SELECT NULL, 'Größe ' || (i % 100), 'Τσάι', 100, 1, 'C' || (i % 3), 1, 1, 1, i, i,
             CASE i WHEN 7 THEN i END, x'' FROM n;
         DELETE FROM search_pending; DROP INDEX products_by_name;
         CREATE TABLE product_rebuild
             (singleton INTEGER PRIMARY KEY, last_id INTEGER NOT NULL, done INTEGER NOT NULL) STRICT;
         INSERT INTO product_rebuild VALUES (1, 0, 0); COMMIT"
    ));
    service
}

/// The number of rebuilt products, as the rebuild has noted it.
fn done(file: &mut ExternalWriter) -> i64 {
    file.number("SELECT done AS number FROM product_rebuild")
}

fn indexed(file: &mut ExternalWriter) -> i64 {
    file.number("SELECT count(*) AS number FROM product_search_docsize")
}

/// Sends the signal, and checks that the process ends soon and with success.
async fn stops(service: &mut Service, signal: &str) {
    service.signal(signal);
    let status = service.exit(SOON).await;
    let log = service.log();
    assert_eq!(status.code(), Some(0), "{log}");
    let complains = |line: &str| line.contains("ERROR") || line.starts_with("hotshelf: ");
    assert!(!log.lines().any(complains), "{log}");
}

/// Every product is found once, by its words and by its name.
async fn assert_complete(service: &Service, products: i64) {
    let mut file = ExternalWriter::on_database_of(service);
    let left = "SELECT count(*) AS number FROM sqlite_schema WHERE name = 'product_rebuild'";
    assert_eq!(file.number(left), 0, "the rebuild is complete");
    assert_eq!(indexed(&mut file), products);
    let found = service.get("/api/v1/products?organization_id=1&search=grosse&limit=1").await.expect(200).json();
    assert_eq!(found["total"], products);
    let unnamed = "SELECT count(*) AS number FROM products WHERE name_key = x'' AND deleted_at IS NULL";
    assert_eq!(file.number(unnamed), 0);
    let sought = "SELECT count(*) AS number FROM products INDEXED BY products_by_name
        WHERE organization_id > 0 AND deleted_at IS NULL";
    assert_eq!(file.number(sought), products);
    file.run("INSERT INTO product_search (product_search) VALUES ('integrity-check')");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_rebuild_continues_at_the_next_start() {
    let mut service = with_unbuilt(MANY).await;
    let mut file = ExternalWriter::on_database_of(&service);
    service.begin();
    wait_until("a batch is done", PATIENCE, async || done(&mut file) > 0).await;
    stops(&mut service, "TERM").await;
    let after = done(&mut file);
    assert!(after > 0 && after < MANY, "{after}");
    assert_eq!(indexed(&mut file), after, "a batch is stored completely or not at all");
    service.restart().await;
    assert_complete(&service, MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_waits_for_another_process_stops_too() {
    let mut service = with_unbuilt(FEW).await;
    let mut outsider = ExternalWriter::on_database_of(&service);
    outsider.hold_writes_up();
    service.begin();
    let waits = async || service.log().contains("waiting for another process");
    wait_until("the rebuild waits", PATIENCE, waits).await;
    stops(&mut service, "INT").await;
    assert_eq!((done(&mut outsider), indexed(&mut outsider)), (0, 0));
    outsider.let_write();
    service.restart().await;
    assert_complete(&service, FEW).await;
}

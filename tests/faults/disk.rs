//! A full disk, and a read-only disk: refused writes are not stored, acknowledged writes are, and the operator learns
//! which fault it is.

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};

use hotshelf_testkit::{Client, DiskFault, Fault, PATIENCE, Service, ServiceBuilder, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::database_trouble::{database, lines, wait_for};
use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::catalogue::{PRODUCTS, create, create_named, laptop, path, read, update};
use hotshelf_testkit::shapes::problem;

const FULL: &str = "database or disk is full";
const READ_ONLY: &str = "attempt to write a readonly database";
/// The bytes that SQLite writes to reserve space for the index of its log, one for each page. Then the disk is full.
const INDEX: u64 = 100;
const WRITES_FAIL: &str = "writes to the database fail";

async fn start(disk: &DiskFault) -> Service {
    disk.preload(hotshelf()).backend("none").start().await
}

async fn total(client: &Client) -> i64 {
    client.get(&format!("{PRODUCTS}?limit=1")).await.expect(200).json()["total"].as_i64().unwrap()
}

fn assert_sound(service: &Service) {
    let mut file = ExternalWriter::on_database_of(service);
    let unsound = "SELECT count(*) AS number FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
    assert_eq!(file.number(unsound), 0);
    file.run("INSERT INTO product_search (product_search) VALUES ('integrity-check')");
}

/// Every write is refused with the same sentence, reads are served, `/health` names the cause, and the log has it once.
async fn writes_are_refused(service: &Service, product: &Value, cause: &str) {
    let bulk = json!({"products": [laptop(), laptop()]});
    for _ in 0..10 {
        let writes = [
            service.post(PRODUCTS).json(&laptop()),
            service.put(&path(product)).json(&json!({"stock": 0})),
            service.delete(&path(product)),
            service.post(&format!("{PRODUCTS}/bulk")).json(&bulk),
            service.post(&format!("{PRODUCTS}/bulk-delete")).json(&json!({"ids": [product["id"]]})),
        ];
        for write in writes {
            let refused = problem(write.await, 503);
            assert_eq!(refused["detail"], "the database is unavailable, try again");
        }
        assert_eq!(read(service, product).await, *product, "reads are served");
        let said = database(service).await;
        assert_eq!(said, format!("unhealthy: writes fail ({cause}); reads are served"));
    }
    let health = service.get("/health").await.expect(503).json();
    assert_eq!(health["status"], "unhealthy");
    service.get("/health/ready").await.expect(200);
    assert_eq!(total(service).await, 1, "no refused product is stored");
    assert_eq!(lines(service, WRITES_FAIL), 1, "{}", service.log());
    assert_eq!(lines(service, "WARN hotshelf_"), 1, "no line per request: {}", service.log());
    assert_eq!(lines(service, "ERROR"), 0, "{}", service.log());
}

async fn it_is_told_and_over_by_itself(fault: Fault, cause: &str) {
    let disk = DiskFault::new();
    let mut service = start(&disk).await;
    let product = create(&service, &laptop()).await;
    let product = update(&service, &product, &json!({"stock": 3})).await;
    disk.begin(fault);
    writes_are_refused(&service, &product, cause).await;

    disk.end();
    // Without a request, the service notices by its own write.
    wait_for(&service, "healthy").await;
    assert_eq!(lines(&service, "the database is written again"), 1, "{}", service.log());
    let another = create(&service, &laptop()).await;
    for _ in 0..2 {
        assert_eq!(
            (read(&service, &product).await, read(&service, &another).await),
            (product.clone(), another.clone())
        );
        assert_eq!(total(&service).await, 2);
        // Kills the service and reads again.
        service.restart().await;
    }
    assert_sound(&service);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_until_it_has_space() {
    it_is_told_and_over_by_itself(Fault::FULL, FULL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_refuses_writes_until_it_is_writable() {
    it_is_told_and_over_by_itself(Fault::READ_ONLY, READ_ONLY).await;
}

/// The names of acknowledged and of refused products.
#[derive(Default)]
struct Told {
    stored: BTreeSet<String>,
    refused: BTreeSet<String>,
}

async fn create_until_told_to_stop(client: Client, writer: usize, told: Arc<Mutex<Told>>, stop: Arc<Mutex<bool>>) {
    for step in 0.. {
        if *stop.lock().unwrap() {
            return;
        }
        let name = format!("Cup {writer} {step}");
        let reply = client.post(PRODUCTS).json(&json!({"name": name, "price": 1})).await;
        let mut told = told.lock().unwrap();
        match reply.status {
            201 => told.stored.insert(name),
            503 => told.refused.insert(name),
            _ => panic!("{reply:?}"),
        };
    }
}

/// The names of all products.
async fn names(client: &Client) -> Vec<String> {
    let (mut names, mut offset) = (Vec::new(), 0);
    loop {
        let page = client.get(&format!("{PRODUCTS}?limit=100&offset={offset}")).await.expect(200).json();
        let products = page["products"].as_array().unwrap();
        if products.is_empty() {
            return names;
        }
        offset += products.len();
        names.extend(products.iter().map(|product| product["name"].as_str().unwrap().to_owned()));
    }
}

/// In each round, the disk becomes full at another write of the group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_share_a_commit_are_all_stored_or_none() {
    let disk = DiskFault::new();
    let mut service = start(&disk).await;
    let (told, stop) = (Arc::new(Mutex::new(Told::default())), Arc::new(Mutex::new(false)));
    let mut writers = JoinSet::new();
    for writer in 0..12 {
        writers.spawn(create_until_told_to_stop(service.client().clone(), writer, told.clone(), stop.clone()));
    }
    let count = || {
        let told = told.lock().unwrap();
        (told.stored.len(), told.refused.len())
    };
    for room in [0, 9_000, 20_000, 33_000, 100_000] {
        let before = count();
        disk.begin(Fault::FULL.after(room));
        wait_until("some writes are refused", PATIENCE, async || count().1 >= before.1 + 20).await;
        disk.end();
        wait_until("some writes are stored", PATIENCE, async || count().0 >= before.0 + 20).await;
    }
    *stop.lock().unwrap() = true;
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let acknowledged = told.lock().unwrap().stored.clone();
    for _ in 0..2 {
        let stored = names(&service).await;
        assert_eq!(stored.len(), acknowledged.len(), "each once");
        assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), acknowledged);
        // Kills the service and reads again.
        service.restart().await;
    }
    assert_sound(&service);
}

/// The largest text that a request can carry. Its pages exceed the page cache of a connection, so some are written
/// before the commit.
fn large_products() -> Value {
    let image = |number: usize| json!({"url": format!("https://shop.example/{number}/{}", "x".repeat(2_010))});
    let product = |number: usize| {
        let images: Vec<Value> = (0..4).map(image).collect();
        json!({"name": format!("{number}"), "price": 1, "images": images})
    };
    json!({"products": (0..1_000).map(product).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_during_a_bulk_create_stores_none_of_it() {
    let disk = DiskFault::new();
    let mut service = start(&disk).await;
    create_named(&service, "Cup").await;
    let (bulk, products) = (format!("{PRODUCTS}/bulk"), large_products());
    // The second time, only one write fails: the later products of the bulk could be written, but must not be.
    for fault in [Fault::FULL.after(30_000), Fault::FULL.after(30_000).once()] {
        disk.begin(fault);
        let refused = problem(service.post(&bulk).json(&products).await, 503);
        assert_eq!(refused["detail"], "the database is unavailable, try again");
        disk.end();
        assert_eq!(names(&service).await, ["Cup"]);
        assert_eq!(total(&service).await, 1);
    }
    service.post(&bulk).json(&products).await.expect(201);
    service.get("/health").await.expect(200);
    service.restart().await;
    assert_eq!(total(&service).await, 1_001);
    assert_sound(&service);
}

/// The stop of a service that cannot move its log into the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_on_a_full_disk_says_so_and_loses_nothing() {
    let disk = DiskFault::new();
    let mut service = start(&disk).await;
    let product = create(&service, &laptop()).await;
    disk.begin(Fault::FULL);
    let status = service.terminate().await;
    assert_eq!(status.code(), Some(1), "{}", service.log());
    let said = format!("hotshelf: module `database` failed to stop: the database failed: {FULL}");
    assert_eq!(lines(&service, &said), 1, "{}", service.log());
    disk.end();
    service.restart().await;
    assert_eq!(read(&service, &product).await, product);
    assert_sound(&service);
}

/// Checks that it fails, and returns its standard error, without lines about settings that have no effect.
fn failure(service: &ServiceBuilder, command: &[&str]) -> Vec<String> {
    let output = service.command(command, "a good password\n");
    complaints(output.status, &String::from_utf8(output.stderr).unwrap())
}

fn complaints(status: ExitStatus, said: &str) -> Vec<String> {
    assert_eq!(status.code(), Some(1), "{said}");
    said.lines().filter(|line| !line.contains("has no effect")).map(str::to_owned).collect()
}

/// A file with this many products to import.
fn products_to_import(directory: &TempDir, count: usize) -> String {
    let path = directory.path().join("products.csv");
    let mut csv = "name,description,price,stock,category\n".to_owned();
    for number in 0..count {
        csv.push_str(&format!("Cup {number},{},4.50,1,\n", "x".repeat(900)));
    }
    fs::write(&path, csv).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Commands that only read are refused too, because each of them writes to the database when it opens it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_commands_refuse_an_unwritable_disk_in_one_line() {
    let disk = DiskFault::new();
    let mut service = start(&disk).await;
    let product = create(&service, &laptop()).await;
    // The log is not in the database file yet.
    service.kill();
    let (database, files) = (disk.database(), tempfile::tempdir().unwrap());
    let (csv, out) = (products_to_import(&files, 1), files.path().join("out.jsonl"));
    let commands: [&[&str]; 4] = [
        &["import", &csv],
        &["export", out.to_str().unwrap()],
        &["seed", "--products", "1"],
        &["admin", "create", "--email", "a@b.example"],
    ];
    let cannot_open = format!("cannot open {}:", database.display());
    let refusals = [
        // This is SQLite's message for a failure at the index of its log.
        (Fault::FULL, format!("{cannot_open} disk I/O error (No space left on device (os error 28))")),
        (Fault::FULL.after(INDEX), format!("{cannot_open} the database failed: No space left on device (os error 28)")),
        (Fault::READ_ONLY, format!("cannot lock {}.lock: Read-only file system (os error 30)", database.display())),
        (Fault::READ_ONLY.of_the_file_alone(), format!("{cannot_open} the database failed: {READ_ONLY}")),
    ];
    let builder = disk.preload(hotshelf()).backend("none");
    for (fault, refusal) in refusals {
        let refusal = [format!("hotshelf: module `database` failed to init: {refusal}")];
        for command in commands {
            // Each has as much room.
            disk.begin(fault);
            assert_eq!(failure(&builder, command), refusal, "{command:?}");
        }
        disk.begin(fault);
        let Err(exit) = builder.clone().try_start().await else { panic!("started, with {fault:?}") };
        assert_eq!(complaints(exit.status, &exit.log), refusal);
        disk.end();
    }
    service.restart().await;
    assert_eq!(read(&service, &product).await, product);
    assert_eq!(total(&service).await, 1);
    assert_sound(&service);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_not_created_on_a_full_disk_is_created_later() {
    let disk = DiskFault::new();
    let builder = disk.preload(hotshelf()).backend("none");
    for room in [0, 5_000, 50_000, 100_000] {
        disk.begin(Fault::FULL.after(room));
        let said = failure(&builder, &["seed", "--products", "1"]);
        let [line] = &said[..] else { panic!("{said:?}") };
        let begin = format!("hotshelf: module `database` failed to init: cannot open {}: ", disk.database().display());
        assert!(line.starts_with(&begin) && line.contains("No space left on device"), "{line}");
        disk.end();
    }
    let service = builder.start().await;
    create(&service, &laptop()).await;
    assert_sound(&service);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_onto_a_full_disk_stores_whole_batches_or_nothing() {
    let disk = DiskFault::new();
    let mut service = start(&disk).await;
    assert!(service.terminate().await.success());
    let (builder, files) = (disk.preload(hotshelf()).backend("none"), tempfile::tempdir().unwrap());
    let csv = products_to_import(&files, 7_000);
    let cause = format!("the database failed: {FULL}");
    let nothing = format!("hotshelf: the products could not be stored: {cause}");
    let some = format!("hotshelf: 4000 products were imported from {csv}, then no more could be stored: {cause}");
    for (arguments, said, kept) in [(&["import", "--strict", &csv][..], nothing, 0), (&["import", &csv], some, 4_000)] {
        // Less than one transaction with all products needs, and more than one of 4,000.
        disk.begin(Fault::FULL.after(7_000_000));
        assert_eq!(failure(&builder, arguments).last(), Some(&said));
        disk.end();
        service.restart().await;
        assert_eq!(total(&service).await, kept);
        assert_sound(&service);
        assert!(service.terminate().await.success());
    }
}

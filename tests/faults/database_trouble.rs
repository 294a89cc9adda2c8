//! A database that cannot be written, or has unreadable pages: `/health` agrees with the results of requests, and the
//! log has one line.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use hotshelf_testkit::{Client, PATIENCE, Service, wait_until};

use crate::hotshelf;
use hotshelf_testkit::ExternalWriter;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path, read};
use hotshelf_testkit::shapes::problem;

/// The status and the sentence of the database in `/health`.
pub(crate) async fn database(client: &Client) -> String {
    let health = client.get("/health").await.json();
    let database = &health["modules"]["database"];
    format!("{}: {}", database["status"].as_str().unwrap(), database["message"].as_str().unwrap())
}

pub(crate) async fn wait_for(service: &Service, beginning: &str) {
    let what = format!("the database says {beginning:?}");
    wait_until(&what, PATIENCE, async || database(service).await.starts_with(beginning)).await;
}

pub(crate) fn lines(service: &Service, message: &str) -> usize {
    service.log().lines().filter(|line| line.contains(message)).count()
}

/// Runs a service for which a file over the size limit is an error, as on a failing disk, and not a fatal signal.
struct Limited {
    service: Service,
    _directory: tempfile::TempDir,
}

impl Limited {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let wrapper = directory.path().join("hotshelf");
        fs::write(&wrapper, format!("#!/bin/sh\ntrap '' XFSZ\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_hotshelf")))
            .unwrap();
        fs::set_permissions(&wrapper, Permissions::from_mode(0o755)).unwrap();
        let service = Service::builder(&wrapper).backend("none").start().await;
        Limited { service, _directory: directory }
    }

    /// From now on no file of the service can grow past this size.
    fn limit(&self, bytes: &str) {
        let pid = self.service.pid().to_string();
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().unwrap();
        assert!(set.success(), "prlimit: {set}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_writes_are_reported_and_reads_continue() {
    let limited = Limited::start().await;
    let service = &limited.service;
    let product = create(service, &laptop()).await;
    limited.limit("4096");

    for _ in 0..20 {
        let refused = service.post(PRODUCTS).json(&laptop()).await;
        let detail = problem(refused, 503)["detail"].as_str().unwrap().to_owned();
        assert!(detail == "the database is unavailable, try again", "{detail}");
        service.delete(&path(&product)).await.expect(503);
    }
    assert_eq!(read(service, &product).await, product, "reads are served");
    service.get("/health/ready").await.expect(200);
    let health = service.get("/health").await.expect(503).json();
    assert_eq!(health["status"], "unhealthy");
    let said = database(service).await;
    assert_eq!(said, "unhealthy: writes fail (disk I/O error); reads are served");
    assert_eq!(lines(service, "writes to the database fail"), 1, "{}", service.log());
    assert_eq!(lines(service, "WARN hotshelf_"), 1, "nothing for each request: {}", service.log());

    limited.limit("unlimited");
    // Without a request, the service notices by its own write.
    wait_for(service, "healthy").await;
    assert_eq!(lines(service, "the database is written again"), 1, "{}", service.log());
    create(service, &laptop()).await;
    service.get("/health").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_is_noticed_without_a_write() {
    let limited = Limited::start().await;
    let product = create(&limited.service, &laptop()).await;
    limited.limit("4096");
    wait_for(&limited.service, "unhealthy: writes fail (disk I/O error)").await;
    read(&limited.service, &product).await;
    limited.limit("unlimited");
    wait_for(&limited.service, "healthy").await;
    let log = limited.service.log();
    assert_eq!(
        (lines(&limited.service, "writes to the database fail"), lines(&limited.service, "is written again")),
        (1, 1),
        "{log}"
    );
}

/// The database is intact, but another program holds a write transaction open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_foreign_transaction_is_reported() {
    let service = hotshelf().backend("none").start().await;
    let product = create(&service, &laptop()).await;
    let mut outsider = ExternalWriter::on_database_of(&service);
    outsider.hold_writes_up();
    service.post(PRODUCTS).json(&laptop()).await.expect(503);
    wait_for(&service, "unhealthy: writes fail").await;
    read(&service, &product).await;
    service.get("/health/ready").await.expect(200);
    outsider.let_write();
    wait_for(&service, "healthy").await;
    create(&service, &laptop()).await;
}

/// The offset and the length of a page.
fn page(database: &std::path::Path, number: u64, size: usize) -> (u64, Vec<u8>) {
    let (mut file, begin) = (File::open(database).unwrap(), (number - 1) * size as u64);
    let mut bytes = vec![0; size];
    file.seek(SeekFrom::Start(begin)).unwrap();
    file.read_exact(&mut bytes).unwrap();
    (begin, bytes)
}

fn overwrite(database: &std::path::Path, begin: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(database).unwrap();
    file.seek(SeekFrom::Start(begin)).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_page_is_reported_and_other_reads_succeed() {
    let mut service = hotshelf().backend("none").start().await;
    let product = create(&service, &laptop()).await;
    let size = 4096;
    let number = ExternalWriter::on_database_of(&service)
        .number("SELECT rootpage AS number FROM sqlite_master WHERE name = 'products'");
    assert_eq!(
        ExternalWriter::on_database_of(&service).number("SELECT page_size AS number FROM pragma_page_size"),
        size as i64
    );
    // Moves the log into the file.
    assert!(service.terminate().await.success());
    service.restart().await;
    let (begin, good) = page(&service.database(), number as u64, size);
    overwrite(&service.database(), begin, &vec![0xa5; size]);

    for _ in 0..10 {
        problem(service.get(&path(&product)).await, 503);
    }
    let said = database(&service).await;
    assert_eq!(said, "degraded: some reads fail (database disk image is malformed)");
    service.get("/health/ready").await.expect(200);
    service.get("/api/v1/organizations").await.expect(200);
    assert_eq!(lines(&service, "reads of the database fail"), 1, "{}", service.log());
    problem(service.get(&path(&product)).await, 503);
    service.post(PRODUCTS).json(&laptop()).await.expect(503);
    let said = database(&service).await;
    let both = "unhealthy: writes fail (database disk image is malformed), and some reads do (database disk image is malformed)";
    assert_eq!(said, both);
    // The malformed page of one product does not flood the log while other reads succeed.
    for _ in 0..60 {
        service.get("/api/v1/organizations").await.expect(200);
        problem(service.get(&path(&product)).await, 503);
    }
    assert!(database(&service).await.contains("reads"), "{}", database(&service).await);
    assert!(lines(&service, "reads of the database fail") <= 12, "{}", service.log());

    overwrite(&service.database(), begin, &good);
    // SQLite does not see the change of the file, and uses its cached pages until the next write.
    ExternalWriter::on_database_of(&service).run("UPDATE write_probe SET probes = 0");
    wait_for(&service, "healthy").await;
    assert_eq!(read(&service, &product).await, product);
    assert!(lines(&service, "the database is read again") >= 1, "{}", service.log());
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let service = hotshelf().start().await;
    create(&service, &laptop()).await;
    let directory = service.database().parent().unwrap().to_owned();
    let mut files = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_str().unwrap().starts_with("products.db") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
            files += 1;
        }
    }
    assert_eq!(files, 4, "the database, its log, its index and the lock");
}

#[tokio::test]
async fn all_commands_refuse_a_database_of_a_newer_version() {
    let mut service = hotshelf().start().await;
    create(&service, &laptop()).await;
    assert!(service.terminate().await.success());
    let database = service.database();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000009999')";
    ExternalWriter::on_database_of(&service).run(newer);
    let before = fs::read(&database).unwrap();

    let known = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/modules/database/migrations/sqlite")).unwrap();
    let known = known.map(|entry| entry.unwrap().file_name().into_string().unwrap()[..14].to_owned()).max().unwrap();
    let message = format!(
        "{} has migration 00000000009999, which this version does not know; it knows migrations up to {known}: start \
         the newer version, or restore the backup from before it",
        database.display()
    );
    let builder = hotshelf().database(&database).env("HTTP_PORT", "0");
    let file = tempfile::tempdir().unwrap();
    let csv = file.path().join("products.csv");
    fs::write(&csv, "name,description,price,stock,category\nCup,,4.50,1,\n").unwrap();
    let (csv, out) = (csv.to_str().unwrap().to_owned(), file.path().join("out.jsonl"));
    let commands: [&[&str]; 6] = [
        &["serve"],
        &["import", &csv],
        &["export", out.to_str().unwrap()],
        &["seed", "--products", "1"],
        &["admin", "create", "--email", "a@b.example"],
        &["warm"],
    ];
    for command in commands {
        let output = builder.command(command, "a good password\n");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&message) && output.status.code() == Some(1), "{command:?}: {said}");
    }
    assert!(fs::read(&database).unwrap() == before, "nothing was written");
}

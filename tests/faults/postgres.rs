//! Servers that cannot be used are refused with one line, and one that goes away is missed for as long as it is away.

use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, lookup, path};
use hotshelf_testkit::{BackgroundLoad, PATIENCE, PostgresServer, RedisServer, ServiceBuilder, wait_until};

use crate::hotshelf;

fn at(url: impl std::fmt::Display) -> ServiceBuilder {
    hotshelf().env("DATABASE_URL", url).env("HTTP_PORT", 0)
}

/// The one line on standard error, of a start that fails, without its beginning.
#[track_caller]
fn refusal(service: &ServiceBuilder) -> String {
    let output = service.command(&["migrate"], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "it does not fail");
    assert!(!said.contains("secret"), "the password is shown: {said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("hotshelf: ")).collect();
    let [line] = lines[..] else { panic!("not one line: {said}") };
    line.trim_start_matches("hotshelf: ").to_owned()
}

#[test]
fn what_is_wrong_with_an_address_is_said_in_one_line() {
    let server = PostgresServer::shared();
    let database = server.database();
    let place = format!("127.0.0.1:{}/{database}", server.port());
    let cannot = |place: &str| format!("cannot open the database at {place}: ");
    for (url, expected) in [
        ("mysql://hotshelf:secret@127.0.0.1/shop".to_owned(), "DATABASE_URL=\"mysql://***\" (environment)".to_owned()),
        (
            "postgres://hotshelf:secret@db.example/shop?sslmode=disable".to_owned(),
            "DATABASE_URL=\"postgres://***\" (environment): has sslmode=disable".to_owned(),
        ),
        (
            server.url(&database).replace(":secret@", ":secret2@"),
            cannot(&place) + "password authentication failed for user \"hotshelf\"",
        ),
        (
            server.url("nowhere"),
            cannot(&format!("127.0.0.1:{}/nowhere", server.port())) + "database \"nowhere\" does not exist",
        ),
        (
            "postgres://hotshelf:secret@127.0.0.1:1/shop".to_owned(),
            cannot("127.0.0.1:1/shop") + "error connecting to server: Connection refused",
        ),
        (
            server.url(&database) + "?sslmode=require",
            cannot(&place) + "error performing TLS handshake: server does not support TLS",
        ),
    ] {
        let said = refusal(&at(&url));
        assert!(said.starts_with(&expected), "{url}: {said}");
    }
}

#[test]
fn a_server_that_cannot_be_used_is_refused_in_one_line() {
    let server = PostgresServer::start();
    server.run("postgres", "CREATE DATABASE foreign_one");
    let said = refusal(&at(server.url("foreign_one")));
    assert!(said.contains("permission denied for schema public"), "{said}");

    server.run("postgres", "CREATE DATABASE latin OWNER hotshelf TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    let said = refusal(&at(server.url("latin")));
    assert!(said.contains("has the encoding LATIN1: create one with ENCODING 'UTF8'"), "{said}");

    let (newer, read_only) = (server.database(), server.database());
    assert!(at(server.url(&newer)).command(&["migrate"], "").status.success());
    server.run(&newer, "INSERT INTO hotshelf_migrations (version) VALUES ('00000000009999')");
    let said = refusal(&at(server.url(&newer)));
    assert!(said.contains("has migration 00000000009999, which this version does not know"), "{said}");

    server.run("postgres", &format!("ALTER DATABASE {read_only} SET default_transaction_read_only = on"));
    let said = refusal(&at(server.url(&read_only)));
    assert!(said.contains("the user or the database is read-only"), "{said}");

    let standby = PostgresServer::standby_of(&server, &[]);
    let said = refusal(&at(standby.url(&newer)));
    assert!(said.contains("it is a standby, which can only be read"), "{said}");
}

#[test]
fn a_certificate_is_verified() {
    let server = PostgresServer::start_with_tls();
    let url = server.url(&server.database());
    let authority = format!("sslrootcert={}", server.tls_authority().display());
    let good = at(format!("{url}?sslmode=require&{authority}")).command(&["migrate"], "");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let said = refusal(&at(format!("{url}?sslmode=require")));
    assert!(said.contains("certificate") || said.contains("authorities"), "{said}");
    // It is for 127.0.0.1 alone.
    let named = url.replace("127.0.0.1", "localhost");
    let said = refusal(&at(format!("{named}?sslmode=require&{authority}")));
    assert!(said.contains("certificate not valid for name"), "{said}");
    let said = refusal(&at(format!("{url}?sslmode=require&sslrootcert=/nowhere.pem")));
    assert!(said.contains("sslrootcert /nowhere.pem: No such file"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_gives_connections_to_sessions() {
    let server = PostgresServer::start();
    let database = server.database();
    let in_transactions = server.pooler("transaction");
    let said = refusal(&at(server.url_at(&database, &[in_transactions.port()])));
    assert!(said.contains("let it give them to sessions (pool_mode = session)"), "{said}");
    drop(in_transactions);
    let in_sessions = server.pooler("session");
    let service = hotshelf().env("DATABASE_URL", server.url_at(&database, &[in_sessions.port()])).start().await;
    let laptop = create(&service, &laptop()).await;
    service.get(&path(&laptop)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_comes_from_a_file() {
    let server = PostgresServer::shared();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let url = server.url(&server.database()).replace(":secret@", "@");
    let service = hotshelf().env("DATABASE_URL", &url).env("DB_PASSWORD_FILE", file.display()).start().await;
    create(&service, &laptop()).await;
    let said = refusal(&at(&url).env("DB_PASSWORD_FILE", "/nowhere"));
    assert!(said.contains("DB_PASSWORD_FILE=\"/nowhere\" (environment): cannot be read"), "{said}");
}

/// Reads are answered from the cache, writes are refused and can be tried again, and all that ends by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_goes_away_is_missed_until_it_is_back() {
    let (server, redis) = (PostgresServer::start(), hotshelf_testkit::RedisServer::start());
    let service = hotshelf()
        .env("DATABASE_URL", server.url(&server.database()))
        .redis(&redis)
        .env("CACHE_TTL", "1s")
        .env("CACHE_GRACE", "10m")
        .start()
        .await;
    let product = create(&service, &laptop()).await;
    let cached = async || lookup(&service, &product).await.header("cache-status").starts_with("hotshelf; hit");
    wait_until("the product is cached", PATIENCE, cached).await;
    server.stop();
    let refused = service.post(PRODUCTS).json(&laptop()).await.expect(503);
    assert!(refused.find_header("retry-after").is_some());
    let old = async || lookup(&service, &product).await.header("cache-status").ends_with("detail=stale-if-error");
    wait_until("an expired value is served", PATIENCE, old).await;
    let database = service.get("/health").await.json()["modules"]["database"]["status"].clone();
    assert_ne!(database, "healthy");
    server.start_again();
    wait_until("it is written again", PATIENCE, async || service.post(PRODUCTS).json(&laptop()).await.status == 201)
        .await;
    let health = async || service.get("/health").await.json()["modules"]["database"]["message"].to_string();
    wait_until("it is healthy again", PATIENCE, async || health().await.contains("(primary, timeline 1, history "))
        .await;
}

/// As a newer version does, with a name that no version has.
fn migrate(server: &PostgresServer, database: &str, number: u32, statements: &str, expands: bool) {
    let record =
        format!("INSERT INTO hotshelf_migrations (version, expands) VALUES ('9999000000000{number}', {expands})");
    let lock = "SELECT FROM hotshelf_migration_lock FOR UPDATE; SELECT FROM database_history FOR UPDATE";
    server.run(database, &format!("BEGIN; {lock}; {statements}; {record}; COMMIT"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_goes_on_beside_a_newer_one_that_has_only_added_to_the_database() {
    let (server, redis) = (PostgresServer::start(), RedisServer::start());
    let database = server.database();
    let older = || hotshelf().env("DATABASE_URL", server.url(&database)).redis(&redis);
    let mut first = older().start().await;
    let load = BackgroundLoad::start(&first).await;
    load.more(200).await;
    let add = "ALTER TABLE products ADD COLUMN supplier bigint NOT NULL DEFAULT 0; \
               CREATE TABLE suppliers (id bigint PRIMARY KEY, name text NOT NULL); \
               CREATE INDEX products_by_supplier ON products (supplier, id)";
    migrate(&server, &database, 2, add, true);
    load.more(200).await;

    // Also one that is started again, as when its machine is replaced halfway through the upgrade.
    let second = older().start().await;
    let product = create(&second, &laptop()).await;
    assert_eq!(lookup(&first, &product).await.expect(200).json()["product"], product);
    load.more(200).await;
    let outcome = load.stop().await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let supplier = format!("SELECT supplier FROM products WHERE id = {}", product["id"]);
    assert_eq!(server.ask(&database, &supplier), "0");

    // What the newer version needs has been taken away from the older one.
    migrate(&server, &database, 3, "ALTER TABLE products DROP COLUMN category", false);
    let said = refusal(&older());
    assert!(said.contains("99990000000003") && said.contains("newer"), "{said}");
    assert!(first.terminate().await.success());
}

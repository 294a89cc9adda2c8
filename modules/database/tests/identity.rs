//! A database is the one that was opened, and knows its own history: what was deleted, replaced, written over,
//! restored or copied is noticed before a write is acknowledged, and names that were given once are not given again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml allows them in test functions, but not in their helpers"
)]

use hotshelf_cache::{EpochStore, Fencing};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotshelf_database::{Database, DatabaseOptions, Location, OpenError};
use hotshelf_domain::{History, Product, ProductDraft, StoreError};
use hotshelf_stats::Registry;
use tempfile::TempDir;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Files { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn open(&self) -> Database {
        open(&self.path("products.db")).await.expect("opened")
    }

    /// Three products are created, of which the backup has only the first. Returns the history and the last id.
    async fn made_with_a_backup(&self) -> (History, i64) {
        let products = self.open().await;
        create(&products).await.unwrap();
        self.back_up();
        create(&products).await.unwrap();
        let last = create(&products).await.unwrap();
        let history = products.history();
        close(products).await;
        (history, last.id.get())
    }

    /// An open database whose file holds a product that the backup lacks, and whose log one that the file lacks.
    async fn open_with_an_older_backup(&self) -> Database {
        let products = self.open().await;
        create(&products).await.unwrap();
        self.back_up();
        create(&products).await.unwrap();
        self.move_the_log();
        create(&products).await.unwrap();
        products
    }

    /// Into the file, as any program may that uses the database.
    fn move_the_log(&self) {
        run(&mut raw(&self.path("products.db")), "PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// By SQLite, as the pages for operators say.
    fn back_up(&self) {
        let mut conn = raw(&self.path("products.db"));
        run(&mut conn, &format!("VACUUM INTO '{}'", self.path("backup.db").display()));
    }

    fn restore(&self) {
        fs::copy(self.path("backup.db"), self.path("products.db")).expect("copied");
    }
}

fn raw(path: &Path) -> diesel::SqliteConnection {
    use diesel::Connection;
    diesel::SqliteConnection::establish(path.to_str().unwrap()).expect("a connection")
}

fn run(conn: &mut diesel::SqliteConnection, sql: &str) {
    use diesel::connection::SimpleConnection;
    conn.batch_execute(sql).expect("done");
}

async fn open(path: &Path) -> Result<Database, OpenError> {
    open_as(path, false).await
}

async fn open_as(path: &Path, shared: bool) -> Result<Database, OpenError> {
    let options = DatabaseOptions::from(Location::File { path: path.to_owned(), shared });
    Database::open(options, &Registry::new().expect("a registry")).await
}

async fn close(products: Database) {
    products.close(PATIENCE).await.expect("closed");
}

async fn create(products: &Database) -> Result<Product, StoreError> {
    let draft = ProductDraft { name: Some("Cup".to_owned()), price: Some("9.99".to_owned()), ..Default::default() };
    products.create(draft.into_new().unwrap(), Fencing::Fenced).await.map(|committed| committed.value)
}

/// No write is acknowledged from now on, nothing is read, and the error says what happened.
async fn is_refused(products: &Database, what: &str) {
    let error = create(products).await.expect_err("it would be lost");
    assert!(matches!(&error, StoreError::Replaced { .. }) && error.to_string().contains(what), "{error}");
    assert!(!error.changed_nothing(), "it may be in a file that nobody finds");
    for read in [products.ping().await, products.find(hotshelf_domain::ProductId::new(1).unwrap()).await.map(drop)] {
        assert!(matches!(read, Err(StoreError::Replaced { .. })), "{read:?}");
    }
}

async fn is_noticed(products: &Database) {
    timeout(PATIENCE, products.replaced().cancelled()).await.expect("noticed without a write");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_files_are_noticed_before_a_write_is_acknowledged() {
    for name in ["products.db", "products.db-wal", "products.db-shm", "products.db.lock"] {
        let database = Files::new();
        let products = database.open().await;
        create(&products).await.unwrap();
        fs::remove_file(database.path(name)).unwrap();
        is_refused(&products, &format!("{name} was deleted")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_files_are_noticed_when_nobody_writes() {
    let database = Files::new();
    let products = database.open().await;
    fs::remove_file(database.path("products.db")).unwrap();
    is_noticed(&products).await;
    is_refused(&products, "was deleted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_moved_into_its_place_is_noticed() {
    let database = Files::new();
    let products = database.open().await;
    create(&products).await.unwrap();
    database.back_up();
    create(&products).await.unwrap();
    fs::rename(database.path("backup.db"), database.path("products.db")).unwrap();
    is_refused(&products, "is another file now").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_written_over_it_is_noticed() {
    let database = Files::new();
    let products = database.open_with_an_older_backup().await;
    database.restore();
    is_refused(&products, "written over").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_written_over_it_is_noticed_where_processes_share_it() {
    let database = Files::new();
    let products = open_as(&database.path("products.db"), true).await.unwrap();
    create(&products).await.unwrap();
    database.back_up();
    create(&products).await.unwrap();
    database.move_the_log();
    // Seen in the file, by the heartbeat or by the write after it.
    create(&products).await.unwrap();
    create(&products).await.unwrap();
    database.restore();
    is_noticed(&products).await;
    is_refused(&products, "written over").await;
}

/// Its pages are in other places, so the log that lies beside it does not fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_what_it_is_that_is_written_over_it_is_noticed() {
    for shared in [false, true] {
        let database = Files::new();
        let products = open_as(&database.path("products.db"), shared).await.unwrap();
        create(&products).await.unwrap();
        database.back_up();
        database.restore();
        is_noticed(&products).await;
        is_refused(&products, "written over").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_moved_into_the_file_by_others_is_nothing_to_notice() {
    for shared in [false, true] {
        let database = Files::new();
        let products = open_as(&database.path("products.db"), shared).await.unwrap();
        for _ in 0..3 {
            create(&products).await.unwrap();
            database.move_the_log();
            create(&products).await.unwrap();
            run(&mut raw(&database.path("products.db")), "VACUUM");
            database.move_the_log();
            create(&products).await.unwrap();
        }
        assert!(!products.replaced().is_cancelled());
        close(products).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_that_was_not_told_is_noticed() {
    let database = Files::new();
    let products = database.open().await;
    // As where the lock file does not reach: in another container, on a network file system.
    run(&mut raw(&database.path("products.db")), "UPDATE database_history SET writer = 7");
    is_noticed(&products).await;
    is_refused(&products, "another process has opened it").await;

    let database = Files::new();
    let shared = open_as(&database.path("products.db"), true).await.unwrap();
    run(&mut raw(&database.path("products.db")), "UPDATE database_history SET writer = 7");
    is_noticed(&shared).await;
    is_refused(&shared, "does not share it").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_name_of_a_database_leads_to_its_one_lock() {
    let database = Files::new();
    let products = database.open().await;
    std::os::unix::fs::symlink(database.path("products.db"), database.path("link.db")).unwrap();
    let refused = open(&database.path("link.db")).await.err().expect("it is in use");
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    close(products).await;
    fs::hard_link(database.path("products.db"), database.path("hard.db")).unwrap();
    let refused = open(&database.path("hard.db")).await.err().expect("a log for each name");
    assert!(matches!(refused, OpenError::HardLinked { names: 2, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_goes_on_over_restarts() {
    let database = Files::new();
    let (history, last) = database.made_with_a_backup().await;
    let products = database.open().await;
    assert_eq!(products.history(), history);
    assert_eq!(create(&products).await.unwrap().id.get(), last + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_begins_a_history_and_gives_no_id_again() {
    let database = Files::new();
    let (history, last) = database.made_with_a_backup().await;
    let restored = {
        database.restore();
        let products = database.open().await;
        assert_ne!(products.history(), history);
        assert_eq!(create(&products).await.unwrap().id.get(), last + 1_000_001);
        let restored = products.history();
        close(products).await;
        restored
    };
    // Once, and not at each start from then on.
    let products = database.open().await;
    assert_eq!(products.history(), restored);
    close(products).await;
    // The lock file is of the restored one: the original that comes back is another one to it.
    database.restore();
    fs::remove_file(database.path("products.db.lock")).unwrap();
    let products = database.open().await;
    assert!(![history, restored].contains(&products.history()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_made_anew_in_the_place_of_another_gives_no_id_again() {
    let database = Files::new();
    let (history, last) = database.made_with_a_backup().await;
    fs::remove_file(database.path("products.db")).unwrap();
    let products = database.open().await;
    assert_ne!(products.history(), history);
    assert!(create(&products).await.unwrap().id.get() > last + 1_000_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_from_before_there_were_histories_gives_no_id_again() {
    let database = Files::new();
    let (history, last) = database.made_with_a_backup().await;
    run(&mut raw(&database.path("backup.db")), "UPDATE database_history SET history = 0, commits = 0");
    database.restore();
    let products = database.open().await;
    assert_ne!(products.history(), history);
    assert_eq!(create(&products).await.unwrap().id.get(), last + 1_000_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_written_over_it_is_noticed_when_nobody_writes() {
    let database = Files::new();
    let products = database.open_with_an_older_backup().await;
    database.restore();
    is_noticed(&products).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_emptied_is_noticed_before_a_write_is_acknowledged() {
    let database = Files::new();
    let products = database.open().await;
    create(&products).await.unwrap();
    fs::write(database.path("products.db-wal"), "").unwrap();
    is_refused(&products, "products.db-wal was written over").await;
}

/// What was acknowledged is in the log that the process still has open, although nobody finds it by its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_its_log_was_deleted_is_kept_at_the_stop() {
    let database = Files::new();
    let products = database.open().await;
    for _ in 0..5 {
        create(&products).await.unwrap();
    }
    fs::remove_file(database.path("products.db-wal")).unwrap();
    is_noticed(&products).await;
    assert!(matches!(products.close(PATIENCE).await, Err(StoreError::Replaced { .. })), "the stop says so, too");
    drop(products);
    let products = database.open().await;
    assert!(products.find(hotshelf_domain::ProductId::new(5).unwrap()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_lets_nobody_in_who_has_logged_out_since() {
    let database = Files::new();
    let products = database.open().await;
    run(
        &mut raw(&database.path("products.db")),
        "INSERT INTO users (id, email, organization_id, role, created_at) VALUES (1, 'ann@one.example', 1, 'admin', 0);
         INSERT INTO sessions (token_hash, user_id, generation, client, created_at, last_used_at, expires_at)
             VALUES (x'07', 1, 1, '', 0, 0, 9999999999999);",
    );
    database.back_up();
    create(&products).await.unwrap();
    close(products).await;
    database.restore();
    close(database.open().await).await;
    use diesel::prelude::*;
    let left: i64 = diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT count(*) FROM sessions")
        .get_result(&mut raw(&database.path("products.db")))
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_begins_a_history_and_keeps_its_ids() {
    let database = Files::new();
    let (history, last) = database.made_with_a_backup().await;
    for name in ["", ".lock"] {
        fs::copy(database.path(&format!("products.db{name}")), database.path(&format!("copy.db{name}"))).unwrap();
    }
    let copy = open(&database.path("copy.db")).await.unwrap();
    assert_ne!(copy.history(), history);
    assert_eq!(create(&copy).await.unwrap().id.get(), last + 1);
    assert_eq!(database.open().await.history(), history, "the original goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_share_a_database_agree_on_its_history() {
    let database = Files::new();
    let path = database.path("products.db");
    let (one, other) = tokio::join!(open_as(&path, true), open_as(&path, true));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.history(), other.history());
    for _ in 0..20 {
        let (created, updated) = tokio::join!(create(&one), create(&other));
        created.and(updated).expect("nobody is mistaken for another database");
    }
    let known = one.history();
    let (begun, also) = tokio::join!(one.begin_history(known.get()), other.begin_history(known.get()));
    begun.and(also).unwrap();
    assert_ne!(one.history(), known);
    assert_eq!(one.history(), other.history(), "begun once");
    assert!(create(&one).await.unwrap().id.get() > 1_000_000);
}

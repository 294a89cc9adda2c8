//! What happens when the server of a PostgreSQL database is lost, replaced, put back, or does not answer: nothing that
//! was lost is read, nothing is given a name a second time, and whatever is acknowledged is there.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml allows them in test functions, but not in their helpers"
)]

use std::time::Duration;

use hotshelf_cache::{Committed, EpochStore, Fencing};
use hotshelf_database::{Database, DatabaseOptions, Location};
use hotshelf_domain::{Actor, Expect, Product, ProductDraft, ProductId, StoreError, VersionInHistory};
use hotshelf_stats::Registry;
use hotshelf_testkit::{Network, PATIENCE, PostgresServer, Proxy, wait_until};

/// Longer than any fail-over or wait in these tests.
const LONG: Duration = Duration::from_secs(60);

async fn open(url: &str) -> Database {
    let options = DatabaseOptions::from(Location::Server(url.parse().unwrap()));
    Database::open(options, &Registry::new().unwrap()).await.expect("opened")
}

fn draft(name: &str) -> ProductDraft {
    ProductDraft { name: Some(name.to_owned()), price: Some("9.99".to_owned()), ..Default::default() }
}

async fn create(database: &Database, name: &str) -> Result<Product, StoreError> {
    database.create(draft(name).into_new().unwrap(), Fencing::Fenced).await.map(|committed| committed.value)
}

async fn set_stock(database: &Database, id: ProductId, stock: i64) -> Result<Product, StoreError> {
    let patch = ProductDraft { stock: Some(stock), ..Default::default() }.into_patch().unwrap();
    let updated = database.update(id, patch, Expect::Anything, None, Fencing::Fenced).await;
    updated.map(|Committed { value, .. }| value)
}

async fn epoch(database: &Database) -> u64 {
    database.current().await.unwrap().0.get()
}

/// Stores a product as soon as that works.
async fn create_at_last(database: &Database, name: &str) -> Product {
    let mut created = None;
    wait_until("the database is written again", LONG, async || {
        created = create(database, name).await.ok();
        created.is_some()
    })
    .await;
    created.unwrap()
}

/// A primary and a standby that has all of it.
struct Pair {
    primary: PostgresServer,
    standby: PostgresServer,
    database: String,
}

impl Pair {
    fn new() -> Self {
        let primary = PostgresServer::start();
        let database = primary.database();
        let standby = PostgresServer::standby_of(&primary, &[]);
        Pair { primary, standby, database }
    }

    /// Both, the primary first.
    fn url(&self) -> String {
        self.primary.url_at(&self.database, &[self.primary.port(), self.standby.port()])
    }

    async fn replicated(&self) {
        let lsn = self.primary.ask("postgres", "SELECT pg_current_wal_lsn()");
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'");
        wait_until("the standby has everything", PATIENCE, async || self.standby.ask("postgres", &replayed) == "t")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_promoted_standby_lacks_is_not_read_and_its_names_are_not_given_again() {
    let pair = Pair::new();
    let database = open(&pair.url()).await;
    let kept = create(&database, "Kept").await.unwrap();
    pair.replicated().await;
    // From here on, the standby hears nothing.
    pair.standby.stop();
    let lost = create(&database, "Lost").await.unwrap();
    assert_eq!(set_stock(&database, kept.id, 7).await.unwrap().version.get(), 2);
    let (history, lost_epoch) = (database.history(), database.advance().await.unwrap().get());

    pair.primary.kill();
    pair.standby.start_again();
    pair.standby.promote();
    wait_until("another history begins", LONG, async || database.history() != history).await;
    assert_eq!(database.find(lost.id).await.unwrap(), None);
    let found = database.find(kept.id).await.unwrap().unwrap();
    assert_eq!((found.version.get(), found.stock), (1, 0), "what the standby has");
    assert!(epoch(&database).await > lost_epoch);
    let new = create(&database, "New").await.unwrap();
    assert!(new.id.get() > lost.id.get() + 500_000, "{}", new.id);
    assert_eq!(database.find(new.id).await.unwrap(), Some(new));
    database.close(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_begins_the_history_before_it_is_acknowledged_and_another_process_adopts_it() {
    let pair = Pair::new();
    let (one, other) = (open(&pair.url()).await, open(&pair.url()).await);
    let cup = create(&one, "Cup").await.unwrap();
    pair.replicated().await;
    let history = one.history();
    assert_eq!(other.history(), history);
    let before = epoch(&one).await;
    pair.primary.kill();
    pair.standby.promote();
    let mut acknowledged = None;
    wait_until("a write is acknowledged", LONG, async || {
        acknowledged = set_stock(&one, cup.id, 9).await.ok();
        acknowledged.is_some()
    })
    .await;
    assert_ne!(one.history(), history, "when it is acknowledged, it is in the new history");
    wait_until("the other process knows", LONG, async || other.history() == one.history()).await;
    assert_eq!(other.find(cup.id).await.unwrap(), acknowledged);
    assert!(epoch(&other).await > before);
    // Timeline 2.
    assert!(epoch(&other).await >= 2 << 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_comes_back_is_neither_read_nor_written() {
    let pair = Pair::new();
    let database = open(&pair.url()).await;
    let cup = create(&database, "Cup").await.unwrap();
    pair.replicated().await;
    pair.primary.kill();
    pair.standby.promote();
    let new = create_at_last(&database, "New").await;
    let history = database.history();

    // It stands first in the address, and says that it is the primary.
    pair.primary.start_again();
    let rows = "SELECT count(*) FROM products";
    let on_old = pair.primary.ask(&pair.database, rows);
    for stock in 1..=50 {
        set_stock(&database, cup.id, stock).await.unwrap();
        assert_eq!(database.find(cup.id).await.unwrap().unwrap().stock, stock);
    }
    assert_eq!(database.find(new.id).await.unwrap(), Some(new));
    assert_eq!((pair.primary.ask(&pair.database, rows), database.history()), (on_old, history));

    // With nothing else to connect to, it is refused: it is older than what is known.
    pair.standby.stop();
    for _ in 0..20 {
        let refused = set_stock(&database, cup.id, 99).await.unwrap_err();
        assert!(refused.changed_nothing(), "{refused}");
        assert!(database.find(cup.id).await.is_err());
    }
    let stock = format!("SELECT stock FROM products WHERE id = {}", cup.id);
    assert_eq!(pair.primary.ask(&pair.database, &stock), "0");
    pair.standby.start_again();
    create_at_last(&database, "Again").await;
    assert_eq!(database.find(cup.id).await.unwrap().unwrap().stock, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_put_back_to_an_earlier_state_begins_another_history() {
    let server = PostgresServer::start();
    let name = server.database();
    let database = open(&server.url(&name)).await;
    let cup = create(&database, "Cup").await.unwrap();
    server.stop();
    let snapshot = server.snapshot();
    server.start_again();
    let lost = create_at_last(&database, "Lost").await;
    let (history, before) = (database.history(), database.advance().await.unwrap().get());

    server.stop();
    server.put_back(&snapshot);
    server.start_again();
    let new = create_at_last(&database, "New").await;
    assert_ne!(database.history(), history);
    assert!(new.id.get() > lost.id.get() + 500_000 && epoch(&database).await > before);
    assert_eq!(database.find(lost.id).await.unwrap(), None);

    // What was seen before leads to the wrong cached entries: at the same version, the row may be another.
    let (seen, patch) = (VersionInHistory { history, version: cup.version }, draft("Mug").into_patch().unwrap());
    let updated = database.update(cup.id, patch, Expect::Anything, Some(seen), Fencing::Fenced).await.map(|_| ());
    let deleted = database.delete_many(vec![cup.id], history, Actor::default(), Fencing::Fenced).await.map(|_| ());
    for refused in [updated, deleted] {
        assert!(matches!(refused, Err(StoreError::Overloaded(_))), "{refused:?}");
    }
    assert_eq!(database.find(cup.id).await.unwrap(), Some(cup));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_on_another_server_begins_another_history() {
    let (server, other) = (PostgresServer::start(), PostgresServer::start());
    let name = server.database();
    let database = open(&server.url(&name)).await;
    let cup = create(&database, "Cup").await.unwrap();
    let history = database.history();
    database.close(Duration::from_secs(5)).await.unwrap();
    let copy = other.database();
    other.restore(&copy, &server.dump(&name));
    let restored = open(&other.url(&copy)).await;
    assert_ne!(restored.history(), history);
    assert_eq!(restored.find(cup.id).await.unwrap(), Some(cup.clone()));
    assert!(create(&restored, "New").await.unwrap().id.get() > cup.id.get() + 500_000);

    let again = open(&server.url(&name)).await;
    assert_eq!(again.history(), history, "where nothing happened, nothing begins");
}

/// From now on, a commit waits for a replica that does not exist.
fn demand_a_replica(server: &PostgresServer, demand: bool) {
    let names = if demand { "*" } else { "" };
    server.run("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
    server.run("postgres", "SELECT pg_reload_conf()");
}

async fn a_commit_waits(server: &PostgresServer) -> String {
    let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    wait_until("a commit waits", PATIENCE, async || !server.ask("postgres", waiting).is_empty()).await;
    server.ask("postgres", waiting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_wait_was_cancelled_is_not_acknowledged_before_it_is_replicated() {
    let server = PostgresServer::start();
    let name = server.database();
    let database = open(&server.url(&name)).await;
    let cup = create(&database, "Cup").await.unwrap();
    demand_a_replica(&server, true);
    let writing = tokio::spawn({
        let database = database.clone();
        async move { set_stock(&database, cup.id, 5).await }
    });
    let process = a_commit_waits(&server).await;
    // PostgreSQL commits it then, with a warning.
    server.run("postgres", &format!("SELECT pg_cancel_backend({process})"));
    let stock = format!("SELECT stock FROM products WHERE id = {}", cup.id);
    wait_until("it is committed", PATIENCE, async || server.ask(&name, &stock) == "5").await;
    a_commit_waits(&server).await;
    assert!(!writing.is_finished(), "nobody is told that it is safe");
    demand_a_replica(&server, false);
    assert_eq!(writing.await.unwrap().unwrap().stock, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_looked_up() {
    let server = PostgresServer::start();
    let name = server.database();
    let proxy = Proxy::start(&format!("127.0.0.1:{}", server.port())).await;
    let port = proxy.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let database = open(&server.url_at(&name, &[port])).await;
    let cup = create(&database, "Cup").await.unwrap();
    demand_a_replica(&server, true);
    let writing = tokio::spawn({
        let database = database.clone();
        async move { set_stock(&database, cup.id, 5).await }
    });
    a_commit_waits(&server).await;
    proxy.set(Network::Reset);
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.set(Network::Whole);
    assert!(!writing.is_finished(), "it is in doubt");
    demand_a_replica(&server, false);
    assert_eq!(writing.await.unwrap().unwrap().stock, 5, "it was committed");
    assert_eq!(database.find(cup.id).await.unwrap().unwrap().stock, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_commit_that_stays_in_doubt_the_epoch_advances() {
    let server = PostgresServer::start();
    let name = server.database();
    let database = open(&server.url(&name)).await;
    let cup = create(&database, "Cup").await.unwrap();
    let before = epoch(&database).await;
    demand_a_replica(&server, true);
    let error = set_stock(&database, cup.id, 5).await.unwrap_err();
    assert!(!error.changed_nothing(), "{error}");
    assert!(error.to_string().contains("is not known"), "{error}");
    // Others are refused meanwhile, and change nothing.
    let refused = set_stock(&database, cup.id, 6).await.unwrap_err();
    demand_a_replica(&server, false);
    assert!(refused.to_string().contains("not known") || refused.changed_nothing(), "{refused}");
    wait_until("the epoch advances without a write", PATIENCE, async || epoch(&database).await > before).await;
    create_at_last(&database, "New").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_holds_nobody_up_for_ever_and_is_used_again() {
    let server = PostgresServer::start();
    let name = server.database();
    let database = open(&server.url(&name)).await;
    let cup = create(&database, "Cup").await.unwrap();
    server.pause();
    let begin = std::time::Instant::now();
    let (read, write) = tokio::join!(database.find(cup.id), set_stock(&database, cup.id, 1));
    assert!(read.is_err() && write.is_err(), "{read:?} {write:?}");
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    server.resume();
    create_at_last(&database, "New").await;
    wait_until("it is read again", LONG, async || database.find(cup.id).await.is_ok()).await;
    database.close(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut_is_noticed_and_healed() {
    let server = PostgresServer::start();
    let name = server.database();
    let proxy = Proxy::start(&format!("127.0.0.1:{}", server.port())).await;
    let port = proxy.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let database = open(&server.url_at(&name, &[port])).await;
    let cup = create(&database, "Cup").await.unwrap();
    for network in [Network::Reset, Network::Silent, Network::Mute] {
        proxy.set(network);
        let (read, write) = tokio::join!(database.find(cup.id), create(&database, "Doubtful"));
        assert!(read.is_err() && write.is_err(), "{network:?}: {read:?} {write:?}");
        proxy.set(Network::Whole);
        create_at_last(&database, "New").await;
        wait_until("it is read again", LONG, async || database.find(cup.id).await.is_ok()).await;
    }
}

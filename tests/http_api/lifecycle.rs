//! Start, stop, crash, and two processes on the same database.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hotshelf_testkit::{Client, PATIENCE, wait_until};
use serde_json::json;
use tokio::task::JoinSet;

use crate::hotshelf;
use hotshelf_testkit::HeldWrite;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path, read};

async fn wait_until_nobody_listens(address: SocketAddr) {
    wait_until("the listener is closed", PATIENCE, async || TcpStream::connect(address).is_err()).await;
}

#[tokio::test]
async fn both_signals_stop_it_cleanly_despite_idle_connections() {
    for signal in ["TERM", "INT"] {
        let mut service = hotshelf().start().await;
        let product = create(&service, &laptop()).await;
        let _idle = TcpStream::connect(service.address()).unwrap();
        service.signal(signal);
        let status = service.exit(PATIENCE).await;
        assert!(status.success(), "{signal}: {status}");
        service.restart().await;
        assert_eq!(read(&service, &product).await, product);
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_end() {
    let mut service = hotshelf().start().await;
    let request = HeldWrite::at(&service).await;
    service.signal("TERM");
    wait_until_nobody_listens(service.address()).await;
    request.finish().await.expect(201);
    let status = service.exit(PATIENCE).await;
    assert!(status.success(), "{status}");
    service.restart().await;
    service.get("/api/v1/products/1").await.expect(200);
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let mut service = hotshelf().start().await;
    let _request = HeldWrite::at(&service).await;
    service.signal("TERM");
    wait_until_nobody_listens(service.address()).await;
    service.signal("TERM");
    // Far less than the 30 s for which the stop waits for the request in flight.
    let status = service.exit(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(130), "{status}");
}

#[tokio::test]
async fn a_request_that_never_ends_delays_the_stop_only_for_a_time() {
    let mut service = hotshelf().env("SHUTDOWN_TIMEOUT", "1s").start().await;
    let _request = HeldWrite::at(&service).await;
    service.signal("TERM");
    service.exit(Duration::from_secs(8)).await;
}

#[tokio::test]
async fn a_port_in_use_is_a_named_start_up_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let Err(exit) = hotshelf().env("HTTP_PORT", port).try_start().await else { panic!("it started on a taken port") };
    assert!(!exit.status.success());
    assert!(exit.log.contains(&port.to_string()), "{exit}");
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_named_at_start_up() {
    let builder = hotshelf().on_sqlite().env("DB_PATH", "/nowhere/products.db");
    let Err(exit) = builder.try_start().await else { panic!("it started without its database") };
    assert!(!exit.status.success());
    assert!(exit.log.contains("/nowhere/products.db"), "{exit}");
}

#[tokio::test]
async fn a_second_process_on_the_same_database_is_refused() {
    let first = hotshelf().on_sqlite().start().await;
    let product = create(&first, &laptop()).await;
    let second = hotshelf().on_sqlite().database(&first.database());
    let Err(exit) = second.try_start().await else { panic!("both started") };
    assert!(!exit.status.success());
    assert!(exit.status.signal().is_none(), "{exit}");
    let sentence = |line: &str| line.contains("products.db") && line.contains("SHARED_DB");
    assert!(exit.log.lines().any(sentence), "no line says what to do: {exit}");
    assert_eq!(read(&first, &product).await, product);
}

#[tokio::test]
async fn two_processes_with_shared_db_share_a_database() {
    let first = hotshelf().env("SHARED_DB", true).backend("none").start().await;
    let second = hotshelf().shared_db(&first.database()).backend("none").start().await;
    let by_first = create(&first, &laptop()).await;
    let by_second = create(&second, &laptop()).await;
    assert_ne!(by_first["id"], by_second["id"]);
    assert_eq!(read(&second, &by_first).await, by_first);
    assert_eq!(read(&first, &by_second).await, by_second);
}

/// The last acknowledged version and stock of each product.
type Acknowledged = Arc<Mutex<BTreeMap<i64, (i64, i64)>>>;

/// Creates products and changes each of them, until the service is killed.
async fn write_until_it_dies(client: Client, acknowledged: Acknowledged) {
    for step in 0_i64.. {
        let id = acknowledged.lock().unwrap().keys().copied().max().unwrap_or(1);
        let request = match step % 3 {
            0 => client.post(PRODUCTS).json(&json!({"name": "Thing", "price": 1, "stock": step})),
            _ => client.put(&format!("{PRODUCTS}/{id}")).json(&json!({"stock": step})),
        };
        let Ok(reply) = request.try_send().await else { return };
        if matches!(reply.status, 404 | 409) {
            continue;
        }
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        let product = reply.json()["product"].take();
        let [id, version, stock] = ["id", "version", "stock"].map(|field| product[field].as_i64().unwrap());
        let mut acknowledged = acknowledged.lock().unwrap();
        let last = acknowledged.entry(id).or_default();
        *last = (*last).max((version, stock));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_writes_loses_no_acknowledged_write() {
    const WRITERS: usize = 8;
    let mut service = hotshelf().backend("memory").start().await;
    let acknowledged = Acknowledged::default();
    for round in 1..=3 {
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            writers.spawn(write_until_it_dies(service.client().clone(), acknowledged.clone()));
        }
        let enough = async || acknowledged.lock().unwrap().len() >= round * 60;
        wait_until("enough products are created", PATIENCE, enough).await;
        service.kill();
        while let Some(writer) = writers.join_next().await {
            writer.unwrap();
        }
        service.restart().await;
        let expected = acknowledged.lock().unwrap().clone();
        for (id, (version, stock)) in expected {
            let product = read(&service, &json!({"id": id})).await;
            let found = (product["version"].as_i64().unwrap(), product["stock"].as_i64().unwrap());
            // Each writer may have one more committed change that was not acknowledged.
            let ahead = found.0 - version;
            assert!((0..=WRITERS as i64).contains(&ahead), "product {id}: {found:?} after {version} was acknowledged");
            assert!(ahead > 0 || found.1 == stock, "product {id}: {found:?} instead of {:?}", (version, stock));
            acknowledged.lock().unwrap().insert(id, found);
        }
    }
    let id = acknowledged.lock().unwrap().keys().copied().max().unwrap();
    let product = create(&service, &laptop()).await;
    assert!(product["id"].as_i64().unwrap() > id, "{} was used again", path(&product));
}

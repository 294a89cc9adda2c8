use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use hotshelf_domain::OrganizationId;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::sqlite::Sqlite;
use crate::sqlite::reader::ENDLESS;

impl ReadConnection for () {}

fn sqlite(ending: &CancellationToken) -> (Target, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let backend = Arc::new(Sqlite::open(&directory.path().join("products.db"), false).unwrap());
    (Target { backend, ending: ending.clone() }, directory)
}

/// A pool whose connections are nothing, with one place for each of two parties. The database lives as long as its
/// directory.
fn pool(ending: &CancellationToken) -> (Arc<Pool<()>>, DatabaseMetrics, TempDir) {
    let (target, directory) = sqlite(ending);
    let metrics = DatabaseMetrics::unseen();
    let bounds = Bounds { running: 2, running_of_one: 1, waiting: 3, waiting_of_one: 2 };
    (Pool::new("test", bounds, |_| Ok(Box::new(())), &target, None, &metrics), metrics, directory)
}

/// A read that is under way until it is told to end.
struct Busy {
    reading: JoinHandle<Result<(), StoreError>>,
    end: mpsc::Sender<()>,
}

impl Busy {
    async fn on(pool: &Arc<Pool<()>>, party: Party) -> Self {
        let ((begun, begins), (end, ended)) = (mpsc::channel(), mpsc::channel::<()>());
        let pool = Arc::clone(pool);
        let query = move |_: &mut (), _: &Limit| {
            begun.send(()).unwrap();
            ended.recv().unwrap();
            Ok(())
        };
        let reading = tokio::spawn(async move { pool.read_within(party, deadline(), query).await });
        tokio::task::spawn_blocking(move || begins.recv()).await.unwrap().unwrap();
        Busy { reading, end }
    }

    async fn end(self) {
        self.end.send(()).unwrap();
        self.reading.await.unwrap().unwrap();
    }
}

/// Reads nothing, and counts that.
fn counted(
    pool: &Arc<Pool<()>>,
    party: Party,
    deadline: Instant,
    runs: &Arc<AtomicUsize>,
) -> JoinHandle<Result<(), StoreError>> {
    let (pool, runs) = (Arc::clone(pool), Arc::clone(runs));
    tokio::spawn(async move {
        let query = move |_: &mut (), _: &Limit| {
            runs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        pool.read_within(party, deadline, query).await
    })
}

async fn until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(20), "in vain");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn refused(metrics: &DatabaseMetrics, reason: &str) -> u64 {
    metrics.reads_refused("test", reason).get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_waits_for_is_not_read() {
    let (pool, metrics, _database) = pool(&CancellationToken::new());
    let runs = Arc::new(AtomicUsize::new(0));
    let busy = Busy::on(&pool, None).await;
    let gone = counted(&pool, None, deadline(), &runs);
    until(|| pool.admission.waiting() == 1).await;
    let late = counted(&pool, None, Instant::now() + Duration::from_millis(20), &runs);
    until(|| pool.admission.waiting() == 2 || refused(&metrics, "waited") == 1).await;
    let refusal = counted(&pool, None, deadline(), &runs);
    let full = counted(&pool, None, deadline(), &runs);
    // Two of them wait at most, the one that is too late among them or not.
    assert!(late.await.unwrap().is_err());
    assert_eq!(refused(&metrics, "waited"), 1);
    until(|| refused(&metrics, "full") > 0).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    refusal.abort();
    full.abort();
    until(|| pool.admission.waiting() == 0).await;
    busy.end().await;
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    counted(&pool, None, deadline(), &runs).await.unwrap().unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_party_does_not_hold_up_another() {
    let (pool, _stats, _database) = pool(&CancellationToken::new());
    let runs = Arc::new(AtomicUsize::new(0));
    let busy = Busy::on(&pool, OrganizationId::new(2)).await;
    let own = counted(&pool, OrganizationId::new(2), deadline(), &runs);
    counted(&pool, OrganizationId::new(3), deadline(), &runs).await.unwrap().unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    busy.end().await;
    own.await.unwrap().unwrap();
}

/// Its turn has come, its thread has not begun.
#[tokio::test]
async fn the_end_before_the_query_is_an_end_as_well() {
    let ending = CancellationToken::new();
    let (pool, _stats, _database) = pool(&ending);
    let turn = pool.turn(None, deadline()).await.unwrap();
    let limit = Limit { until: deadline(), given_up: ending.child_token() };
    ending.cancel();
    let answer = pool.run(turn, &limit, Box::new(|_, _| panic!("it is read")));
    assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_refuses_those_who_wait_and_those_who_come() {
    let ending = CancellationToken::new();
    let (pool, _stats, _database) = pool(&ending);
    let runs = Arc::new(AtomicUsize::new(0));
    let busy = Busy::on(&pool, None).await;
    let waiting = counted(&pool, None, deadline(), &runs);
    until(|| pool.admission.waiting() == 1).await;
    ending.cancel();
    assert!(matches!(waiting.await.unwrap(), Err(StoreError::Closed)));
    assert!(matches!(counted(&pool, None, deadline(), &runs).await.unwrap(), Err(StoreError::Closed)));
    busy.end().await;
    pool.admission.wait_for_all().await;
    assert_eq!((pool.idle(), pool.admission.running(), runs.load(Ordering::SeqCst)), (0, 0, 0));
}

/// A statement that would run for ever.
fn endless(readers: &Arc<Readers>, time: Duration) -> JoinHandle<Result<i64, StoreError>> {
    let readers = Arc::clone(readers);
    tokio::spawn(async move {
        let deadline = Instant::now() + time;
        let query = |conn: &dyn ListReader| conn.statement(ENDLESS).number(conn);
        readers.heavy.read_within(None, deadline, move |conn, limit| conn.within(limit, query)).await
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_under_way_ends_with_its_deadline_its_caller_and_the_database() {
    let (metrics, ending) = (DatabaseMetrics::unseen(), CancellationToken::new());
    let (target, _directory) = sqlite(&ending);
    let readers = Arc::new(Readers::new(target, &Arc::new(Condition::new()), &metrics));
    let idle = || readers.heavy.admission.running() == 0;

    let late = endless(&readers, Duration::from_millis(50)).await.unwrap();
    assert!(matches!(late, Err(StoreError::Overloaded(_))), "{late:?}");
    assert_eq!(metrics.reads_refused("heavy", "interrupted").get(), 1);
    until(idle).await;

    let minute = Duration::from_secs(60);
    let gone = endless(&readers, minute);
    until(|| readers.heavy.admission.running() == 1).await;
    gone.abort();
    until(idle).await;
    let one = |conn: &dyn ListReader| conn.statement("SELECT 1").number(conn);
    assert_eq!(readers.heavy.read(one).await.unwrap(), 1, "the connection goes on");

    let ended = endless(&readers, minute);
    until(|| readers.heavy.admission.running() == 1).await;
    ending.cancel();
    assert!(matches!(ended.await.unwrap(), Err(StoreError::Closed)));
    readers.close().await;
}

#[test]
fn a_place_is_left_for_others_on_every_machine() {
    for processors in [1, 2, 3, 8, 64] {
        let (lists, heavy) = bounds(processors);
        for bounds in [lists, heavy] {
            assert!((1..bounds.running).contains(&bounds.running_of_one), "{processors}: {bounds:?}");
            assert!(bounds.waiting_of_one < bounds.waiting, "{processors}: {bounds:?}");
        }
    }
}

/// A connection that is of no use after one read.
struct Once(bool);

impl ReadConnection for Once {
    fn is_usable(&self) -> bool {
        !self.0
    }
}

#[tokio::test]
async fn an_answer_counts_though_its_connection_is_not_used_again() {
    let (target, _directory) = sqlite(&CancellationToken::new());
    let bounds = Bounds { running: 1, running_of_one: 1, waiting: 1, waiting_of_one: 1 };
    let pool = Pool::new("test", bounds, |_| Ok(Box::new(Once(false))), &target, None, &DatabaseMetrics::unseen());
    for _ in 0..2 {
        let query = |conn: &mut Once, _: &Limit| Ok(std::mem::replace(&mut conn.0, true));
        assert!(!pool.read_within(None, deadline(), query).await.expect("answered"));
    }
    assert_eq!(pool.idle(), 0);
}

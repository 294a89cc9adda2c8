//! Two instances under many simultaneous clients: in every stretch of time as long as the window, no more requests are
//! allowed than the limit, and none is refused while requests are left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hotshelf_testkit::{Client, PATIENCE, RedisServer};
use rand::RngExt;
use tokio::task::JoinSet;

use super::{limited_in, two_limited};
use hotshelf_testkit::catalogue::{create, laptop, path};

const CLIENTS: usize = 200;
const LIMIT: usize = 60;
const WINDOW: Duration = Duration::from_secs(2);
/// Enough for the ends of several windows.
const ENOUGH: usize = 4 * LIMIT;
/// A used request is available again a hundredth of the window late; times are in milliseconds.
const LATE: Duration = Duration::from_millis(21);

/// A request. The decision about it was made between these two times.
#[derive(Clone, Copy)]
struct Asked {
    begin: Instant,
    end: Instant,
    allowed: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_allow_exactly_the_limit_in_any_window() {
    let redis = RedisServer::start();
    let services = two_limited(limited_in(&redis, &format!("{LIMIT}/2s")).env("REDIS_COMMAND_TIMEOUT", "30s")).await;
    let product = path(&create(&services[0], &laptop()).await);
    let allowed = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = services[number % 2].client().clone();
        clients.spawn(ask(client, product.clone(), Arc::clone(&allowed)));
    }
    let mut asked: Vec<Asked> = clients.join_all().await.concat();
    asked.sort_by_key(|asked| asked.begin);
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.iter().partition(|asked| asked.allowed);
    println!("{} let through and {} refused in {:?}", allowed.len(), refused.len(), begin.elapsed());

    for service in &services {
        assert!(!service.log().contains("not counted in Redis"), "the loss of Redis is another test");
    }
    assert!(allowed.len() >= ENOUGH && refused.len() > CLIENTS, "the limit was not reached");
    assert_no_window_has_more(&allowed);
    assert_refused_with_reason(&refused, &allowed, begin);
}

/// Sends requests at random times until enough were allowed.
async fn ask(client: Client, path: String, allowed: Arc<AtomicUsize>) -> Vec<Asked> {
    let mut asked = Vec::new();
    let begin = Instant::now();
    while allowed.load(Ordering::Relaxed) < ENOUGH {
        assert!(begin.elapsed() < PATIENCE, "too few requests are allowed");
        let one = ask_once(&client, &path).await;
        asked.push(one);
        let pause = if one.allowed {
            allowed.fetch_add(1, Ordering::Relaxed);
            // So that the used requests do not all become available at once.
            rand::rng().random_range(0..1_000)
        } else {
            rand::rng().random_range(5..25)
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    asked
}

async fn ask_once(client: &Client, path: &str) -> Asked {
    let begin = Instant::now();
    let reply = client.get(path).await;
    assert!([200, 429].contains(&reply.status), "{reply:?}");
    Asked { begin, end: Instant::now(), allowed: reply.status == 200 }
}

/// Requests that all began after one moment and were all answered less than a window later were allowed in one window,
/// whenever each decision was made.
#[track_caller]
fn assert_no_window_has_more(allowed: &[Asked]) {
    for first in allowed {
        let inside = |asked: &&Asked| asked.begin >= first.begin && asked.end < first.begin + WINDOW;
        let count = allowed.iter().filter(inside).count();
        assert!(count <= LIMIT, "{count} were allowed within {WINDOW:?}");
    }
}

/// A request is refused only if the limit was used up: as far as the times show, that many requests were allowed in the
/// window before.
#[track_caller]
fn assert_refused_with_reason(refused: &[Asked], allowed: &[Asked], begin: Instant) {
    for refused in refused {
        let since = refused.begin.checked_sub(WINDOW + LATE).unwrap_or(begin);
        // One request was the creation of the product.
        let before = usize::from(since < begin);
        let possible = allowed.iter().filter(|asked| asked.end >= since && asked.begin <= refused.end).count();
        assert!(possible + before >= LIMIT, "refused with {possible} of {LIMIT} requests used");
    }
}

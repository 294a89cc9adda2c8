use std::convert::Infallible;
use std::sync::Arc;

use axum::http::StatusCode;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::sleep;

use super::*;

fn uploads(most: usize, bytes: usize) -> Arc<Uploads> {
    let options = UploadOptions { most, bytes, timeout: Duration::from_secs(10) };
    Arc::new(Uploads::new(options, CancellationToken::new()))
}

fn client(name: &str) -> Subject {
    Subject::new(name)
}

/// So many pieces of so many bytes, each after that pause, and then the end or nothing.
fn body(pieces: usize, bytes: usize, pause: Duration, ends: bool) -> Body {
    let piece = move |_| async move {
        sleep(pause).await;
        Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes]))
    };
    let pieces = stream::iter(0..pieces).then(piece);
    Body::from_stream(pieces.chain(if ends { rest(stream::empty()) } else { rest(stream::pending()) }))
}

fn rest<S>(stream: S) -> std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>
where
    S: Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
{
    Box::pin(stream)
}

fn unfinished() -> Body {
    body(1, 1, Duration::ZERO, false)
}

const LIMIT: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn what_comes_at_once_takes_no_part_of_the_bounds() {
    let uploads = uploads(1, 1);
    let (bytes, reservation) = uploads.receive(Body::from(vec![0; 1_000]), LIMIT, &client("a")).await.unwrap();
    assert!(bytes.len() == 1_000 && reservation.is_none());
}

#[tokio::test(start_paused = true)]
async fn one_client_cannot_take_the_places_of_the_others() {
    let uploads = uploads(8, 1 << 20);
    let wait = |name: &'static str| {
        let uploads = Arc::clone(&uploads);
        tokio::spawn(async move { uploads.receive(unfinished(), LIMIT, &client(name)).await.map(drop) })
    };
    let attackers: Vec<_> = (0..20).map(|_| wait("attacker")).collect();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(uploads.under_way(), 2);
    let others = body(5, 10, Duration::from_secs(1), true);
    let (bytes, reservation) = uploads.receive(others, LIMIT, &client("other")).await.unwrap();
    assert_eq!(bytes.len(), 50);
    assert_eq!(uploads.under_way.lock().all.bytes, 52, "reservation until it is worked off");
    drop(reservation);
    let mut statuses = Vec::new();
    for attacker in attackers {
        statuses.push(attacker.await.unwrap().unwrap_err().status);
    }
    let refused = statuses.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert_eq!((refused, statuses.len()), (18, 20));
    let usage = uploads.under_way.lock();
    assert!(usage.all.bodies == 0 && usage.all.bytes == 0 && usage.clients.is_empty(), "all is given back");
}

#[tokio::test(start_paused = true)]
async fn bytes_are_bounded_over_all_bodies_and_for_each_client() {
    let uploads = uploads(8, 100_000);
    let large = || body(2, 30_000, Duration::from_millis(1), true);
    let refused = uploads.receive(large(), LIMIT, &client("a")).await.map(drop).unwrap_err();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "more than half");
    let fitting = || body(1, 40_000, Duration::from_millis(1), true);
    let (_, first) = uploads.receive(fitting(), LIMIT, &client("a")).await.unwrap();
    let (_, second) = uploads.receive(fitting(), LIMIT, &client("b")).await.unwrap();
    assert!(uploads.receive(fitting(), LIMIT, &client("c")).await.is_err(), "more than all");
    drop((first, second));
    assert!(uploads.receive(fitting(), LIMIT, &client("c")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn time_counts_from_the_last_byte_and_a_trickle_ends_all_the_same() {
    let uploads = uploads(8, 8 << 20);
    let status = async |body| uploads.receive(body, LIMIT, &client("a")).await.map(drop).map_err(|error| error.status);
    let begun = Instant::now();
    assert_eq!(status(unfinished()).await, Err(StatusCode::REQUEST_TIMEOUT));
    assert_eq!(begun.elapsed().as_secs(), 10);
    // Four seconds at a time, and together far more than the time-out.
    assert_eq!(status(body(16, 40_000, Duration::from_secs(4), true)).await, Ok(()));
    let begun = Instant::now();
    assert_eq!(status(body(1_000, 1, Duration::from_secs(9), true)).await, Err(StatusCode::REQUEST_TIMEOUT));
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_body_byte_by_byte_is_kept_as_its_bytes() {
    let uploads = uploads(8, 8 << 20);
    let (bytes, _reservation) =
        uploads.receive(body(100_000, 1, Duration::ZERO, true), LIMIT, &client("a")).await.unwrap();
    assert_eq!(bytes.len(), 100_000);
    let refused = uploads.receive(body(3, 400_000, Duration::ZERO, true), LIMIT, &client("a")).await;
    assert_eq!(refused.map(drop).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_no_body() {
    let uploads = uploads(8, 8 << 20);
    let waiting = Arc::clone(&uploads);
    let waiting =
        tokio::spawn(async move { waiting.receive(unfinished(), LIMIT, &client("a")).await.map(drop).unwrap_err() });
    sleep(Duration::from_millis(1)).await;
    let begun = Instant::now();
    uploads.stopping.cancel();
    assert_eq!(waiting.await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

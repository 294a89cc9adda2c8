//! The HTTP server: given a listener and told when to stop.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::Peer;
use crate::front::Front;

/// After a failure to accept that will not go away at once, such as too many open files.
const BREATHER: Duration = Duration::from_millis(500);

/// A request that a client does not finish sending must not hold up the stop.
const LONGEST_GOODBYE: Duration = Duration::from_secs(20);

/// Serves until `stopping`; then takes no more connections and returns when the requests under way are answered. A connection
/// that idles for longer than `patience`, or takes that long to send the head of a request, is closed.
pub(crate) async fn run(listener: TcpListener, front: Front, patience: Duration, stopping: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                drop(connections.spawn(serve(stream, peer, front.clone(), patience, stopping.clone())))
            }
            Err(error) if is_of_the_connection(&error) => tracing::debug!(%error, "a connection broke off"),
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve(stream: TcpStream, peer: SocketAddr, front: Front, patience: Duration, stopping: CancellationToken) {
    // Answers are small and written whole: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let peer = Peer::new(peer.ip());
    let requests = AtomicU64::new(0);
    let counted = service_fn(|request| {
        requests.fetch_add(1, Ordering::Relaxed);
        front.call(&peer, request)
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), counted));
    let served = tokio::select! {
        biased;
        served = connection.as_mut() => Some(served),
        () = stopping.cancelled() => None,
        () = idle(&requests, patience) => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            let Ok(served) = timeout(LONGEST_GOODBYE.min(patience), connection).await else { return };
            served
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Ends when no request has begun for as long as the patience, or up to twice. Looked at now and then: a timer for each request, as hyper's own bound on
/// the time for a head needs it, would cost a hit a twentieth.
async fn idle(requests: &AtomicU64, patience: Duration) {
    let mut seen = None;
    loop {
        let begun = requests.load(Ordering::Relaxed);
        if seen.replace(begun) == Some(begun) {
            return;
        }
        sleep(patience).await;
    }
}

/// Whether only one connection failed, before it was accepted, and the next may do better.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

//! The HTTP server: given a listener and told when to stop.

use std::io;
use std::pin::pin;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::front::Front;

/// After a failure to accept that will not go away at once, such as too many open files.
const BREATHER: Duration = Duration::from_millis(500);

/// For the head of a request, from the end of the one before: also how long a connection may idle.
const LONGEST_HEAD: Duration = Duration::from_secs(75);
/// A request that a client does not finish sending must not hold up the stop.
const LONGEST_GOODBYE: Duration = Duration::from_secs(20);

/// Serves until `stopping`; then takes no more connections and returns when the requests under way are answered.
pub(crate) async fn run(listener: TcpListener, front: Front, stopping: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, front.clone(), stopping.clone()))),
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

async fn serve(stream: TcpStream, front: Front, stopping: CancellationToken) {
    // Answers are small and written whole: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(LONGEST_HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), front));
    let served = match stopping.run_until_cancelled(connection.as_mut()).await {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            let Ok(served) = timeout(LONGEST_GOODBYE, connection).await else { return };
            served
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Whether only one connection failed, before it was accepted, and the next may do better.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

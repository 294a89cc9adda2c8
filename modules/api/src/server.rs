//! The HTTP server: accepts connections from a listener until it is stopped.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hotshelf_lifecycle::Trouble;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{Activity, CloseOrder, ObservedStream, RequestGuard, ResponseBody};
use crate::client::Peer;
use crate::connections::{ConnectionGuard, Connections};
use crate::fast_path::ApiService;
use crate::http2::{self, StreamTasks};
use crate::opening::Opening;
use crate::problem::closing;

/// Back-off after an accept error that will not go away at once, such as too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(500);

/// Maximum buffer (bytes) of a head, of an unread body and of an unsent response.
pub(crate) const BUFFER: usize = 32 << 10;

/// Serves until `stopping`. Then accepts no more connections and returns when [`Connections`] has closed the open ones.
pub(crate) async fn run(
    listener: TcpListener,
    service: ApiService,
    connections: Arc<Connections>,
    stopping: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let streams = StreamTasks::new(tasks.clone(), connections.stalled());
    let watching = Arc::clone(&connections);
    let watched = stopping.clone();
    tasks.spawn(async move { watching.watch(watched).await });
    let trouble = Trouble::default();
    while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                if let Some(lasted) = trouble.succeeded() {
                    tracing::info!(after = ?lasted, "connections are accepted again");
                }
                let guard = connections.admit(peer.ip());
                drop(tasks.spawn(serve(stream, peer, service.clone(), guard, streams.clone())));
                // Let the tasks of evicted connections close their sockets before the next accept.
                yield_now().await;
            }
            Err(error) if is_of_the_connection(&error) => tracing::debug!(%error, "a connection broke off"),
            Err(error) => {
                if trouble.failed(error.to_string()) {
                    tracing::error!(%error, "cannot accept connections; trying again every {ACCEPT_BACKOFF:?}");
                }
                connections.make_room();
                stopping.run_until_cancelled(tokio::time::sleep(ACCEPT_BACKOFF)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn serve(stream: TcpStream, peer: SocketAddr, service: ApiService, guard: ConnectionGuard, tasks: StreamTasks) {
    // Responses are small and written at once: Nagle's algorithm would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let (peer, activity) = (Peer::new(peer.ip()), &guard.activity);
    let (opening, heard) = match open(&stream, activity).await {
        Some((Ok(opening), heard)) => (opening, heard),
        Some((Err(error), _)) => return tracing::debug!(%error, "a connection ended before its first request"),
        None => return,
    };
    let http2 = opening.is_http2();
    let stream = ObservedStream::new(opening.into_bytes(), TokioIo::new(stream), Arc::clone(activity));
    let served = if http2 {
        http2::serve(stream, &peer, &service, &guard, tasks, heard).await
    } else {
        serve_http1(stream, &peer, &service, &guard, heard).await
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Reads the beginning of a connection; also returns the order that it was given meanwhile. `None`: to end it.
async fn open(stream: &TcpStream, activity: &Activity) -> Option<(io::Result<Opening>, Option<CloseOrder>)> {
    let (mut opening, mut heard) = (pin!(Opening::read(stream, activity)), None);
    loop {
        tokio::select! {
            biased;
            opening = &mut opening => return Some((opening, heard)),
            order = poll_fn(|cx| activity.poll_order(heard, cx)) => match order {
                CloseOrder::End => return None,
                // A request that is on its way is still answered.
                CloseOrder::Finish => heard = Some(order),
            },
        }
    }
}

async fn serve_http1(
    stream: impl Read + Write + Unpin,
    peer: &Peer,
    service: &ApiService,
    guard: &ConnectionGuard,
    heard: Option<CloseOrder>,
) -> hyper::Result<()> {
    let (activity, reserved) = (&guard.activity, guard.reserved);
    let answering = service_fn(|request| {
        let under_way = RequestGuard::begin(activity);
        let answering = if reserved { service.call_for_probes(peer, request) } else { service.call(peer, request) };
        answering.map(move |answer| {
            answer.map(|mut response| {
                if reserved {
                    response.headers_mut().extend([closing()]);
                }
                response.map(|body| ResponseBody::new(body, under_way))
            })
        })
    });
    let connection = pin!(http1::Builder::new().max_buf_size(BUFFER).serve_connection(stream, answering));
    drive(connection, http1::Connection::graceful_shutdown, activity, heard).await.unwrap_or(Ok(()))
}

/// Runs a connection until it ends. `None`: it was ordered to end at once. `heard` is the order that it was given
/// before.
pub(crate) async fn drive<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    activity: &Activity,
    mut heard: Option<CloseOrder>,
) -> Option<hyper::Result<()>> {
    if heard.is_some() {
        finish(connection.as_mut());
    }
    loop {
        tokio::select! {
            biased;
            served = connection.as_mut() => return Some(served),
            order = poll_fn(|cx| activity.poll_order(heard, cx)) => {
                if order == CloseOrder::End {
                    return None;
                }
                heard = Some(order);
                finish(connection.as_mut());
            }
        }
    }
}

/// Whether the error concerns this connection only.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;

//! The HTTP server: given a listener and told when to stop.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{Answered, Noted, Order, UnderWay};
use crate::client::Peer;
use crate::connections::{Connections, Place};
use crate::fast_path::ApiService;
use crate::problem::closing;

/// After a failure to accept that will not go away at once, such as too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(500);

/// The most that is kept of a head, of a body that nobody has taken, and of an answer that the client has not taken.
const BUFFER: usize = 32 << 10;

/// Serves until `stopping`; then takes no more connections and returns when those that there are have ended, as
/// [`Connections`] has it.
pub(crate) async fn run(
    listener: TcpListener,
    service: ApiService,
    connections: Arc<Connections>,
    stopping: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let watching = Arc::clone(&connections);
    let watched = stopping.clone();
    tasks.spawn(async move { watching.watch(watched).await });
    let mut refusals = Refusals::default();
    while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                refusals.over();
                let place = connections.enter(peer.ip());
                drop(tasks.spawn(serve(stream, peer, service.clone(), place)));
                // Those that have made room for it must have come to close theirs before there are many.
                yield_now().await;
            }
            Err(error) if is_of_the_connection(&error) => tracing::debug!(%error, "a connection broke off"),
            Err(error) => {
                refusals.another(&error);
                connections.make_room();
                stopping.run_until_cancelled(tokio::time::sleep(ACCEPT_BACKOFF)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn serve(stream: TcpStream, peer: SocketAddr, service: ApiService, place: Place) {
    // Answers are small and written whole: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let peer = Peer::new(peer.ip());
    let (activity, in_reserve) = (&place.activity, place.in_reserve);
    let answering = service_fn(|request| {
        let under_way = UnderWay::begin(activity);
        let answering = if in_reserve { service.call_for_probes(&peer, request) } else { service.call(&peer, request) };
        answering.map(move |answer| {
            answer.map(|mut response| {
                if in_reserve {
                    response.headers_mut().extend([closing()]);
                }
                response.map(|body| Answered::new(body, under_way))
            })
        })
    });
    let stream = Noted::new(TokioIo::new(stream), Arc::clone(activity));
    let mut connection = pin!(http1::Builder::new().max_buf_size(BUFFER).serve_connection(stream, answering));
    let mut heard = None;
    let served = loop {
        tokio::select! {
            biased;
            served = connection.as_mut() => break served,
            order = poll_fn(|cx| activity.poll_order(heard, cx)) => {
                if order == Order::End {
                    return;
                }
                heard = Some(order);
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Failures to accept, told once and not each time.
#[derive(Default)]
struct Refusals(Option<(Instant, usize)>);

impl Refusals {
    fn another(&mut self, error: &io::Error) {
        match &mut self.0 {
            Some((_, count)) => *count += 1,
            None => {
                tracing::error!(%error, "cannot accept connections; trying again every {ACCEPT_BACKOFF:?}");
                self.0 = Some((Instant::now(), 1));
            }
        }
    }

    fn over(&mut self) {
        if let Some((since, failures)) = self.0.take() {
            tracing::info!(failures, after = ?since.elapsed(), "connections are accepted again");
        }
    }
}

/// Whether only one connection failed, before it was accepted, and the next may do better.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;

//! HTTP/2 without TLS, by prior knowledge (RFC 9113, section 3.3), as proxies speak it to the services behind them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::activity::{CloseOrder, StreamGuard};
use crate::client::Peer;
use crate::connections::{ConnectionGuard, StreamSlot};
use crate::fast_path::ApiService;
use crate::server::{BUFFER, drive};

/// Maximum number of streams of one connection.
const MAX_STREAMS: u32 = 100;
/// What a client may send before it is read (bytes): of one stream, and of all streams of a connection.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
const MAX_FRAME: u32 = 16 << 10;
/// Streams that the client has reset before they were accepted, and streams that its errors have reset. Beyond that,
/// the connection is closed: a client that does nothing else is a flood.
const MAX_PENDING_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 100;
/// Detects a client that has disappeared.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A body is handed over in pieces of this size (bytes), each when the client has made room for a byte of it. Handed
/// over as a whole, it would look as if it were sent.
const PIECE: usize = 16 << 10;

/// Serves a connection until it ends or is ordered to.
pub(crate) async fn serve<S: Read + Write + Unpin>(
    stream: S,
    peer: &Peer,
    service: &ApiService,
    guard: &ConnectionGuard,
    tasks: StreamTasks,
    heard: Option<CloseOrder>,
) -> hyper::Result<()> {
    let activity = &guard.activity;
    activity.multiplex();
    let answering = service_fn(|request: Request<Incoming>| {
        let under_way = (StreamGuard::begin(activity), guard.begin_stream());
        let answering = if guard.reserved {
            // One request, as with HTTP/1.1.
            activity.order(CloseOrder::Finish);
            service.call_for_probes(peer, request)
        } else if under_way.1.is_none() {
            service.call_for_probes(peer, request)
        } else {
            service.call(peer, request)
        };
        answering.map(move |answer| answer.map(|response| response.map(|body| StreamBody::new(body, under_way))))
    });
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(BUFFER as u32)
        .max_send_buf_size(BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(stream, answering));
    match drive(connection.as_mut(), http2::Connection::graceful_shutdown, activity, heard).await {
        Some(served) => served,
        None => {
            // A client that is told so does not take the end for a fault. Which of its requests were begun it does not
            // learn, since the connection does not wait for an answer.
            connection.as_mut().graceful_shutdown();
            connection.now_or_never().unwrap_or(Ok(()))
        }
    }
}

/// Runs the tasks of streams.
#[derive(Clone)]
pub(crate) struct StreamTasks {
    tasks: TaskTracker,
    stalled: Duration,
}

impl StreamTasks {
    /// A stream is reset when nothing happened to it for the time `stalled`: its client does not read the response.
    pub(crate) fn new(tasks: TaskTracker, stalled: Duration) -> Self {
        StreamTasks { tasks, stalled }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamTasks {
    fn execute(&self, stream: F) {
        drop(self.tasks.spawn(unless_stalled(stream, self.stalled)));
    }
}

/// Runs the task of a stream, which is woken when its request is answered in part, or when its client has made room for
/// more of the response. If it was not woken for the time `stalled`, it is dropped, which resets the stream.
async fn unless_stalled(stream: impl Future<Output = ()>, stalled: Duration) {
    let (mut stream, mut timer) = (pin!(stream), pin!(sleep(stalled)));
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() || timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        timer.as_mut().reset(Instant::now() + stalled);
        // The new time needs a waker.
        timer.as_mut().poll(cx)
    })
    .await;
}

/// The body of a response, in pieces.
struct StreamBody {
    body: Body,
    /// What is left of the last frame.
    rest: Bytes,
    guard: StreamGuard,
    _slot: Option<StreamSlot>,
}

impl StreamBody {
    fn new(body: Body, (guard, slot): (StreamGuard, Option<StreamSlot>)) -> Self {
        StreamBody { body, rest: Bytes::new(), guard, _slot: slot }
    }
}

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            self.guard.answers();
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        self.guard.has_answered();
        // The last byte goes alone: it is asked for when the client has made room for all before it. Until then, the
        // stream keeps its place. It is copied, so that it does not keep the body in memory.
        let piece = match self.rest.len() {
            1 => Bytes::copy_from_slice(&std::mem::take(&mut self.rest)),
            length => self.rest.split_to((length - 1).min(PIECE)),
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        body.upper().into_iter().for_each(|upper| hint.set_upper(upper + rest));
        hint
    }
}

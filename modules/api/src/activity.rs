//! The state of a connection. Its task writes it, with one or two stores per request; the watcher of all connections
//! polls it. A timer per request, as hyper's header timeout needs it, would cost a hit 5 %.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};
use std::task::{Context, Poll};

use axum::Error;
use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};

/// The state of a connection that decides when it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// Between two requests, or before the first.
    Idle,
    /// Receiving the head of a request.
    Head,
    /// Answering a request, until the last byte of the response is written.
    Working,
    /// The client does not read its response.
    Stuck,
}

/// An order to the task of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CloseOrder {
    /// Close after the request in progress.
    Finish,
    /// Close at once.
    End,
}

/// With HTTP/1.1, only the task of the connection writes these, except `order`. Readers poll, so relaxed ordering is
/// enough.
#[derive(Default)]
pub(crate) struct Activity {
    requests: AtomicU64,
    under_way: AtomicBool,
    /// Streams of HTTP/2 in progress, those of them whose client waits for the service, and pieces of responses that
    /// were sent. The tasks of the streams write these.
    streams: AtomicUsize,
    answering: AtomicUsize,
    pieces: AtomicU64,
    /// HTTP/2: what is read between two requests need not be the head of one.
    multiplexed: AtomicBool,
    /// Data was read since the last request began or ended.
    unread: AtomicBool,
    writes: AtomicU64,
    blocked: AtomicBool,
    order: AtomicU8,
    task: AtomicWaker,
}

impl Activity {
    /// The state, and a number that changes whenever the state did.
    pub(crate) fn now(&self) -> (ConnectionState, u64) {
        let requests = self.requests.load(Relaxed);
        if self.blocked.load(Relaxed) {
            (ConnectionState::Stuck, self.writes.load(Relaxed))
        } else if self.under_way.load(Relaxed) || self.answering.load(Relaxed) > 0 {
            (ConnectionState::Working, requests)
        } else if self.streams.load(Relaxed) > 0 {
            (ConnectionState::Stuck, self.pieces.load(Relaxed))
        } else if self.unread.load(Relaxed) && !self.multiplexed.load(Relaxed) {
            (ConnectionState::Head, requests)
        } else {
            (ConnectionState::Idle, requests)
        }
    }

    /// A stricter order replaces a milder one.
    pub(crate) fn order(&self, order: CloseOrder) {
        self.order.fetch_max(order as u8 + 1, AcqRel);
        self.task.wake();
    }

    /// The order, if it is stricter than `heard`. For the task of the connection.
    pub(crate) fn poll_order(&self, heard: Option<CloseOrder>, cx: &Context<'_>) -> Poll<CloseOrder> {
        // Register first: an order that arrives after the load then wakes the task.
        self.task.register(cx.waker());
        let order = match self.order.load(Acquire) {
            0 => None,
            1 => Some(CloseOrder::Finish),
            _ => Some(CloseOrder::End),
        };
        match order {
            Some(order) if heard < Some(order) => Poll::Ready(order),
            _ => Poll::Pending,
        }
    }

    /// The connection speaks HTTP/2.
    pub(crate) fn multiplex(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    pub(crate) fn has_read(&self) {
        self.unread.store(true, Relaxed);
    }

    fn has_written(&self, ready: bool) {
        if ready {
            // The only writer is this task.
            self.writes.store(self.writes.load(Relaxed) + 1, Relaxed);
        }
        if self.blocked.load(Relaxed) == ready {
            self.blocked.store(!ready, Relaxed);
        }
    }
}

/// A request in progress, until its response is sent or dropped.
pub(crate) struct RequestGuard(Arc<Activity>);

impl RequestGuard {
    pub(crate) fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.store(activity.requests.load(Relaxed) + 1, Relaxed);
        activity.unread.store(false, Relaxed);
        activity.under_way.store(true, Release);
        RequestGuard(Arc::clone(activity))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        // What was read meanwhile belonged to the body.
        self.0.unread.store(false, Relaxed);
        self.0.under_way.store(false, Release);
    }
}

/// A stream of HTTP/2 in progress, until the last byte of its response is handed over or the stream is reset.
pub(crate) struct StreamGuard {
    activity: Arc<Activity>,
    answering: bool,
}

impl StreamGuard {
    pub(crate) fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Relaxed);
        activity.streams.fetch_add(1, Relaxed);
        activity.answering.fetch_add(1, Relaxed);
        StreamGuard { activity: Arc::clone(activity), answering: true }
    }

    /// The next piece of the response is being made.
    pub(crate) fn answers(&mut self) {
        if !self.answering {
            self.answering = true;
            self.activity.answering.fetch_add(1, Relaxed);
        }
    }

    /// A piece of the response is on its way: the client has to make room for the next one.
    pub(crate) fn has_answered(&mut self) {
        self.activity.pieces.fetch_add(1, Relaxed);
        if self.answering {
            self.answering = false;
            self.activity.answering.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.activity.answering.fetch_sub(usize::from(self.answering), Relaxed);
        self.activity.streams.fetch_sub(1, Relaxed);
    }
}

/// The body of a response. The request ends when it is dropped.
pub(crate) struct ResponseBody {
    body: Body,
    _request: RequestGuard,
}

impl ResponseBody {
    pub(crate) fn new(body: Body, request: RequestGuard) -> Self {
        ResponseBody { body, _request: request }
    }
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that records reads and writes in the activity. It begins with the bytes that were read of it before.
pub(crate) struct ObservedStream<S> {
    stream: S,
    begun: Bytes,
    activity: Arc<Activity>,
}

impl<S> ObservedStream<S> {
    pub(crate) fn new(begun: Bytes, stream: S, activity: Arc<Activity>) -> Self {
        ObservedStream { stream, begun, activity }
    }

    fn record_write(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.has_written(written.is_ready());
        written
    }
}

impl<S: Read + Unpin> Read for ObservedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.begun.is_empty() {
            let fits = self.begun.len().min(buf.remaining());
            buf.put_slice(&self.begun.split_to(fits));
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.activity.has_read();
        }
        read
    }
}

impl<S: Write + Unpin> Write for ObservedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.record_write(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.record_write(written)
    }
}

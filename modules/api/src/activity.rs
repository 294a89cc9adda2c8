//! What a connection is doing. The connection's task writes it, a store or two for each request; whoever decides which
//! connections are closed reads it now and then. A timer for each request, as hyper's own bound on the time for a head
//! needs it, would cost a hit a twentieth.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::task::{Context, Poll};

use axum::Error;
use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};

/// What a connection is doing, as far as its end depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: it is between two requests, or before the first.
    Idle,
    /// The head of a request has begun to come.
    Head,
    /// A request is being answered, until the last byte of the answer is handed over.
    Working,
    /// The client does not take what is sent.
    Stuck,
}

/// What the connection's task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// The request under way is the last one.
    Finish,
    /// At once.
    End,
}

/// All but the order is written by the connection's task alone and only looked at by others, who look again before
/// long: no order among these is needed.
#[derive(Default)]
pub(crate) struct Activity {
    requests: AtomicU64,
    under_way: AtomicBool,
    /// Something was read since the last request began or ended.
    unread: AtomicBool,
    writes: AtomicU64,
    blocked: AtomicBool,
    order: AtomicU8,
    task: AtomicWaker,
}

impl Activity {
    /// What it is doing, and a number that is another one when it did something else in between.
    pub(crate) fn now(&self) -> (Doing, u64) {
        let requests = self.requests.load(Relaxed);
        if self.blocked.load(Relaxed) {
            (Doing::Stuck, self.writes.load(Relaxed))
        } else if self.under_way.load(Relaxed) {
            (Doing::Working, requests)
        } else if self.unread.load(Relaxed) {
            (Doing::Head, requests)
        } else {
            (Doing::Idle, requests)
        }
    }

    /// An order takes the place of a milder one.
    pub(crate) fn order(&self, order: Order) {
        self.order.fetch_max(order as u8 + 1, AcqRel);
        self.task.wake();
    }

    /// The order, if it is one beyond what was heard already. For the connection's task.
    pub(crate) fn poll_order(&self, heard: Option<Order>, cx: &Context<'_>) -> Poll<Order> {
        // Registered first: an order that comes in between wakes the task.
        self.task.register(cx.waker());
        let order = match self.order.load(Acquire) {
            0 => None,
            1 => Some(Order::Finish),
            _ => Some(Order::End),
        };
        match order {
            Some(order) if heard < Some(order) => Poll::Ready(order),
            _ => Poll::Pending,
        }
    }

    fn has_read(&self) {
        self.unread.store(true, Relaxed);
    }

    fn has_written(&self, ready: bool) {
        if ready {
            // Nobody else writes it.
            self.writes.store(self.writes.load(Relaxed) + 1, Relaxed);
        }
        if self.blocked.load(Relaxed) == ready {
            self.blocked.store(!ready, Relaxed);
        }
    }
}

/// A request of the connection, until its answer is sent or given up.
pub(crate) struct UnderWay(Arc<Activity>);

impl UnderWay {
    pub(crate) fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.store(activity.requests.load(Relaxed) + 1, Relaxed);
        activity.unread.store(false, Relaxed);
        activity.under_way.store(true, Release);
        UnderWay(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // What was read meanwhile was the request's body.
        self.0.unread.store(false, Relaxed);
        self.0.under_way.store(false, Release);
    }
}

/// The body of an answer, with which the request ends.
pub(crate) struct Answered {
    body: Body,
    _request: UnderWay,
}

impl Answered {
    pub(crate) fn new(body: Body, request: UnderWay) -> Self {
        Answered { body, _request: request }
    }
}

impl hyper::body::Body for Answered {
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

/// A stream that notes when something is read and written.
pub(crate) struct Noted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Noted<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Noted { stream, activity }
    }

    fn note_write(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.has_written(written.is_ready());
        written
    }
}

impl<S: Read + Unpin> Read for Noted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.activity.has_read();
        }
        read
    }
}

impl<S: Write + Unpin> Write for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_write(written)
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
        self.note_write(written)
    }
}

//! Receives request bodies within bounds: how many at a time, how many bytes in total, how slowly. A request that waits
//! for its body holds no permit of the bound on concurrent requests.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use hotshelf_ratelimit::Subject;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::body::too_large;
use crate::problem::{Problem, closing};

/// A body that arrives within this time after its head is not counted.
const SOON: Duration = Duration::from_millis(50);
/// A body of up to this size (bytes) that arrives at once is not counted.
const AT_ONCE: usize = 16 << 10;
/// Minimum average rate of a body in bytes per second, and the head start in timeouts.
const SLOWEST: usize = 8 << 10;
const HEAD_START: u32 = 3;
/// One client may use a quarter of the bodies and half of the bytes.
const CLIENTS_BODIES: usize = 4;
const CLIENTS_BYTES: usize = 2;

/// Bounds of the request bodies in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadOptions {
    /// Bodies that are received at a time; a quarter of them from one address. Further requests get 503.
    pub most: usize,
    /// Bytes of bodies in memory; half of them from one address. Requests beyond that get 503. Bodies of up to 16 KiB
    /// that arrive at once are not counted.
    pub bytes: usize,
    /// A request gets 408 if no data of its body arrives for this time, or less than 8 KiB/s after three times as long.
    pub timeout: Duration,
}

pub(crate) struct Uploads {
    options: UploadOptions,
    under_way: Mutex<Usage>,
    /// Cancelled at the stop: no body is waited for any longer.
    stopping: CancellationToken,
}

#[derive(Default)]
struct Usage {
    all: Share,
    clients: HashMap<Subject, Share>,
}

#[derive(Clone, Copy, Default)]
struct Share {
    bodies: usize,
    bytes: usize,
}

impl Uploads {
    pub(crate) fn new(options: UploadOptions, stopping: CancellationToken) -> Self {
        Uploads { options, under_way: Mutex::default(), stopping }
    }

    /// The number of bodies that are being received.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.lock().all.bodies
    }

    /// Receives the whole body of at most `limit` bytes. Its share of the bounds must be held as long as it is in
    /// memory.
    pub(crate) async fn receive(
        &self,
        mut body: Body,
        limit: usize,
        client: &Subject,
    ) -> Result<(Bytes, Option<Reservation<'_>>), Problem> {
        let mut received = BodyBuffer { bytes: BytesMut::new(), limit };
        let mut waited = false;
        while received.bytes.len() <= AT_ONCE.min(limit) {
            let frame = match body.frame().now_or_never() {
                Some(frame) => frame,
                // Many clients send the body right after the head.
                None if !waited => match timeout(SOON, body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) => break,
                },
                None => break,
            };
            waited = true;
            match frame {
                Some(frame) => drop(received.add(frame)?),
                None => return Ok((received.bytes.freeze(), None)),
            }
        }
        let mut reservation = self.reserve(client, received.bytes.len())?;
        let waited = self.wait_for_rest(body, &mut received, &mut reservation);
        match self.stopping.run_until_cancelled(waited).await {
            Some(waited) => waited?,
            None => {
                return Err(Problem::unavailable("the service is shutting down, try again").with_headers([closing()]));
            }
        }
        reservation.complete();
        Ok((received.bytes.freeze(), Some(reservation)))
    }

    async fn wait_for_rest(
        &self,
        mut body: Body,
        received: &mut BodyBuffer,
        reservation: &mut Reservation<'_>,
    ) -> Result<(), Problem> {
        let (begun, idle_timeout) = (Instant::now(), self.options.timeout);
        loop {
            let per_byte = Duration::from_secs(1) / SLOWEST as u32;
            let allowed =
                idle_timeout * HEAD_START + per_byte * u32::try_from(received.bytes.len()).unwrap_or(u32::MAX);
            let left = allowed.saturating_sub(begun.elapsed());
            match timeout(idle_timeout.min(left), body.frame()).await {
                Ok(Some(frame)) => reservation.grow(received.add(frame)?)?,
                Ok(None) => return Ok(()),
                Err(_) if left < idle_timeout => {
                    return Err(Problem::too_slow(format!("the request body arrived at less than {SLOWEST} bytes/s")));
                }
                Err(_) => {
                    return Err(Problem::too_slow(format!("no data of the request body arrived for {idle_timeout:?}")));
                }
            }
        }
    }

    /// The share of a body that has become larger since it was received, or counts only now.
    pub(crate) fn count<'a>(
        &'a self,
        client: &Subject,
        reservation: Option<Reservation<'a>>,
        bytes: usize,
    ) -> Result<Option<Reservation<'a>>, Problem> {
        if bytes <= AT_ONCE {
            return Ok(reservation);
        }
        let mut reservation = match reservation {
            Some(reservation) => reservation,
            None => self.reserve(client, 0)?,
        };
        reservation.grow(bytes.saturating_sub(reservation.share.bytes))?;
        reservation.complete();
        Ok(Some(reservation))
    }

    fn reserve(&self, client: &Subject, bytes: usize) -> Result<Reservation<'_>, Problem> {
        let mut reservation = Reservation { uploads: self, client: client.clone(), share: Share::default() };
        let mut usage = self.under_way.lock();
        let share = usage.clients.get(client).copied().unwrap_or_default();
        if usage.all.bodies >= self.options.most || share.bodies >= part(self.options.most, CLIENTS_BODIES) {
            return Err(Problem::unavailable("too many request bodies are being received, try again"));
        }
        usage.add(client, Share { bodies: 1, bytes: 0 });
        reservation.share.bodies = 1;
        drop(usage);
        reservation.grow(bytes)?;
        Ok(reservation)
    }
}

/// The share of one client, at least one.
fn part(whole: usize, parts: usize) -> usize {
    (whole / parts).max(1)
}

impl Usage {
    fn add(&mut self, client: &Subject, more: Share) {
        let share = self.clients.entry(client.clone()).or_default();
        for sum in [&mut self.all, share] {
            sum.bodies += more.bodies;
            sum.bytes += more.bytes;
        }
    }

    fn subtract(&mut self, client: &Subject, less: Share) {
        self.all.bodies -= less.bodies;
        self.all.bytes -= less.bytes;
        if let Some(share) = self.clients.get_mut(client) {
            share.bodies -= less.bodies;
            share.bytes -= less.bytes;
            if share.bodies == 0 && share.bytes == 0 {
                self.clients.remove(client);
            }
        }
    }
}

/// The share of a body in the bounds; released on drop.
pub(crate) struct Reservation<'a> {
    uploads: &'a Uploads,
    client: Subject,
    share: Share,
}

impl Reservation<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let most = self.uploads.options.bytes;
        let mut usage = self.uploads.under_way.lock();
        let of_client = usage.clients.get(&self.client).map_or(0, |share| share.bytes);
        if usage.all.bytes + bytes > most || of_client + bytes > part(most, CLIENTS_BYTES) {
            let problem = Problem::unavailable("the request bodies in memory are too large in total, try again");
            return Err(problem.with_headers([closing()]));
        }
        usage.add(&self.client, Share { bodies: 0, bytes });
        self.share.bytes += bytes;
        Ok(())
    }

    /// The body is complete. Its bytes count until this is dropped.
    fn complete(&mut self) {
        let bodies = std::mem::take(&mut self.share.bodies);
        self.uploads.under_way.lock().subtract(&self.client, Share { bodies, bytes: 0 });
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.uploads.under_way.lock().subtract(&self.client, self.share);
    }
}

/// The data of a body in one buffer: a body that arrives byte by byte must not keep the buffer of each frame.
struct BodyBuffer {
    bytes: BytesMut,
    limit: usize,
}

impl BodyBuffer {
    /// Returns the number of bytes of this frame.
    fn add(&mut self, frame: Result<hyper::body::Frame<Bytes>, axum::Error>) -> Result<usize, Problem> {
        let frame = frame.map_err(|error| Problem::bad_request(format!("the request body ended early: {error}")))?;
        // Trailers are ignored.
        let Ok(data) = frame.into_data() else { return Ok(0) };
        if self.bytes.len() + data.len() > self.limit {
            return Err(too_large(self.limit));
        }
        self.bytes.extend_from_slice(&data);
        Ok(data.len())
    }
}

#[cfg(test)]
mod tests;

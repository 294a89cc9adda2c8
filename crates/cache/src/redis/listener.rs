//! Receives the invalidation stream, so that memory follows the writes of other processes.
//!
//! Redis tells those who track the prefix of the markers (`CLIENT TRACKING … BCAST`) at the end of each turn of its
//! event loop. Without pushes, nobody can tell whether nothing was written or the stream is broken. So each process
//! sends *heartbeats*, markers of its own, by the connection for commands: when one comes back here, so has everything
//! that happened before it. In a cluster, where each primary tells its own changes only, a heartbeat has a marker on
//! each of them, and is back when all are. No answer to a command could prove that: it may overtake the push of an
//! earlier write.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_redis_client::RedisError;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::RedisTier;
use super::link::InvalidationStream;
use super::names::Marker;
use crate::lease::LEASE;

/// Heartbeats that may be under way; older ones are forgotten.
const MAX_HEARTBEATS: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// After so many failures in a row, with a link for commands all the time, it is no mere reconnecting.
const FAILURES_TO_TELL: u32 = 5;

/// The heartbeats of this process that are under way.
pub(super) struct Heartbeats {
    instance: String,
    sent: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    next: u64,
    /// There is a connection on which they come back.
    is_listening: bool,
    under_way: VecDeque<UnderWay>,
}

struct UnderWay {
    number: u64,
    begun: Instant,
    /// Of the memory lease, when it was sent.
    term: u64,
    /// Where it has not come back from yet. What was done before it may have been done anywhere.
    missing: Vec<String>,
}

impl Heartbeats {
    pub(super) fn new(instance: String) -> Self {
        Heartbeats { instance, sent: Mutex::default() }
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// The number of a heartbeat that begins at `begun`, and is to come back from where all these hash tags lead.
    pub(super) fn begin(&self, begun: Instant, term: u64, hash_tags: &[String]) -> u64 {
        let mut sent = self.sent.lock();
        let number = sent.next;
        sent.next += 1;
        sent.under_way.push_back(UnderWay { number, begun, term, missing: hash_tags.to_vec() });
        if sent.under_way.len() > MAX_HEARTBEATS {
            sent.under_way.pop_front();
        }
        number
    }

    /// Whether a heartbeat has been under way for longer than any should be.
    fn overdue(&self) -> bool {
        self.sent.lock().under_way.front().is_some_and(|heartbeat| heartbeat.begun.elapsed() > LEASE)
    }

    /// Whether they are heard.
    pub(super) fn is_listening(&self) -> bool {
        self.sent.lock().is_listening
    }

    /// Whether they are heard, and the last one has come back.
    pub(super) fn may_begin(&self) -> bool {
        let sent = self.sent.lock();
        sent.is_listening && sent.under_way.is_empty()
    }

    /// That one was not sent.
    pub(super) fn forget(&self, number: u64) {
        self.sent.lock().under_way.retain(|heartbeat| heartbeat.number != number);
    }

    /// From now on they are heard, or not. Those that are under way may not come back.
    fn listen(&self, is_listening: bool) {
        let mut sent = self.sent.lock();
        sent.is_listening = is_listening;
        sent.under_way.clear();
    }

    /// When the heartbeat began that has now come back from everywhere, and in which term.
    fn back(&self, number: u64, hash_tag: &str) -> Option<(Instant, u64)> {
        let mut sent = self.sent.lock();
        let heartbeat = sent.under_way.iter_mut().find(|heartbeat| heartbeat.number == number)?;
        heartbeat.missing.retain(|missing| missing != hash_tag);
        let begun = heartbeat.missing.is_empty().then_some((heartbeat.begun, heartbeat.term))?;
        // What is older may come back, too, and tells nothing new.
        sent.under_way.retain(|heartbeat| heartbeat.number > number);
        Some(begun)
    }
}

pub(super) async fn run(tier: Arc<RedisTier>, stopping: CancellationToken) {
    let markers = tier.setup.names.markers();
    let (mut pause, mut failures) = (FIRST_PAUSE, 0);
    loop {
        let Some(stream) = stopping.run_until_cancelled(tier.connector.listen(&markers)).await else { return };
        let reason = match stream {
            Ok(mut stream) => {
                // No push told of what has happened until now.
                tier.setup.coherence.everything_changed();
                tier.heartbeats.listen(true);
                pause = FIRST_PAUSE;
                let ended = stopping.run_until_cancelled(listen(&tier, &mut *stream, &mut failures)).await;
                tier.heartbeats.listen(false);
                tier.setup.coherence.disconnected();
                // Others need not wait any more for confirmations of what is not heard.
                tier.setup.instances.iter().for_each(|instances| instances.hurry());
                let Some(reason) = ended else { return };
                reason
            }
            Err(error) => error,
        };
        tracing::debug!(%reason, "memory follows nobody; listening again");
        failures = if tier.link.load().is_some() { failures + 1 } else { 0 };
        if failures >= FAILURES_TO_TELL && tier.disconnection.failed(reason.to_string()) {
            tracing::warn!(%reason, "the writes of other instances are not heard; memory serves nothing");
        }
        if stopping.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Until it fails; then tells why. With the first heartbeat that comes back, failures in a row are over.
async fn listen(tier: &RedisTier, stream: &mut dyn InvalidationStream, failures: &mut u32) -> RedisError {
    loop {
        let heard = match timeout(LEASE, stream.next()).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(error)) => return error,
            // Nobody tells this side of a connection that was cut somewhere in between: it never sends.
            Err(_) if tier.heartbeats.overdue() => return RedisError::new("beats do not come back"),
            Err(_) => continue,
        };
        // Of one turn of Redis' event loop, in no particular order: changes first, then what vouches for them.
        let markers: Vec<Marker> = heard.iter().filter_map(|marker| tier.setup.names.read(marker)).collect();
        for marker in &markers {
            match marker {
                Marker::Entry(key) => tier.setup.coherence.entry_changed(key),
                Marker::Tag(name) => tier.setup.coherence.tag_changed(name),
                _ => {}
            }
        }
        for marker in markers {
            apply(tier, marker, failures);
        }
        // Of a cluster, one part may be heard and another not; or the link has moved on, and this hears where it was.
        if tier.heartbeats.overdue() {
            return RedisError::new("beats do not come back");
        }
    }
}

/// What follows from a marker once all changes before it are applied.
fn apply(tier: &RedisTier, marker: Marker, failures: &mut u32) {
    let own = tier.heartbeats.instance();
    match marker {
        Marker::Heartbeat { instance, number, hash_tag } if instance == own => {
            let Some((begun, term)) = tier.heartbeats.back(number, &hash_tag) else { return };
            tier.setup.coherence.heard_all_until(begun, term);
            *failures = 0;
            if let Some(lasted) = tier.disconnection.succeeded() {
                tracing::info!(?lasted, "the writes of other instances are heard again");
            }
        }
        // Nobody waits for a process that keeps no row.
        Marker::Barrier { of, number, hash_tag, parts } if of != own && tier.setup.instances.is_some() => {
            tier.confirmations.barrier_heard(&of, number, hash_tag, parts);
        }
        Marker::Confirmation { of, by, number } if of == own => tier.confirmations.confirmed(&by, number),
        Marker::Entry(_)
        | Marker::Tag(_)
        | Marker::Heartbeat { .. }
        | Marker::Barrier { .. }
        | Marker::Confirmation { .. } => {}
    }
}

//! The id of a request, in its response and in the log.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of clients are replaced, because ids go into logs and responses.
const LONGEST_REQUEST_ID: usize = 128;

/// Gives requests their ids.
pub(crate) struct RequestIds {
    /// Random, so that the ids of two processes differ.
    prefix: u32,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        RequestIds { prefix: rand::random(), next: AtomicU64::new(1) }
    }
}

impl RequestIds {
    /// The id that the client sent, if it is valid; else a new one.
    pub(crate) fn id_of(&self, headers: &HeaderMap) -> HeaderValue {
        let sane = |id: &&HeaderValue| {
            let byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            (1..=LONGEST_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(byte)
        };
        headers.get(&REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            new_id(self.prefix, number)
        })
    }
}

/// Eight hexadecimal digits for the process and twelve for the request.
fn new_id(prefix: u32, number: u64) -> HeaderValue {
    let mut id = *b"00000000-000000000000";
    write_hex(&mut id[..8], prefix.into());
    write_hex(&mut id[9..], number);
    HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Writes the last digits of the number, as many as fit.
fn write_hex(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

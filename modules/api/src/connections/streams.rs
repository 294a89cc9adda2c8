//! The streams of all HTTP/2 connections. Over HTTP/1.1, each of them would be a connection, so they have the same
//! bounds: otherwise a client could hold a hundred times as many responses in memory.

use std::collections::HashMap;
use std::sync::Arc;

use hotshelf_ratelimit::Subject;
use parking_lot::Mutex;

use super::Connections;

pub(super) struct Streams {
    max: usize,
    max_per_client: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    per_client: HashMap<Subject, usize>,
}

/// The place of a stream; released on drop.
pub(crate) struct StreamSlot {
    connections: Arc<Connections>,
    client: Option<Subject>,
}

impl Streams {
    pub(super) fn new(max: usize, max_per_client: usize) -> Self {
        Streams { max, max_per_client, open: Mutex::default() }
    }

    /// Takes a place; `None` if all are taken, or all of this client. `connections` has these streams.
    pub(super) fn begin(&self, connections: &Arc<Connections>, client: Option<&Subject>) -> Option<StreamSlot> {
        let mut open = self.open.lock();
        let of_client = client.and_then(|client| open.per_client.get(client)).copied().unwrap_or(0);
        if open.all >= self.max || of_client >= self.max_per_client {
            return None;
        }
        open.all += 1;
        client.into_iter().for_each(|client| *open.per_client.entry(client.clone()).or_default() += 1);
        Some(StreamSlot { connections: Arc::clone(connections), client: client.cloned() })
    }

    fn end(&self, client: Option<&Subject>) {
        let mut open = self.open.lock();
        open.all -= 1;
        if let Some(client) = client
            && let Some(count) = open.per_client.get_mut(client)
        {
            *count -= 1;
            if *count == 0 {
                open.per_client.remove(client);
            }
        }
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.connections.streams.end(self.client.as_ref());
    }
}

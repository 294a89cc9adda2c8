//! Everything outside of the processes: the database, the Redis server, and the record of what happens.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::database::Database;
use super::host::Connection;
use super::store::{Store, is_change};
use super::{Defect, random};
use crate::redis::{GENERATION_TTL, SealKey, ServerRunId};
use crate::rng;

/// A part of the keys of entries that Redis does not keep.
const NOT_KEPT: &str = ":@right:";

pub(super) struct World {
    pub(super) database: Mutex<Database>,
    pub(super) server: Mutex<Server>,
    pub(super) defect: Option<Defect>,
    begin: Instant,
    /// `None` when nobody reads it.
    trace: Option<Mutex<Vec<String>>>,
    violation: Mutex<Option<String>>,
}

/// One address at which one Redis server after the other answers.
pub(super) struct Server {
    pub(super) store: Store,
    snapshots: Vec<Store>,
    pub(super) up: bool,
    /// It hangs until then.
    pub(super) hangs_until: Instant,
    /// Counts its starts.
    pub(super) start: u64,
    pub(super) run: ServerRunId,
    streams: Vec<StreamEnd>,
    /// Values that somebody has copied to another key.
    copied: HashSet<Bytes>,
    /// Fences may have been lost.
    pub(super) forgot: bool,
}

pub(super) struct Push {
    pub(super) arrives: Instant,
    pub(super) markers: Vec<String>,
}

struct StreamEnd {
    connection: Arc<Connection>,
    prefix: String,
    pushes: UnboundedSender<Push>,
    last: Instant,
}

impl World {
    pub(super) fn new(things: usize, defect: Option<Defect>, traced: bool) -> Arc<Self> {
        let now = Instant::now();
        let server = Server {
            store: Store::new(defect),
            snapshots: Vec::new(),
            up: true,
            hangs_until: now,
            start: 0,
            run: rng::bytes(),
            streams: Vec::new(),
            copied: HashSet::new(),
            forgot: false,
        };
        Arc::new(World {
            database: Mutex::new(Database::new(things, defect)),
            server: Mutex::new(server),
            defect,
            begin: now,
            trace: traced.then(Mutex::default),
            violation: Mutex::default(),
        })
    }

    /// The secret of all processes.
    pub(super) fn seal_key(&self) -> SealKey {
        match self.defect {
            Some(Defect::SealsAreNotChecked) => SealKey::unchecked(),
            _ => SealKey::new([7; 32]),
        }
    }

    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let line = format!("{:>6} ms  {}", self.begin.elapsed().as_millis(), line());
            trace.lock().push(line);
        }
    }

    pub(super) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.as_ref().map(|trace| trace.lock().clone()).unwrap_or_default()
    }

    /// The first one counts.
    pub(super) fn violated(&self, what: String) {
        self.note(|| format!("VIOLATION: {what}"));
        self.violation.lock().get_or_insert(what);
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.violation.lock().clone()
    }
}

impl Server {
    pub(super) fn listens(&mut self, connection: Arc<Connection>, prefix: &str, pushes: UnboundedSender<Push>) {
        self.streams.push(StreamEnd { connection, prefix: prefix.to_owned(), pushes, last: Instant::now() });
    }

    /// At the end of a turn of the event loop, those who listen are told what was marked in it, in no particular order.
    pub(super) fn end_turn(&mut self) {
        let mut marked: Vec<String> = std::mem::take(&mut self.store.marked).into_iter().collect();
        if self.store.defect == Some(Defect::PushesGetLost) {
            marked.retain(|marker| !is_change(marker));
        }
        for end in 1..marked.len() {
            marked.swap(end, random::below(end as u64 + 1) as usize);
        }
        self.streams.retain(|stream| !stream.connection.cut.is_cancelled());
        for stream in &mut self.streams {
            let markers: Vec<_> = marked.iter().filter(|marker| marker.starts_with(&stream.prefix)).cloned().collect();
            if !markers.is_empty() {
                stream.last = stream.last.max(Instant::now() + random::delay());
                let _ = stream.pushes.send(Push { arrives: stream.last, markers });
            }
        }
    }

    pub(super) fn save_snapshot(&mut self) {
        self.snapshots.push(self.store.clone());
    }

    pub(super) fn flush(&mut self) {
        self.forgot = true;
        self.store.flush();
    }

    /// Loses one key.
    pub(super) fn evict(&mut self) {
        let names = self.store.names();
        if !names.is_empty() {
            self.forgot = true;
            self.store.unlink(&[names[random::below(names.len() as u64) as usize].clone()]);
        }
    }

    /// Copies the value of one key to another key, and says what to where. A copy is not copied again: it could come
    /// back to its own key when that holds a newer value, and an older value under its own key is believed (see
    /// `redis/seal.rs`).
    pub(super) fn move_value(&mut self) -> Option<(Bytes, String)> {
        let entries: Vec<_> = self.store.names().into_iter().filter(|name| name.contains(":id:")).collect();
        let values = entries.iter().filter_map(|name| self.store.get(name));
        let values: Vec<_> = values.filter(|held| held.starts_with(b"V") && !self.copied.contains(held)).collect();
        if values.is_empty() {
            return None;
        }
        let (name, value) = (random::pick(&entries), random::pick(&values));
        self.forgot = true;
        self.copied.insert(value.clone());
        self.store.overwrite(&name, value.clone());
        Some((value, name))
    }

    /// Removes and returns such a lease or fence of an entry that Redis does not keep.
    pub(super) fn take_away(&mut self, such: impl Fn(&Bytes) -> bool) -> Option<(String, Bytes)> {
        let names = self.store.names().into_iter().filter(|name| name.contains(NOT_KEPT));
        let held = names.filter_map(|name| Some((name.clone(), self.store.get(&name)?)));
        let such: Vec<_> = held.filter(|(_, held)| such(held)).collect();
        let (name, held) = (!such.is_empty()).then(|| random::pick(&such))?;
        self.forgot = true;
        self.store.unlink(std::slice::from_ref(&name));
        Some((name, held))
    }

    pub(super) fn put_back(&mut self, name: &str, held: Bytes) {
        self.forgot = true;
        self.store.overwrite(name, held);
    }

    /// Ends one of the generations that readers have proposed, which bars nothing: nothing is forgotten with it.
    pub(super) fn end_generation(&mut self) {
        let of_reader = |name: &String| self.store.left(name).is_none_or(|left| left > GENERATION_TTL);
        let generations = self.store.names().into_iter().filter(|name| name.contains("{gen}:") && of_reader(name));
        let generations: Vec<_> = generations.collect();
        if !generations.is_empty() {
            self.store.unlink(&[random::pick(&generations)]);
        }
    }

    pub(super) fn stop(&mut self) {
        self.forgot = true;
        self.up = false;
        self.start += 1;
        self.streams.clear();
    }

    /// Starts with nothing, or with one of the snapshots.
    pub(super) fn restart(&mut self, from_snapshot: bool) {
        let snapshot = match self.snapshots.len() {
            0 => None,
            count => Some(self.snapshots[random::below(count as u64) as usize].clone()),
        };
        let empty = Store::new(self.store.defect);
        self.store = snapshot.filter(|_| from_snapshot).unwrap_or(empty);
        self.store.marked.clear();
        self.run = rng::bytes();
        self.up = true;
    }
}

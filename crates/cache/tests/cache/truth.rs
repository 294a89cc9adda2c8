//! The database of the stories: some things by number, the epoch of their copies, and ways to slow it down and break
//! it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hotshelf_cache::{Epoch, EpochStore, Fencing, History, Instance, Sharers, Value};
use hotshelf_lifecycle::{Failure, async_trait};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// Why a load failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

#[derive(Default)]
pub(crate) struct Truth {
    rows: Mutex<Rows>,
    loads: AtomicU64,
    waiting: AtomicU64,
    gate: Arc<RwLock<()>>,
    mode: Mutex<Mode>,
}

struct Rows {
    things: BTreeMap<i64, (String, u64)>,
    epoch: u64,
    server: String,
    instances: BTreeMap<String, Instance>,
    history: History,
}

/// How loads end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Works,
    Fails,
    Panics,
}

impl Truth {
    /// Commits a change, and in the same step the epoch's advance if it is not fenced.
    pub(crate) fn commit(&self, id: i64, text: Option<&str>, fencing: Fencing) -> (Option<Value>, Option<Epoch>) {
        let mut rows = self.rows.lock().unwrap();
        rows.history.commits += 1;
        match text {
            Some(text) => {
                let thing = rows.things.entry(id).or_default();
                *thing = (text.to_owned(), thing.1 + 1);
            }
            None => drop(rows.things.remove(&id)),
        }
        let unfenced = fencing == Fencing::Unfenced;
        if unfenced {
            rows.epoch += 1;
        }
        (rows.thing(id), unfenced.then_some(Epoch::new(rows.epoch)))
    }

    /// What a load of one thing brings: read at once, delivered when the gate is open.
    pub(crate) async fn load(self: Arc<Self>, id: i64) -> Result<Option<Value>, Broken> {
        let value = self.rows.lock().unwrap().thing(id);
        self.deliver(value).await
    }

    /// What a load of the page of all things brings.
    pub(crate) async fn load_page(self: Arc<Self>) -> Result<Option<Value>, Broken> {
        let page = {
            let rows = self.rows.lock().unwrap();
            let texts: Vec<_> = rows.things.values().map(|(text, _)| text.as_str()).collect();
            Value { payload: Bytes::from(texts.join(",")), revision: 0, attribute: 0 }
        };
        self.deliver(Some(page)).await
    }

    /// What one load of many things brings, all of one moment.
    pub(crate) async fn load_many(self: Arc<Self>, ids: Vec<i64>) -> Result<Vec<Option<Value>>, Broken> {
        let values = {
            let rows = self.rows.lock().unwrap();
            ids.into_iter().map(|id| rows.thing(id)).collect()
        };
        self.deliver(values).await
    }

    async fn deliver<T>(&self, value: T) -> Result<T, Broken> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.read().await);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let mode = *self.mode.lock().unwrap();
        match mode {
            Mode::Works => Ok(value),
            Mode::Fails => Err(Broken),
            Mode::Panics => panic!("the load panics, as it was told to"),
        }
    }

    /// Loads read, but do not return, until the guard is dropped.
    pub(crate) async fn hold_loads(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }

    /// How many loads are being held.
    pub(crate) fn held(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// How many loads there have been.
    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// The text of a thing that exists.
    pub(crate) fn text(&self, id: i64) -> String {
        self.rows.lock().unwrap().things[&id].0.clone()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.rows.lock().unwrap().epoch
    }

    /// What a restored backup does: the thing is as it was before the last so many commits. No epoch was opened since.
    pub(crate) fn put_back(&self, id: i64, text: &str, commits: u64) {
        let mut rows = self.rows.lock().unwrap();
        rows.history.commits -= commits;
        rows.things.insert(id, (text.to_owned(), 1));
    }

    /// What a restored backup does: the epoch is an earlier one again.
    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.rows.lock().unwrap().epoch = epoch;
    }
}

/// Another one for each thing, which no payload tells.
pub(crate) fn attribute_of(id: i64) -> u64 {
    u64::MAX - id as u64
}

impl Default for Rows {
    fn default() -> Self {
        static DATABASES: AtomicU64 = AtomicU64::new(1);
        let history = History { name: DATABASES.fetch_add(1 << 32, Ordering::SeqCst), commits: 0 };
        Rows { things: BTreeMap::new(), epoch: 0, server: String::new(), instances: BTreeMap::new(), history }
    }
}

impl Rows {
    fn thing(&self, id: i64) -> Option<Value> {
        let (text, revision) = self.things.get(&id)?;
        Some(Value { payload: Bytes::from(text.clone()), revision: *revision, attribute: attribute_of(id) })
    }
}

#[async_trait]
impl EpochStore for Truth {
    async fn reconcile(&self, server: &str) -> Result<Epoch, Failure> {
        let mut rows = self.rows.lock().unwrap();
        if rows.server != server {
            rows.server = server.to_owned();
            rows.epoch += 1;
        }
        Ok(Epoch::new(rows.epoch))
    }

    async fn current(&self) -> Result<(Epoch, String), Failure> {
        let rows = self.rows.lock().unwrap();
        Ok((Epoch::new(rows.epoch), rows.server.clone()))
    }

    fn history(&self) -> History {
        self.rows.lock().unwrap().history
    }

    async fn begin_history(&self, known: u64) -> Result<Epoch, Failure> {
        let mut rows = self.rows.lock().unwrap();
        if rows.history.name == known {
            rows.history.name += 1;
            rows.epoch += 1;
        }
        Ok(Epoch::new(rows.epoch))
    }

    async fn advance(&self) -> Result<Epoch, Failure> {
        let mut rows = self.rows.lock().unwrap();
        rows.epoch += 1;
        Ok(Epoch::new(rows.epoch))
    }

    async fn sharers(&self) -> Result<Sharers, Failure> {
        let rows = self.rows.lock().unwrap();
        let instances = rows.instances.values().cloned().collect();
        Ok(Sharers { epoch: Epoch::new(rows.epoch), server: rows.server.clone(), instances })
    }

    async fn beat(&self, row: &Instance) -> Result<Sharers, Failure> {
        {
            let mut rows = self.rows.lock().unwrap();
            if rows.instances.get(&row.name).is_none_or(|known| known.beat < row.beat) {
                rows.instances.insert(row.name.clone(), row.clone());
            }
        }
        self.sharers().await
    }

    async fn remove_instance(&self, name: &str, beat: u64) -> Result<(), Failure> {
        self.rows.lock().unwrap().instances.retain(|known, row| known != name || row.beat != beat);
        Ok(())
    }
}

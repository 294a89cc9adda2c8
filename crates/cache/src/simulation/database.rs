//! A simulated database with its history: what it held, and which of it was acknowledged when. A *track* is a thing, or
//! the page of all things; each change of it is a version.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hotshelf_lifecycle::{Failure, async_trait};
use tokio::time::Instant;

use super::host::Host;
use super::world::World;
use super::{Defect, random};
use crate::epoch::{Epoch, EpochStore, Fencing, History, Instance, Sharers};
use crate::value::Value;

/// The track of the page.
pub(super) const PAGE: usize = 0;
/// How far the memory of another process may lag.
const MEMORY_LAG: Duration = Duration::from_secs(1);
/// By when a process that can ask the database must have heard of an epoch: some heartbeats, with what may keep each.
const EPOCH_LAG: Duration = Duration::from_secs(2);

/// The database was out of reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Down;

pub(super) struct Database {
    tracks: Vec<Track>,
    pub(super) epoch: u64,
    pub(super) history: History,
    server: String,
    instances: Vec<Instance>,
    pub(super) down_until: Instant,
    /// Writes that were committed and not acknowledged.
    pub(super) open_ended: usize,
    defect: Option<Defect>,
}

struct Track {
    /// Of each version, whether the thing exists then.
    versions: Vec<bool>,
    acknowledged: Vec<Acknowledged>,
}

struct Acknowledged {
    version: usize,
    at: Instant,
    process: usize,
    /// The epoch that others must know to hear of it, if the copies could not be made void one by one.
    epoch: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Update,
    Delete,
    Create,
}

#[derive(Debug)]
pub(super) struct Committed {
    versions: Vec<(usize, usize)>,
    pub(super) value: Option<Value>,
    pub(super) epoch: Option<Epoch>,
}

/// What a reader may rely on, taken when it begins.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    process: usize,
    alone: bool,
    acknowledged: usize,
    /// The newest epoch that its process has been told.
    told: u64,
    /// When the flight started that it joins, else now.
    since: Instant,
    joins: bool,
    /// Until when its process could not ask for the epoch.
    disconnected_until: Instant,
}

impl Database {
    pub(super) fn new(things: usize, defect: Option<Defect>) -> Self {
        let exists = |track| track == PAGE || random::one_in(2);
        let track = |track| Track { versions: vec![exists(track)], acknowledged: Vec::new() };
        let (tracks, now) = ((0..=things).map(track).collect(), Instant::now());
        let history = History { name: 7, commits: 0 };
        let (server, instances) = (String::new(), Vec::new());
        Database { tracks, epoch: 1, history, server, instances, down_until: now, open_ended: 0, defect }
    }

    pub(super) fn is_down(&self) -> bool {
        Instant::now() < self.down_until
    }

    pub(super) fn tracks(&self) -> std::ops::Range<usize> {
        0..self.tracks.len()
    }

    pub(super) fn exists(&self, track: usize) -> bool {
        self.tracks[track].versions.last() == Some(&true)
    }

    pub(super) fn has_ever_existed(&self, track: usize) -> bool {
        self.tracks[track].versions.contains(&true)
    }

    pub(super) fn row(&self, track: usize) -> Option<Value> {
        let version = self.tracks[track].versions.len() - 1;
        let payload = Bytes::from(format!("{track}@{version}"));
        let value = Value { payload, revision: version as u64, attribute: track as u64 };
        self.exists(track).then_some(value)
    }

    /// `None` when the change does not apply.
    pub(super) fn commit(&mut self, track: usize, change: Change, fencing: Fencing) -> Option<Committed> {
        if self.exists(track) == (change == Change::Create) {
            return None;
        }
        self.open_ended += 1;
        self.history.commits += 1;
        let mut versions = vec![(track, self.push(track, change != Change::Delete))];
        if change != Change::Update {
            versions.push((PAGE, self.push(PAGE, true)));
        }
        let unfenced = fencing == Fencing::Unfenced;
        if unfenced && self.defect != Some(Defect::UncoveredWritesKeepTheEpoch) {
            self.epoch += 1;
        }
        Some(Committed { versions, value: self.row(track), epoch: unfenced.then_some(Epoch::new(self.epoch)) })
    }

    fn push(&mut self, track: usize, exists: bool) -> usize {
        let versions = &mut self.tracks[track].versions;
        versions.push(exists);
        versions.len() - 1
    }

    pub(super) fn acknowledge(&mut self, committed: &Committed, process: usize, by_epoch: bool) {
        let epoch = by_epoch.then_some(self.epoch);
        for (track, version) in &committed.versions {
            let acknowledged = Acknowledged { version: *version, at: Instant::now(), process, epoch };
            self.tracks[*track].acknowledged.push(acknowledged);
        }
    }

    pub(super) fn reader(&self, track: usize, host: &Host, alone: bool, joins: Option<Instant>) -> Reader {
        let (acknowledged, told) = (self.tracks[track].acknowledged.len(), host.told());
        let (since, joins) = (joins.unwrap_or_else(Instant::now), joins.is_some());
        let disconnected_until = self.down_until.max(*host.frozen_until.lock());
        Reader { process: host.number, alone, acknowledged, told, since, joins, disconnected_until }
    }

    /// The promise. The version below which the reader must not be.
    pub(super) fn floor(&self, track: usize, reader: &Reader, from_memory: bool) -> usize {
        let lag = if from_memory { MEMORY_LAG } else { Duration::ZERO };
        let counts = |write: &&Acknowledged| {
            if reader.alone || write.process == reader.process {
                return true;
            }
            // Joining a load that began before, or reading memory that may lag.
            let in_time = (!reader.joins && lag.is_zero()) || write.at + lag < reader.since;
            let late = write.at.max(reader.disconnected_until) + EPOCH_LAG < reader.since;
            let told = late || write.epoch.is_none_or(|epoch| epoch <= reader.told);
            in_time && told
        };
        let writes = self.tracks[track].acknowledged.iter().take(reader.acknowledged);
        writes.filter(counts).map(|write| write.version).max().unwrap_or(0)
    }

    /// Without an exception.
    pub(super) fn strict_floor(&self, track: usize, reader: &Reader) -> usize {
        let writes = self.tracks[track].acknowledged.iter().take(reader.acknowledged);
        writes.map(|write| write.version).max().unwrap_or(0)
    }

    /// Whether some version from `floor` on reads like this.
    pub(super) fn has_been(&self, track: usize, value: Option<&Value>, floor: usize) -> bool {
        let versions = &self.tracks[track].versions;
        match value {
            Some(value) => (floor..versions.len()).contains(&(value.revision as usize)),
            None => versions.iter().skip(floor).any(|exists| !exists),
        }
    }

    /// The newest version that was acknowledged.
    pub(super) fn firm(&self, track: usize) -> usize {
        self.tracks[track].acknowledged.iter().map(|write| write.version).max().unwrap_or(0)
    }

    pub(super) fn newest(&self, track: usize) -> usize {
        self.tracks[track].versions.len() - 1
    }
}

/// The row of the epoch, as one process reaches it.
pub(super) struct EpochRow {
    pub(super) world: Arc<World>,
    pub(super) host: Arc<Host>,
}

impl EpochRow {
    /// One transaction.
    async fn ask<T: fmt::Debug + Send>(
        &self,
        what: &'static str,
        ask: impl FnOnce(&mut Database) -> T + Send,
    ) -> Result<T, Failure> {
        self.host.alive().await;
        random::step().await;
        self.host.alive().await;
        let answer = {
            let mut database = self.world.database.lock();
            if database.is_down() { Err(Failure::from("the database is down")) } else { Ok(ask(&mut database)) }
        };
        self.world.note(|| format!("{} database: {what} -> {answer:?}", self.host.name()));
        random::step().await;
        self.host.alive().await;
        answer
    }

    /// The epoch after the change, and the server of then.
    async fn ask_epoch(
        &self,
        what: &'static str,
        change: impl FnOnce(&mut Database) + Send,
    ) -> Result<(Epoch, String), Failure> {
        let ask = |database: &mut Database| {
            change(database);
            (database.epoch, database.server.clone())
        };
        let (epoch, server) = self.ask(what, ask).await?;
        self.host.hear_of(epoch);
        Ok((Epoch::new(epoch), server))
    }
}

#[async_trait]
impl EpochStore for EpochRow {
    async fn reconcile(&self, server: &str) -> Result<Epoch, Failure> {
        let change = |database: &mut Database| {
            if database.server != server {
                server.clone_into(&mut database.server);
                database.epoch += 1;
            }
        };
        Ok(self.ask_epoch("reconcile", change).await?.0)
    }

    async fn current(&self) -> Result<(Epoch, String), Failure> {
        self.ask_epoch("current", |_| {}).await
    }

    fn history(&self) -> History {
        self.world.database.lock().history
    }

    async fn begin_history(&self, known: u64) -> Result<Epoch, Failure> {
        let change = |database: &mut Database| {
            if database.history.name == known {
                database.history.name += 1;
                database.epoch += 1;
            }
        };
        Ok(self.ask_epoch("begin history", change).await?.0)
    }

    async fn advance(&self) -> Result<Epoch, Failure> {
        self.host.count_advance();
        Ok(self.ask_epoch("advance", |database| database.epoch += 1).await?.0)
    }

    async fn sharers(&self) -> Result<Sharers, Failure> {
        let ask = |database: &mut Database| Sharers {
            epoch: Epoch::new(database.epoch),
            server: database.server.clone(),
            instances: database.instances.clone(),
        };
        let sharers = self.ask("instances", ask).await?;
        self.host.hear_of(sharers.epoch.get());
        Ok(sharers)
    }

    async fn beat(&self, row: &Instance) -> Result<Sharers, Failure> {
        let store = |database: &mut Database| {
            let known = database.instances.iter().position(|known| known.name == row.name);
            if known.is_some_and(|known| database.instances[known].beat >= row.beat) {
                return;
            }
            known.map(|known| database.instances.swap_remove(known));
            let shown = Instance {
                redis: if database.defect == Some(Defect::LeasesOnRedisAreNotTold) { 0 } else { row.redis },
                memory: if database.defect == Some(Defect::LeasesOnMemoryAreNotTold) { 0 } else { row.memory },
                ..row.clone()
            };
            database.instances.push(shown);
        };
        self.ask("store instance", store).await?;
        self.sharers().await
    }

    async fn remove_instance(&self, name: &str, beat: u64) -> Result<(), Failure> {
        let remove = |database: &mut Database| {
            database.instances.retain(|known| known.name != name || known.beat != beat);
        };
        self.ask("remove instance", remove).await
    }
}

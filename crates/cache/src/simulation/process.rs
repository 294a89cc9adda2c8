//! A process of the service: a whole cache on the simulated world, and what clients do with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::sleep;

use super::database::{Change, Database, Down, EpochRow, PAGE, Reader};
use super::host::Host;
use super::wire::SimulatedRedis;
use super::world::World;
use super::{Defect, random, schedule::Plan};
use crate::cache::Cache;
use crate::condition::Condition;
use crate::epoch::{Epoch, Fencing};
use crate::key::Key;
use crate::key_space::Keys;
use crate::namespace::{Absence, EntryRef, Namespace, NamespaceOptions, Tag};
use crate::options::{CacheOptions, Consistency};
use crate::tier::TierName;
use crate::value::{Found, Read, Source, Value};
use crate::write::Write;
use hotshelf_redis_client::RedisOptions;

#[derive(Clone)]
pub(super) struct Process {
    pub(super) host: Arc<Host>,
    pub(super) cache: Cache<Down>,
    world: Arc<World>,
    things: Namespace,
    /// Has entries under the same keys as `things`.
    details: Namespace,
    /// Likewise, but Redis does not keep them.
    rights: Namespace,
    pages: Namespace,
    /// Both of them a page depends on.
    tags: [Tag; 2],
    alone: bool,
    linearizable: bool,
}

impl Process {
    pub(super) async fn start(world: &Arc<World>, number: usize, plan: &Plan) -> Self {
        let host = Host::new(number);
        let (world, row_host) = (Arc::clone(world), Arc::clone(&host));
        let row = EpochRow { world: Arc::clone(&world), host: row_host };
        let connector = SimulatedRedis { world: Arc::clone(&world), host: Arc::clone(&host) };
        let options = CacheOptions {
            tiers: plan.tiers,
            shared_database: plan.processes > 1,
            consistency: plan.consistency,
            memory_bytes: 1 << 20,
            write_strategy: plan.write_strategy,
            redis: RedisOptions::default(),
            key_prefix: "p:".to_owned(),
            seal_key: Some(world.seal_key()),
        };
        let cache = Cache::with_connector(options, Box::new(connector), Arc::new(row), |_| false, Arc::default());
        let tags = ["products", "products:order"].map(Tag::new);
        let namespace = |name, keys, in_redis| {
            let (ttl, grace, absence) = (plan.ttl, plan.grace, Absence::DependsOn(tags[0].clone()));
            let options = NamespaceOptions { name, keys, ttl, negative_ttl: ttl, grace, absence, in_redis };
            cache.namespace(options).unwrap()
        };
        let things = namespace("product", Keys::Beginning("id:"), true);
        let pages = namespace("list", Keys::Beginning("list:"), true);
        let details = namespace("details", Keys::NumberThen(":details"), true);
        let rights = namespace("right", Keys::NumberThen(":right"), false);
        world.note(|| format!("p{number} starts"));
        cache.start().await.unwrap();
        Process {
            host,
            cache,
            world,
            things,
            details,
            rights,
            pages,
            tags,
            alone: plan.processes == 1,
            linearizable: plan.consistency == Consistency::Linearizable,
        }
    }

    /// The entries of the track: a page has one, a thing has three.
    pub(super) fn entries(&self, track: usize) -> Vec<EntryRef> {
        match track {
            PAGE => vec![self.pages.tagged_entry(Key::new("list:0:20"), self.tags.clone())],
            id => {
                let namespaces = [&self.things, &self.details, &self.rights];
                namespaces.map(|namespace| namespace.entry(Key::numbered("id:", id as i64))).to_vec()
            }
        }
    }

    pub(super) fn exists(&self, id: usize) -> bool {
        self.world.database.lock().exists(id)
    }

    /// Everything works: Redis takes part, and memory serves.
    pub(super) fn is_well(&self) {
        let condition = self.cache.condition();
        let is_well = condition.is_healthy() || condition == Condition::OtherSeal;
        if !is_well || !(self.alone || self.cache.0.coherence.is_subscribed()) {
            self.world.violated(format!("at rest, {} is not well: {condition:?}", self.host.name()));
        }
    }

    /// One read; what it brings must be as new as what was acknowledged before it began.
    pub(super) async fn read(&self, track: usize) {
        self.host.alive().await;
        let mut entries = self.entries(track);
        if self.world.defect == Some(Defect::EndsAreToldOnce) {
            // It shows in nothing else.
            entries.retain(|entry| entry.namespace.name() != "product" && entry.namespace.name() != "details");
        }
        let entry = random::pick(&entries);
        let state = &self.cache.0;
        let joins = state.flights.started(&entry.key, state.write_counters.snapshot(&entry));
        let (reader, firm) = {
            let database = self.world.database.lock();
            (database.reader(track, &self.host, self.alone, joins), database.firm(track))
        };
        let name = self.host.name();
        self.world.note(|| format!("{name} reads {}", entry.key));
        if random::one_in(2)
            && let Some((value, source)) = self.cache.peek(&entry.namespace, &entry.key, Read::default())
        {
            return self.judge(track, entry.namespace.name(), &reader, &Found { value: Some(value), source }, false);
        }
        let read = match random::below(12) {
            0 => Read { bypass: true, min_revision: None },
            1 => Read { bypass: false, min_revision: Some(firm as u64) },
            _ => Read::default(),
        };
        let loaded = Arc::new(AtomicBool::new(false));
        let (world, host, loads) = (Arc::clone(&self.world), Arc::clone(&self.host), Arc::clone(&loaded));
        let kind = entry.namespace.name();
        let load = move || {
            loads.store(true, Ordering::Relaxed);
            load(Arc::clone(&world), Arc::clone(&host), track, kind)
        };
        let found = self.cache.get_or_load(entry, read, load).await;
        self.host.alive().await;
        match found {
            Ok(found) => {
                let itself = loaded.load(Ordering::Relaxed) && matches!(found.source, Source::Loaded { .. });
                let sharp = itself || read != Read::default() && found.source == Source::Bypassed;
                if read.min_revision.is_some_and(|min| found.value.as_ref().is_some_and(|value| value.revision < min)) {
                    self.world.violated(format!("{name} passed on {found:?} to a reader of version {firm} or newer"));
                }
                self.judge(track, kind, &reader, &found, sharp);
            }
            Err(Down) => self.world.note(|| format!("{name} reads {track}: the database is down")),
        }
    }

    /// `sharp`: it asked the database itself, and has no excuse.
    fn judge(&self, track: usize, kind: &str, reader: &Reader, found: &Found, sharp: bool) {
        if !is_of(found.value.as_ref(), kind, track) {
            self.world.violated(format!("{} got {:?} for a {kind}", self.host.name(), found.value));
        }
        let database = self.world.database.lock();
        let from_memory = matches!(found.source, Source::L1 { .. } | Source::Stale { .. });
        // What is marked as stale may be.
        let exact = sharp || self.linearizable && !matches!(found.source, Source::Stale { .. });
        let floor =
            if exact { database.strict_floor(track, reader) } else { database.floor(track, reader, from_memory) };
        let name = self.host.name();
        self.world.note(|| format!("{name} got {} of track {track}, allowed from {floor}", shown(found)));
        if !database.has_been(track, found.value.as_ref(), floor) {
            let newest = database.newest(track);
            self.world.violated(format!(
                "{name} got {} of track {track}, although version {floor} was acknowledged before the read began, \
                 and {newest} is the newest ({reader:?})",
                shown(found)
            ));
        }
    }

    /// One write, as the service does it. It is acknowledged when it returns in the end.
    pub(super) async fn write(&self, id: usize, change: Change, slow: u64) {
        self.host.alive().await;
        let name = self.host.name();
        // A create has no entry, as long as nothing of that name has ever been cached but its absence. (The service
        // gives each product a new name.)
        let anew = !self.world.database.lock().has_ever_existed(id);
        let named = !anew || random::one_in(4);
        let entries = if named { self.entries(id) } else { Vec::new() };
        // What does not exist depends on the first one; a page on both, so that a delete may leave out either.
        let tags = match change {
            Change::Update => Vec::new(),
            Change::Delete => vec![random::pick(&self.tags)],
            _ => vec![self.tags[0].clone()],
        };
        self.world.note(|| format!("{name} begins: {change:?} {id}"));
        let begun = async { self.cache.lock_keys(entries).await?.begin(tags).await };
        let Ok(write) = begun.await else {
            return self.world.note(|| format!("{name} gives up: {change:?} {id}: locked"));
        };
        self.host.alive().await;
        let fencing = write.fencing();
        if random::one_in(60) {
            self.world.note(|| format!("{name} breaks off: {change:?} {id}"));
            return drop(write);
        }
        takes_its_time(slow).await;
        self.host.alive().await;
        let advances = self.host.advances();
        let committed = {
            let mut database = self.world.database.lock();
            let refused = database.is_down() || !named && database.has_ever_existed(id);
            if refused { None } else { database.commit(id, change, fencing) }
        };
        self.world.note(|| format!("{name} commits: {change:?} {id}, {fencing:?}: {committed:?}"));
        let Some(committed) = committed else {
            write.unchanged().await;
            return;
        };
        takes_its_time(slow).await;
        self.host.alive().await;
        if random::one_in(40) {
            // The database's answer is lost: nobody knows whether it has committed.
            return drop(write.committed([], None).await);
        }
        let confirmed = self.settle(write, id, committed.value.clone(), committed.epoch).await;
        self.host.alive().await;
        self.world.note(|| format!("{name} acknowledges {committed:?}: {confirmed}"));
        if confirmed {
            let by_epoch = fencing == Fencing::Unfenced || self.host.advances() != advances;
            let mut database = self.world.database.lock();
            database.acknowledge(&committed, self.host.number, by_epoch);
            database.open_ended -= 1;
        }
    }

    async fn settle(&self, write: Write<Down>, id: usize, value: Option<Value>, epoch: Option<Epoch>) -> bool {
        let values = self.entries(id).into_iter().filter_map(|entry| {
            let value = of(entry.namespace.name(), value.clone()?);
            Some((entry.key, value))
        });
        write.committed(values, epoch).await.is_ok()
    }

    /// What the tiers hold, and what a reader gets, when everything has come to rest.
    pub(super) async fn inspect(&self, oldest: impl Fn(&Database, usize) -> usize) {
        let tracks = self.world.database.lock().tracks();
        let entries = tracks.flat_map(|track| self.entries(track).into_iter().map(move |entry| (track, entry)));
        for (track, entry) in entries {
            for tier in TierName::BOTH {
                let Some(copy) = self.cache.0.inspect(tier, &entry).await else { continue };
                if !is_of(copy.value.as_ref(), entry.namespace.name(), track) {
                    self.world.violated(format!(
                        "{} holds {:?} as a {}",
                        copy.tier,
                        copy.value,
                        entry.namespace.name()
                    ));
                }
                let database = self.world.database.lock();
                if !database.has_been(track, copy.value.as_ref(), oldest(&database, track)) {
                    let (name, newest) = (self.host.name(), database.newest(track));
                    let revision = copy.value.map(|value| value.revision);
                    self.world.violated(format!(
                        "at rest, {} of {name} holds version {revision:?} of track {track}, the database {newest}",
                        copy.tier
                    ));
                }
            }
        }
    }
}

/// What a write does in the database. One step in so many is slow, rarely slower than a fence lives.
async fn takes_its_time(slow: u64) {
    random::step().await;
    if random::one_in(slow) {
        sleep(if random::one_in(60) { random::up_to(35_000) } else { random::up_to(600) }).await;
    }
}

fn shown(found: &Found) -> String {
    format!("version {:?} from {:?}", found.value.as_ref().map(|value| value.revision), found.source)
}

/// The value as it is kept in that namespace, from which it can be told.
fn of(kind: &str, value: Value) -> Value {
    Value { payload: [kind.as_bytes(), b" ", &value.payload].concat().into(), ..value }
}

/// Whether it is of that namespace, and has the attribute that it was loaded with.
fn is_of(value: Option<&Value>, kind: &str, track: usize) -> bool {
    let is_of_kind = |payload: &[u8]| payload.strip_prefix(kind.as_bytes()).is_some_and(|rest| rest.starts_with(b" "));
    value.is_none_or(|value| is_of_kind(&value.payload) && value.attribute == track as u64)
}

/// What the service's loader does: one query, at one moment.
async fn load(world: Arc<World>, host: Arc<Host>, track: usize, kind: &'static str) -> Result<Option<Value>, Down> {
    host.alive().await;
    random::step().await;
    let row = {
        let database = world.database.lock();
        if database.is_down() { Err(Down) } else { Ok(database.row(track)) }
    };
    world.note(|| {
        format!(
            "{} database: loads track {track}: {:?}",
            host.name(),
            row.as_ref().map(|row| row.as_ref().map(|row| row.revision))
        )
    });
    random::step().await;
    host.alive().await;
    Ok(row?.map(|row| of(kind, row)))
}

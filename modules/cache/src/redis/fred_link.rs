//! Redis by fred. It is told not to reconnect (see [`Link`]).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{KeysInterface, TrackingInterface};
use fred::types::client::Invalidation;
use fred::types::scripts::Script;
use fred::types::{Expiration, InfoKind, SetOptions, Value};
use hotshelf_redis::{Connection, RedisError, RedisOptions, Servers};
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;

use super::link::{Connector, Ear, Link};
use super::state::Run;

/// After so many failures in a row, a link is given up.
const FAILURES_TO_GIVE_UP: u32 = 5;

/// Opens connections as the options say.
pub(crate) struct FredConnector(pub(crate) RedisOptions);

pub(crate) struct FredLink {
    connection: Connection,
    scripts: Scripts,
    failures: Failures,
    server: String,
    run: Run,
    /// Somebody should look at this link: it has failed too often.
    troubled: Notify,
}

pub(crate) struct FredEar {
    connection: Connection,
    pushes: Receiver<Invalidation>,
}

/// Failures in a row. Those that come within one time-out count as one: a moment in which this process could not run
/// makes all commands late that were under way.
struct Failures {
    begin: Instant,
    span: Duration,
    in_a_row: AtomicU32,
    /// In milliseconds since the beginning.
    last: AtomicU64,
}

impl Failures {
    fn new(span: Duration) -> Self {
        Failures { begin: Instant::now(), span, in_a_row: AtomicU32::new(0), last: AtomicU64::new(0) }
    }

    fn end(&self) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    fn add(&self) -> u32 {
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let last = self.last.load(Ordering::Relaxed);
        let apart = u128::from(now.saturating_sub(last)) >= self.span.as_millis();
        let in_a_row = self.in_a_row.load(Ordering::Relaxed);
        if in_a_row > 0 && !apart {
            return in_a_row;
        }
        self.last.store(now, Ordering::Relaxed);
        self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1
    }
}

struct Scripts {
    fill: Script,
    fence: Script,
    release: Script,
    generations: Script,
    void: Script,
    wait: Script,
    mark: Script,
    epoch: Script,
}

impl Scripts {
    async fn load(client: &Client) -> Result<Self, Error> {
        let scripts = Scripts {
            fill: Script::from_lua(include_str!("scripts/fill.lua")),
            fence: Script::from_lua(include_str!("scripts/fence.lua")),
            release: Script::from_lua(include_str!("scripts/release.lua")),
            generations: Script::from_lua(include_str!("scripts/generations.lua")),
            void: Script::from_lua(include_str!("scripts/void.lua")),
            wait: Script::from_lua(include_str!("scripts/wait.lua")),
            mark: Script::from_lua(include_str!("scripts/mark.lua")),
            epoch: Script::from_lua(include_str!("scripts/epoch.lua")),
        };
        let Scripts { fill, fence, release, generations, void, wait, mark, epoch } = &scripts;
        for script in [fill, fence, release, generations, void, wait, mark, epoch] {
            script.load(client).await?;
        }
        Ok(scripts)
    }
}

impl Connector for FredConnector {
    type Link = FredLink;
    type Ear = FredEar;

    async fn open(&self) -> Result<FredLink, RedisError> {
        let connection = connect(&self.0).await?;
        let scripts = Scripts::load(connection.client()).await?;
        let process = connection.info(InfoKind::Server, "run_id:").await?;
        // A replica takes over its master's memory, within the same process.
        let memory = connection.info(InfoKind::Replication, "master_replid:").await?;
        let mut run = Run::default();
        run.iter_mut().zip(process.bytes()).for_each(|(to, from)| *to = from);
        let server = format!("{process}/{memory}");
        let (failures, troubled) = (Failures::new(self.0.command_timeout), Notify::new());
        Ok(FredLink { connection, scripts, failures, server, run, troubled })
    }

    async fn listen(&self, markers: &str) -> Result<FredEar, RedisError> {
        let connection = connect(&self.0).await?;
        // Before it is switched on: a push that comes at once is not missed.
        let pushes = connection.client().invalidation_rx();
        connection.client().start_tracking(markers, true, false, false, false).await?;
        Ok(FredEar { connection, pushes })
    }
}

async fn connect(options: &RedisOptions) -> Result<Connection, RedisError> {
    match &options.servers {
        Servers::One(address) => Connection::open(options, address).await,
        Servers::Sentinel { .. } | Servers::Cluster(_) => Err(RedisError::new("only single servers are supported yet")),
    }
}

impl Ear for FredEar {
    async fn next(&mut self) -> Result<Vec<String>, RedisError> {
        tokio::select! {
            // Pushes that came before the end count; what came after them is missed anyway.
            biased;
            push = self.pushes.recv() => match push {
                Ok(push) => Ok(push.keys.into_iter().map(|key| key.as_str_lossy().into_owned()).collect()),
                Err(error) => Err(RedisError::new(format!("pushes were missed: {error}"))),
            },
            error = self.connection.ended() => Err(error),
        }
    }
}

impl Link for FredLink {
    fn server(&self) -> &str {
        &self.server
    }

    fn run(&self) -> Run {
        self.run
    }

    /// `SET key state NX GET PX life`, one native command: a hit costs the server what a `GET` does.
    async fn get_or_set(&self, key: &str, state: Bytes, life: Option<Duration>) -> Result<Option<Bytes>, RedisError> {
        let life = life.map(|life| Expiration::PX(millis(life)));
        self.noting(self.connection.client().set(key, state, life, Some(SetOptions::NX), true).await)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        self.noting(self.connection.client().get(key).await)
    }

    async fn fill(
        &self,
        key: &str,
        marker: &str,
        expected: Bytes,
        value: Bytes,
        life: Duration,
    ) -> Result<bool, RedisError> {
        let arguments = (expected, value, millis(life));
        self.noting(self.scripts.fill.evalsha(self.connection.client(), vec![key, marker], arguments).await)
    }

    async fn fence(&self, key: &str, marker: Option<&str>, fence: Bytes, life: Duration) -> Result<bool, RedisError> {
        self.noting(
            self.scripts.fence.evalsha(self.connection.client(), keys(key, marker), (fence, millis(life))).await,
        )
    }

    async fn release(
        &self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        value: Bytes,
        life: Duration,
    ) -> Result<bool, RedisError> {
        let arguments = (fence, value, millis(life));
        self.noting(self.scripts.release.evalsha(self.connection.client(), keys(key, marker), arguments).await)
    }

    async fn generations(&self, keys: Vec<String>, proposals: Vec<Bytes>) -> Result<Vec<Bytes>, RedisError> {
        self.noting(self.scripts.generations.evalsha(self.connection.client(), keys, proposals).await)
    }

    async fn void(
        &self,
        mut keys: Vec<String>,
        markers: Vec<String>,
        next: Vec<Bytes>,
        life: Duration,
    ) -> Result<(), RedisError> {
        keys.extend(markers);
        let arguments: Vec<Value> =
            std::iter::once(millis(life).into()).chain(next.into_iter().map(Value::Bytes)).collect();
        self.noting(self.scripts.void.evalsha(self.connection.client(), keys, arguments).await)
    }

    async fn wait(&self, key: &str, lease: Bytes) -> Result<Option<Duration>, RedisError> {
        let left: i64 = self.noting(self.scripts.wait.evalsha(self.connection.client(), key, lease).await)?;
        Ok(u64::try_from(left).ok().map(Duration::from_millis))
    }

    async fn mark(&self, marker: &str) -> Result<(), RedisError> {
        self.noting(self.scripts.mark.evalsha(self.connection.client(), marker, ()).await)
    }

    async fn agree_on_epoch(&self, key: &str, epoch: u64) -> Result<u64, RedisError> {
        self.noting(self.scripts.epoch.evalsha(self.connection.client(), key, epoch.to_string()).await)
    }

    async fn scan(&self, cursor: String, pattern: &str, count: u32) -> Result<(String, Vec<String>), RedisError> {
        self.noting(self.connection.client().scan_page(cursor, pattern, Some(count), None).await)
    }

    async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        self.noting(self.connection.client().unlink(keys).await)
    }

    async fn lost(&self) -> String {
        tokio::select! {
            error = self.connection.ended() => error.to_string(),
            () = self.troubled.notified() => "too many commands failed in a row".to_owned(),
        }
    }

    async fn close(&self) {
        self.connection.close().await;
    }
}

impl FredLink {
    /// Counts failures in a row: a server that hangs shows as nothing but timeouts.
    fn noting<T>(&self, result: Result<T, Error>) -> Result<T, RedisError> {
        match &result {
            Ok(_) => self.failures.end(),
            // One key of another type says nothing about the link, and would take it down with every few lookups.
            Err(error) if error.details().starts_with("WRONGTYPE") => {}
            Err(_) => {
                if self.failures.add() >= FAILURES_TO_GIVE_UP {
                    self.troubled.notify_one();
                }
            }
        }
        result.map_err(RedisError::from)
    }
}

fn keys<'a>(key: &'a str, marker: Option<&'a str>) -> Vec<&'a str> {
    std::iter::once(key).chain(marker).collect()
}

fn millis(life: Duration) -> i64 {
    life.as_millis().try_into().unwrap_or(i64::MAX)
}

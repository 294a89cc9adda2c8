//! Redis by fred. It is told not to reconnect (see [`Link`]).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, KeysInterface, TrackingInterface};
use fred::types::client::Invalidation;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig, UnresponsiveConfig};
use fred::types::scripts::Script;
use fred::types::{Builder, ConnectHandle, Expiration, InfoKind, RespVersion, SetOptions, Value};
use hotshelf_stats::ServerMemory;
use tokio::sync::broadcast::Receiver;
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use super::error::RedisError;
use super::link::{Connector, Ear, Link};
use super::state::Run;
use crate::options::RedisOptions;

/// Commands that may wait for their answer at a time; more fail at once.
const MAX_WAITING: usize = 16_384;
/// Pushes that may wait for being applied. Beyond them, memory starts anew.
const MAX_PUSHES: usize = 4_096;
/// After so many failures in a row, a link is given up.
const FAILURES_TO_GIVE_UP: u32 = 5;
/// How long the good-bye to a server may take.
const PARTING: Duration = Duration::from_millis(50);

/// Opens connections as the options say.
pub(crate) struct FredConnector(pub(crate) RedisOptions);

pub(crate) struct FredLink {
    client: Client,
    connection: Mutex<ConnectHandle>,
    scripts: Scripts,
    failures: Failures,
    server: String,
    run: Run,
    /// Somebody should look at this link: it has failed too often.
    troubled: Notify,
}

pub(crate) struct FredEar {
    client: Client,
    connection: ConnectHandle,
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
        let (client, connection) = connect(&self.0).await?;
        let introduced = async {
            let scripts = Scripts::load(&client).await?;
            let process = info(&client, InfoKind::Server, "run_id:").await?;
            // A replica takes over its master's memory, within the same process.
            let memory = info(&client, InfoKind::Replication, "master_replid:").await?;
            Ok((scripts, process, memory))
        };
        match introduced.await {
            Ok((scripts, process, memory)) => {
                let mut run = Run::default();
                run.iter_mut().zip(process.bytes()).for_each(|(to, from)| *to = from);
                let (server, connection) = (format!("{process}/{memory}"), Mutex::new(connection));
                let (failures, troubled) = (Failures::new(self.0.command_timeout), Notify::new());
                Ok(FredLink { client, connection, scripts, failures, server, run, troubled })
            }
            Err(error) => {
                part(&client, &connection).await;
                Err(error)
            }
        }
    }

    async fn listen(&self, markers: &str) -> Result<FredEar, RedisError> {
        let (client, connection) = connect(&self.0).await?;
        // Before it is switched on: a push that comes at once is not missed.
        let pushes = client.invalidation_rx();
        match client.start_tracking(markers, true, false, false, false).await {
            Ok(()) => Ok(FredEar { client, connection, pushes }),
            Err(error) => {
                part(&client, &connection).await;
                Err(error.into())
            }
        }
    }
}

impl Ear for FredEar {
    async fn next(&mut self) -> Result<Vec<String>, RedisError> {
        tokio::select! {
            // Pushes that came before the end count; what came after them is missed anyway.
            biased;
            push = self.pushes.recv() => match push {
                Ok(push) => Ok(push.keys.into_iter().map(|key| key.as_str_lossy().into_owned()).collect()),
                Err(error) => Err(RedisError(format!("pushes were missed: {error}"))),
            },
            ended = &mut self.connection => Err(end_of(ended)),
        }
    }
}

impl Drop for FredEar {
    fn drop(&mut self) {
        let client = self.client.clone();
        self.connection.abort();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { timeout(PARTING, client.quit()).await });
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
        self.noting(self.client.set(key, state, life, Some(SetOptions::NX), true).await)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        self.noting(self.client.get(key).await)
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
        self.noting(self.scripts.fill.evalsha(&self.client, vec![key, marker], arguments).await)
    }

    async fn fence(&self, key: &str, marker: Option<&str>, fence: Bytes, life: Duration) -> Result<bool, RedisError> {
        self.noting(self.scripts.fence.evalsha(&self.client, keys(key, marker), (fence, millis(life))).await)
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
        self.noting(self.scripts.release.evalsha(&self.client, keys(key, marker), arguments).await)
    }

    async fn generations(&self, keys: Vec<String>, proposals: Vec<Bytes>) -> Result<Vec<Bytes>, RedisError> {
        self.noting(self.scripts.generations.evalsha(&self.client, keys, proposals).await)
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
        self.noting(self.scripts.void.evalsha(&self.client, keys, arguments).await)
    }

    async fn wait(&self, key: &str, lease: Bytes) -> Result<Option<Duration>, RedisError> {
        let left: i64 = self.noting(self.scripts.wait.evalsha(&self.client, key, lease).await)?;
        Ok(u64::try_from(left).ok().map(Duration::from_millis))
    }

    async fn mark(&self, marker: &str) -> Result<(), RedisError> {
        self.noting(self.scripts.mark.evalsha(&self.client, marker, ()).await)
    }

    async fn agree_on_epoch(&self, key: &str, epoch: u64) -> Result<u64, RedisError> {
        self.noting(self.scripts.epoch.evalsha(&self.client, key, epoch.to_string()).await)
    }

    async fn scan(&self, cursor: String, pattern: &str, count: u32) -> Result<(String, Vec<String>), RedisError> {
        self.noting(self.client.scan_page(cursor, pattern, Some(count), None).await)
    }

    async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        self.noting(self.client.unlink(keys).await)
    }

    async fn memory(&self) -> Result<ServerMemory, RedisError> {
        let memory: String = self.noting(self.client.info(Some(InfoKind::Memory)).await)?;
        let stats: String = self.noting(self.client.info(Some(InfoKind::Stats)).await)?;
        Ok(ServerMemory {
            used_bytes: number_in(&memory, "used_memory:"),
            limit_bytes: number_in(&memory, "maxmemory:"),
            evicted_keys: number_in(&stats, "evicted_keys:"),
        })
    }

    async fn lost(&self) -> String {
        let mut connection = self.connection.lock().await;
        tokio::select! {
            ended = &mut *connection => end_of(ended).to_string(),
            () = self.troubled.notified() => "too many commands failed in a row".to_owned(),
        }
    }

    async fn close(&self) {
        let connection = self.connection.lock().await;
        part(&self.client, &connection).await;
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

async fn connect(options: &RedisOptions) -> Result<(Client, ConnectHandle), RedisError> {
    let client = client(options)?;
    match timeout(options.connect_timeout, client.init()).await {
        Ok(connection) => Ok((client, connection?)),
        Err(_) => {
            // fred goes on trying in a task of its own. If that succeeds after all, this is what ends it.
            let _ = timeout(PARTING, client.quit()).await;
            Err(RedisError(format!("no connection within {:?}", options.connect_timeout)))
        }
    }
}

async fn info(client: &Client, section: InfoKind, name: &'static str) -> Result<String, RedisError> {
    let info: String = client.info(Some(section)).await?;
    let value = info.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.ok_or_else(|| RedisError(format!("INFO names no {name}")))?.trim().to_owned())
}

/// 0 where a server does not tell.
fn number_in(info: &str, name: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
}

async fn part(client: &Client, connection: &ConnectHandle) {
    if !connection.is_finished() {
        let _ = timeout(PARTING, client.quit()).await;
    }
    connection.abort();
}

fn end_of(ended: Result<Result<(), Error>, tokio::task::JoinError>) -> RedisError {
    match ended {
        Ok(Err(error)) => RedisError::from(error),
        _ => RedisError("the connection was closed".to_owned()),
    }
}

fn client(options: &RedisOptions) -> Result<Client, Error> {
    let mut config = Config::from_url(&options.url)?;
    config.version = RespVersion::RESP3;
    config.fail_fast = true;
    if options.password.is_some() {
        config.password.clone_from(&options.password);
    }
    if options.database != 0 {
        config.database = Some(options.database);
    }
    if let ServerConfig::Centralized { server } = &mut config.server {
        // A certificate names an IPv6 address without the brackets that it has in a URL.
        let bare = server.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        server.tls_server_name = bare.map(Into::into);
    }
    let performance = PerformanceConfig {
        default_command_timeout: options.command_timeout,
        broadcast_channel_capacity: MAX_PUSHES,
        ..PerformanceConfig::default()
    };
    let connection = ConnectionConfig {
        connection_timeout: options.connect_timeout,
        internal_command_timeout: options.connect_timeout,
        max_command_attempts: 1,
        max_command_buffer_len: MAX_WAITING,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(options.connect_timeout),
            interval: options.connect_timeout / 4,
        },
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    };
    let mut builder = Builder::from_config(config);
    builder.set_performance_config(performance).set_connection_config(connection);
    builder.build()
}

fn millis(life: Duration) -> i64 {
    life.as_millis().try_into().unwrap_or(i64::MAX)
}

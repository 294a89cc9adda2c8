//! One connection to one server, from its birth to its end. It is never mended: fred is told not to reconnect, because
//! a command that is sent again on a new connection would reach a server whose memory nobody has vouched for yet. When
//! a link ends, the supervisor makes a new one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig, UnresponsiveConfig};
use fred::types::scripts::Script;
use fred::types::{Builder, ConnectHandle, Expiration, InfoKind, RespVersion, SetOptions};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::error::RedisError;
use super::state::Run;
use crate::options::RedisOptions;

/// Commands that may wait for their answer at a time; more fail at once.
const MAX_WAITING: usize = 16_384;
/// After so many failures in a row, a link is given up.
const FAILURES_TO_GIVE_UP: u32 = 5;
/// How long the good-bye to a server may take.
const PARTING: Duration = Duration::from_millis(50);

pub(super) struct Link {
    client: Client,
    scripts: Scripts,
    failures: AtomicU32,
    /// Identifies the server's memory: it changes when the server restarts, and when it becomes, or stops being, another's
    /// replica.
    pub(super) server: String,
    /// Identifies the server's process.
    pub(super) run: Run,
    /// Somebody should look at this link: it has failed too often.
    pub(super) troubled: Notify,
}

/// A link that is open but not published yet, and what the supervisor needs to vouch for it.
pub(super) struct Opened {
    pub(super) link: Link,
    /// Ends when the connection does.
    pub(super) connection: ConnectHandle,
}

struct Scripts {
    fill: Script,
    fence: Script,
    release: Script,
    epoch: Script,
}

impl Link {
    pub(super) async fn open(options: &RedisOptions) -> Result<Opened, RedisError> {
        let client = client(options)?;
        let Ok(connection) = timeout(options.connect_timeout, client.init()).await else {
            // fred goes on trying in a task of its own. If that succeeds after all, this is what ends it.
            let _ = timeout(PARTING, client.quit()).await;
            return Err(RedisError(format!("no connection within {:?}", options.connect_timeout)));
        };
        let connection = connection?;
        let scripts = Scripts {
            fill: Script::from_lua(include_str!("scripts/fill.lua")),
            fence: Script::from_lua(include_str!("scripts/fence.lua")),
            release: Script::from_lua(include_str!("scripts/release.lua")),
            epoch: Script::from_lua(include_str!("scripts/epoch.lua")),
        };
        let (failures, troubled) = (AtomicU32::new(0), Notify::new());
        let mut link = Link { client, scripts, failures, server: String::new(), run: Run::default(), troubled };
        match link.introduce().await {
            Ok(()) => Ok(Opened { link, connection }),
            Err(error) => {
                link.close(connection).await;
                Err(error)
            }
        }
    }

    /// Loads the scripts and asks the server who it is.
    async fn introduce(&mut self) -> Result<(), RedisError> {
        for script in [&self.scripts.fill, &self.scripts.fence, &self.scripts.release, &self.scripts.epoch] {
            script.load(&self.client).await?;
        }
        let process = self.info(InfoKind::Server, "run_id:").await?;
        // A replica takes over its master's memory, within the same process.
        let memory = self.info(InfoKind::Replication, "master_replid:").await?;
        self.run.iter_mut().zip(process.bytes()).for_each(|(to, from)| *to = from);
        self.server = format!("{process}/{memory}");
        Ok(())
    }

    async fn info(&self, section: InfoKind, name: &'static str) -> Result<String, RedisError> {
        let info: String = self.client.info(Some(section)).await?;
        let value = info.lines().find_map(|line| line.strip_prefix(name));
        let missing = || RedisError(format!("INFO names no {name}"));
        Ok(value.ok_or_else(missing)?.trim().to_owned())
    }

    /// `SET key state NX GET PX life`: what the key holds; if nothing, it holds `state` from now on. One native
    /// command, so a hit costs the server what a `GET` does.
    pub(super) async fn get_or_set(
        &self,
        key: &str,
        state: Bytes,
        life: Option<Duration>,
    ) -> Result<Option<Bytes>, RedisError> {
        let life = life.map(expiration);
        self.noting(self.client.set(key, state, life, Some(SetOptions::NX), true).await)
    }

    pub(super) async fn set(&self, key: &str, state: Bytes, life: Duration) -> Result<(), RedisError> {
        self.noting(self.client.set(key, state, Some(expiration(life)), None, false).await)
    }

    pub(super) async fn fill(
        &self,
        key: &str,
        expected: Bytes,
        value: Bytes,
        life: Duration,
    ) -> Result<bool, RedisError> {
        self.noting(self.scripts.fill.evalsha(&self.client, key, (expected, value, millis(life))).await)
    }

    pub(super) async fn fence(&self, key: &str, fence: Bytes, life: Duration) -> Result<bool, RedisError> {
        self.noting(self.scripts.fence.evalsha(&self.client, key, (fence, millis(life))).await)
    }

    pub(super) async fn release(
        &self,
        key: &str,
        fence: Bytes,
        value: Bytes,
        life: Duration,
    ) -> Result<(), RedisError> {
        self.noting(self.scripts.release.evalsha(&self.client, key, (fence, value, millis(life))).await)
    }

    /// The larger of `epoch` and the one that the server knows, which it becomes.
    pub(super) async fn agree_on_epoch(&self, key: &str, epoch: u64) -> Result<u64, RedisError> {
        self.noting(self.scripts.epoch.evalsha(&self.client, key, epoch.to_string()).await)
    }

    /// One step of `SCAN`: the next cursor and some keys.
    pub(super) async fn scan(
        &self,
        cursor: String,
        pattern: &str,
        count: u32,
    ) -> Result<(String, Vec<String>), RedisError> {
        self.noting(self.client.scan_page(cursor, pattern, Some(count), None).await)
    }

    pub(super) async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        self.noting(self.client.unlink(keys).await)
    }

    /// Ends the connection, without waiting for a server that does not answer.
    pub(super) async fn close(&self, connection: ConnectHandle) {
        let _ = timeout(PARTING, self.client.quit()).await;
        connection.abort();
    }

    /// Counts failures in a row: a server that hangs shows as nothing but timeouts.
    fn noting<T>(&self, result: Result<T, Error>) -> Result<T, RedisError> {
        match &result {
            Ok(_) => {
                if self.failures.load(Ordering::Relaxed) != 0 {
                    self.failures.store(0, Ordering::Relaxed);
                }
            }
            // One key of another type says nothing about the link, and would take it down with every few lookups.
            Err(error) if error.details().starts_with("WRONGTYPE") => {}
            Err(_) => {
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_TO_GIVE_UP {
                    self.troubled.notify_one();
                }
            }
        }
        result.map_err(RedisError::from)
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
    let performance =
        PerformanceConfig { default_command_timeout: options.command_timeout, ..PerformanceConfig::default() };
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

fn expiration(life: Duration) -> Expiration {
    Expiration::PX(life.as_millis().try_into().unwrap_or(i64::MAX))
}

fn millis(life: Duration) -> i64 {
    life.as_millis().try_into().unwrap_or(i64::MAX)
}

//! Connections between simulated processes and the simulated server. Each is a stream: what is sent arrives in that
//! order, some time later, or never when it is cut. A push that is lost ends the connection that it was to come by, as
//! it does with TCP; that one is lost in silence is outside of what the protocol is made for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hotshelf_redis_client::RedisError;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::describe::Describe;
use super::host::{Connection, Host};
use super::world::{Push, Server, World};
use super::{Defect, random};
use crate::counters::ServerMemory;
use crate::redis::{Agreement, Connector, InvalidationStream, Link, Presence, Renewal, ServerRunId};

const COMMAND_TIMEOUT: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// As with the real link.
const FAILURES_TO_GIVE_UP: u32 = 5;

pub(super) struct SimulatedRedis {
    pub(super) world: Arc<World>,
    pub(super) host: Arc<Host>,
}

pub(super) struct SimulatedLink {
    world: Arc<World>,
    host: Arc<Host>,
    connection: Arc<Connection>,
    commands: UnboundedSender<Sent>,
    server: String,
    run: ServerRunId,
    hash_tags: [String; 1],
    /// How many in a row, and when the last one was.
    failures: Mutex<Option<(u32, Instant)>>,
    troubled: Notify,
}

pub(super) struct SimulatedInvalidationStream {
    host: Arc<Host>,
    connection: Arc<Connection>,
    pushes: UnboundedReceiver<Push>,
    /// On its way.
    next: Option<Push>,
}

struct Sent {
    arrives: Instant,
    run: Box<dyn FnOnce(&mut Server) + Send>,
}

fn closed() -> RedisError {
    RedisError::new("the connection was closed")
}

impl SimulatedRedis {
    /// Connects, and does the first thing at the server.
    async fn connect<T>(
        &self,
        is_subscribed: bool,
        first: impl FnOnce(&mut Server, &Arc<Connection>) -> T,
    ) -> Result<(Arc<Connection>, T), RedisError> {
        self.host.alive().await;
        let connecting = async {
            self.arrives().await;
            let mut server = self.world.server.lock();
            if !server.up || Instant::now() < self.host.network.lock().refused_until {
                return Err(RedisError::new("connection refused"));
            }
            let (cut, reset) = (CancellationToken::new(), AtomicBool::new(false));
            let connection = Arc::new(Connection { is_subscribed, cut, reset });
            self.host.network.lock().connections.push(Arc::clone(&connection));
            let first = first(&mut server, &connection);
            Ok((connection, first))
        };
        let connected = timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(closed()));
        random::step().await;
        self.host.alive().await;
        connected
    }

    async fn arrives(&self) {
        self.host.passes(Instant::now() + random::delay(), false).await;
        let hangs_until = self.world.server.lock().hangs_until;
        random::until(hangs_until).await;
    }
}

#[async_trait]
impl Connector for SimulatedRedis {
    async fn open(&self) -> Result<Box<dyn Link>, RedisError> {
        let (connection, (start, run)) = self.connect(false, |server, _| (server.start, server.run)).await?;
        let (commands, sent) = unbounded_channel();
        let (world, host) = (Arc::clone(&self.world), Arc::clone(&self.host));
        tokio::spawn(carry(Arc::clone(&world), Arc::clone(&host), Arc::clone(&connection), start, sent));
        let alike = world.defect == Some(Defect::ServersAreAlike);
        let server = if alike { "some server".to_owned() } else { format!("server {start}") };
        self.world.note(|| format!("{} is connected to server {start}", self.host.name()));
        let (failures, troubled) = (Mutex::default(), Notify::new());
        let hash_tags = [String::new()];
        Ok(Box::new(SimulatedLink { world, host, connection, commands, server, run, hash_tags, failures, troubled }))
    }

    async fn listen(&self, markers: &str) -> Result<Box<dyn InvalidationStream>, RedisError> {
        let (stream, pushes) = unbounded_channel();
        let listens = |server: &mut Server, connection: &Arc<Connection>| {
            server.listens(Arc::clone(connection), markers, stream);
        };
        let (connection, ()) = self.connect(true, listens).await?;
        self.world.note(|| format!("{} listens", self.host.name()));
        Ok(Box::new(SimulatedInvalidationStream { host: Arc::clone(&self.host), connection, pushes, next: None }))
    }
}

/// Carries commands to the server, and has them carried out there, until the connection ends.
async fn carry(
    world: Arc<World>,
    host: Arc<Host>,
    connection: Arc<Connection>,
    start: u64,
    mut sent: UnboundedReceiver<Sent>,
) {
    while let Some(command) = sent.recv().await {
        host.passes(command.arrives, false).await;
        let hangs_until = world.server.lock().hangs_until;
        random::until(hangs_until).await;
        let marked = {
            let mut server = world.server.lock();
            if server.start != start || connection.reset.load(Ordering::Relaxed) {
                connection.cut.cancel();
                return;
            }
            (command.run)(&mut server);
            !server.store.marked.is_empty()
        };
        if marked {
            // Others may still come into the same turn.
            random::until(Instant::now()).await;
            world.server.lock().end_turn();
        }
    }
}

#[async_trait]
impl InvalidationStream for SimulatedInvalidationStream {
    async fn next(&mut self) -> Result<Vec<String>, RedisError> {
        self.host.alive().await;
        let heard = self.connection.cut.run_until_cancelled(async {
            if self.next.is_none() {
                self.next = self.pushes.recv().await;
            }
            let lag = self.host.network.lock().push_lag;
            self.host.passes(self.next.as_ref()?.arrives + lag, true).await;
            self.host.alive().await;
            Some(self.next.take()?.markers)
        });
        heard.await.flatten().ok_or_else(closed)
    }
}

impl SimulatedLink {
    /// Sends a command and waits for its answer, which may be lost, or late.
    async fn command<T: Describe + Send + 'static>(
        &self,
        what: impl FnOnce() -> String + Send + 'static,
        run: impl FnOnce(&mut Server) -> Result<T, RedisError> + Send + 'static,
    ) -> Result<T, RedisError> {
        self.host.alive().await;
        let (answer, answered) = oneshot::channel();
        let (world, host) = (Arc::clone(&self.world), Arc::clone(&self.host));
        let run = Box::new(move |server: &mut Server| {
            let result = run(server);
            world.note(|| format!("{} Redis: {} -> {}", host.name(), what(), result.describe()));
            let _ = answer.send(result);
        });
        let arrives = Instant::now() + random::delay();
        let sent = self.commands.send(Sent { arrives, run }).map_err(|_| closed());
        let answering = async {
            sent?;
            let result = answered.await.map_err(|_| closed())?;
            self.host.passes(Instant::now() + random::delay(), false).await;
            result
        };
        let answering = timeout(COMMAND_TIMEOUT, self.connection.cut.run_until_cancelled(answering));
        let result = match answering.await {
            Ok(answer) => answer.unwrap_or_else(|| Err(closed())),
            Err(_) => Err(RedisError::new("Request timed out")),
        };
        self.host.alive().await;
        self.count_failures(result.is_err());
        result
    }

    /// As the real link does: those within one time-out count as one.
    fn count_failures(&self, failed: bool) {
        let (mut failures, now) = (self.failures.lock(), Instant::now());
        match *failures {
            _ if !failed => *failures = None,
            Some((_, last)) if now < last + COMMAND_TIMEOUT => {}
            Some((in_a_row, _)) if in_a_row + 1 == FAILURES_TO_GIVE_UP => self.troubled.notify_one(),
            Some((in_a_row, _)) => *failures = Some((in_a_row + 1, now)),
            None => *failures = Some((1, now)),
        }
    }
}

/// A command by its name, its keys and what it leaves there.
macro_rules! command {
    ($self:ident, $store:ident, $name:literal, [$($shown:expr),*], $run:expr) => {{
        let shown = $self.world.is_traced().then(|| [$($shown.describe()),*].join(" "));
        $self.command(move || format!("{} {}", $name, shown.unwrap_or_default()), move |server| {
            let $store = &mut server.store;
            $run
        }).await
    }};
}

#[async_trait]
impl Link for SimulatedLink {
    fn server(&self) -> &str {
        &self.server
    }

    fn run(&self) -> ServerRunId {
        self.run
    }

    fn hash_tags(&self) -> &[String] {
        &self.hash_tags
    }

    async fn get_or_set(&self, key: &str, state: Bytes, ttl: Option<Duration>) -> Result<Option<Bytes>, RedisError> {
        let key = key.to_owned();
        command!(self, store, "look up", [key, state], store.get_or_set(&key, state, ttl))
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        let key = key.to_owned();
        command!(self, store, "get", [key], Ok(store.get(&key)))
    }

    async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, RedisError> {
        command!(self, store, "get many", [keys.join(" ")], Ok(keys.iter().map(|key| store.get(key)).collect()))
    }

    async fn fill(
        &self,
        key: &str,
        marker: &str,
        expected: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        let (key, marker) = (key.to_owned(), marker.to_owned());
        command!(self, store, "fill", [key, expected, value], store.fill(&key, &marker, expected, value, ttl))
    }

    async fn fence(&self, key: &str, marker: Option<&str>, fence: Bytes, ttl: Duration) -> Result<bool, RedisError> {
        let (key, marker) = (key.to_owned(), marker.map(str::to_owned));
        command!(self, store, "fence", [key, fence], store.fence(&key, marker.as_deref(), fence, ttl))
    }

    async fn release(
        &self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        let (key, marker) = (key.to_owned(), marker.map(str::to_owned));
        command!(self, store, "release", [key, fence, value], {
            store.release(&key, marker.as_deref(), fence, value, ttl)
        })
    }

    async fn generations(
        &self,
        keys: Vec<String>,
        proposals: Vec<Bytes>,
        renewal: Renewal,
    ) -> Result<Vec<Bytes>, RedisError> {
        command!(self, store, "generations", [keys.join(" ")], store.generations(&keys, proposals, renewal))
    }

    async fn invalidate(
        &self,
        keys: Vec<String>,
        markers: Vec<String>,
        next: Vec<Bytes>,
        ttl: Duration,
    ) -> Result<(), RedisError> {
        command!(self, store, "invalidate", [keys.join(" "), next], store.invalidate(&keys, &markers, next, ttl))
    }

    async fn wait(&self, key: &str, lease: Bytes) -> Result<Option<Duration>, RedisError> {
        let key = key.to_owned();
        command!(self, store, "wait", [key, lease], store.wait(&key, lease))
    }

    async fn publish_marker(&self, marker: &str) -> Result<(), RedisError> {
        let marker = marker.to_owned();
        command!(self, store, "publish marker", [marker], store.publish_marker(&marker))
    }

    async fn agree_on_epoch(&self, key: &str, presence: &Presence) -> Result<Agreement, RedisError> {
        let (key, presence) = (key.to_owned(), presence.clone());
        command!(self, store, "agree on epoch", [presence.epoch.0.clone()], store.agree_on_epoch(&key, &presence))
    }

    async fn scan(&self, _: String, pattern: &str, _: u32) -> Result<(String, Vec<String>), RedisError> {
        let prefix = pattern.trim_end_matches('*').to_owned();
        command!(self, store, "scan", [prefix], {
            Ok(("0".to_owned(), store.names().into_iter().filter(|name| name.starts_with(&prefix)).collect()))
        })
    }

    async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        command!(self, store, "unlink", [keys.join(" ")], Ok(store.unlink(&keys)))
    }

    /// Nothing depends on it.
    async fn memory(&self) -> Result<ServerMemory, RedisError> {
        Ok(ServerMemory::default())
    }

    async fn lost(&self) -> String {
        self.connection.cut.run_until_cancelled(self.troubled.notified()).await;
        "lost".to_owned()
    }

    async fn close(&self) {
        self.connection.cut.cancel();
    }
}

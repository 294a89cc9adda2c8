//! Redis by fred: one server, the master that sentinels name, or all primaries of a cluster. It is told not to
//! reconnect (see [`Link`]).

mod invalidation_stream;
mod opening;
mod pooled_connection;
mod probe;
mod scripts;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::{Expiration, InfoKind, SetOptions, Value};
use futures_util::future::{join_all, select_all, try_join_all};
use hotshelf_redis_client::{Address, Layout, RedisError, SLOTS, slot};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::link::{Agreement, Link, Presence, Renewal};
use super::state::ServerRunId;
use crate::counters::{CommandTimer, RedisCounters, ServerMemory};
pub(crate) use opening::FredConnector;
use pooled_connection::PooledConnection;
use scripts::Scripts;

/// After so many failures in a row on one of its connections, a link is given up.
const FAILURES_TO_GIVE_UP: u32 = 5;
/// With these, a server says that it takes no writes, or not those of this key, any more: another one has its place, or
/// its memory is full, or its snapshots fail. What it holds is no longer what counts.
const MOVED_ON: [&str; 8] =
    ["READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "MOVED", "OOM", "MISCONF"];
/// These say something about one key and nothing about the server: it is of another type, or just on its way to another
/// node.
const OF_THE_KEY: [&str; 3] = ["WRONGTYPE", "ASK", "TRYAGAIN"];
/// How often the nodes of a cluster are asked whether its slots are still distributed as they were.
const LOOK_AT_LAYOUT: Duration = Duration::from_secs(1);

/// All servers of a layout as one: it ends as a whole with any part of it.
pub(crate) struct FredLink {
    /// In the order of the layout.
    nodes: Vec<Node>,
    /// The node of each slot; empty when there is one node.
    owners: Vec<usize>,
    hash_tags: Vec<String>,
    scripts: Scripts,
    server: String,
    run: ServerRunId,
    /// Of a cluster: how it was when the link was opened.
    layout: Option<Layout>,
    /// Why it is of no use any more. From then on, commands fail without being sent.
    spent: OnceLock<RedisError>,
    is_spent: Notify,
    /// Where its commands are timed, once it is in use.
    counters: Option<Arc<RedisCounters>>,
}

/// One server.
struct Node {
    address: Address,
    /// At least one.
    connections: Vec<PooledConnection>,
}

impl FredLink {
    /// Times a command until it is dropped.
    fn timer(&self, command: &'static str) -> Option<CommandTimer<'_>> {
        self.counters.as_ref().map(|counters| counters.timer(command))
    }

    /// The connection for this key.
    fn connection(&self, key: &str) -> Result<&PooledConnection, RedisError> {
        if let Some(reason) = self.spent.get() {
            return Err(reason.clone());
        }
        let pooled = match &self.nodes[..] {
            [Node { connections, .. }] if connections.len() == 1 => connections.first(),
            nodes => {
                let slot = usize::from(slot(key));
                let node = nodes.get(self.owners.get(slot).copied().unwrap_or_default());
                node.and_then(|node| node.connections.get(slot % node.connections.len()))
            }
        };
        pooled.ok_or_else(|| RedisError::new("no node has this key"))
    }

    /// Sends a command about this key.
    async fn send<'a, T, F>(&'a self, key: &str, command: impl FnOnce(&'a Client) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let pooled = self.connection(key)?;
        // A future of fred's is of seven kilobytes. Each future around it would be larger still, and be moved as a
        // whole.
        let answer = Box::pin(command(pooled.connection.client())).await;
        self.noting(pooled, answer)
    }

    /// Counts failures in a row: a server that hangs shows as nothing but timeouts.
    fn noting<T>(&self, pooled: &PooledConnection, result: Result<T, impl Into<RedisError>>) -> Result<T, RedisError> {
        let error = match result {
            Ok(answer) => {
                pooled.failures.end();
                return Ok(answer);
            }
            Err(error) => error.into(),
        };
        // A right that was taken away is missed by every command of its kind.
        if says(&error, &MOVED_ON) || error.is_refused() {
            self.give_up(error.clone());
        } else if !says(&error, &OF_THE_KEY) && pooled.failures.add() >= FAILURES_TO_GIVE_UP {
            self.give_up(RedisError::new("too many commands failed in a row"));
        }
        Err(error)
    }

    fn give_up(&self, reason: RedisError) {
        let _ = self.spent.set(reason);
        self.is_spent.notify_one();
    }

    fn connections(&self) -> impl Iterator<Item = &PooledConnection> {
        self.nodes.iter().flat_map(|node| &node.connections)
    }

    /// Ends when one of the connections has.
    async fn disconnected(&self) -> RedisError {
        select_all(self.connections().map(|pooled| Box::pin(pooled.connection.ended()))).await.0
    }

    /// Asks the nodes of a cluster from time to time how its slots are distributed, and ends when that has changed. A
    /// fail-over or a move of slots of which no command of this link has met anything shows here.
    async fn rearranged(&self) -> RedisError {
        let Some(layout) = &self.layout else { return std::future::pending().await };
        let mut looks = interval(LOOK_AT_LAYOUT);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let told = self.nodes.iter().filter_map(|node| Some((node.connections.first()?, &node.address)));
            let told = told.map(|(pooled, address)| async move {
                self.noting(pooled, Layout::told_by(&pooled.connection, address).await)
            });
            if join_all(told).await.iter().flatten().any(|told| told != layout) {
                return RedisError::new("the slots of the cluster are distributed in another way now");
            }
        }
    }
}

#[async_trait]
impl Link for FredLink {
    fn server(&self) -> &str {
        &self.server
    }

    fn run(&self) -> ServerRunId {
        self.run
    }

    fn hash_tags(&self) -> &[String] {
        &self.hash_tags
    }

    /// `SET key state NX GET PX ttl`, one native command: a hit costs the server what a `GET` does.
    async fn get_or_set(&self, key: &str, state: Bytes, ttl: Option<Duration>) -> Result<Option<Bytes>, RedisError> {
        let _timer = self.timer("lookup");
        let ttl = ttl.map(|ttl| Expiration::PX(millis(ttl)));
        self.send(key, |client| client.set(key, state, ttl, Some(SetOptions::NX), true)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        let _timer = self.timer("get");
        self.send(key, |client| client.get(key)).await
    }

    /// One `MGET`; in a cluster, one for each slot.
    async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, RedisError> {
        let _timer = self.timer("get_many");
        let mut held = vec![None; keys.len()];
        let gets = self.together(&keys).into_iter().map(|group| async {
            let (positions, keys): (Vec<usize>, Vec<&str>) = group.into_iter().unzip();
            let values: Vec<Option<Bytes>> = self.send(first(&keys), |client| client.mget(keys)).await?;
            Ok::<_, RedisError>(positions.into_iter().zip(values))
        });
        for (position, value) in try_join_all(gets).await?.into_iter().flatten() {
            held[position] = value;
        }
        Ok(held)
    }

    async fn fill(
        &self,
        key: &str,
        marker: &str,
        expected: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        let _timer = self.timer("fill");
        let arguments = (expected, value, millis(ttl));
        self.send(key, |client| self.scripts.fill.evalsha(client, vec![key, marker], arguments)).await
    }

    async fn fence(&self, key: &str, marker: Option<&str>, fence: Bytes, ttl: Duration) -> Result<bool, RedisError> {
        let _timer = self.timer("fence");
        let arguments = (fence, millis(ttl));
        self.send(key, |client| self.scripts.fence.evalsha(client, keys(key, marker), arguments)).await
    }

    async fn release(
        &self,
        key: &str,
        marker: Option<&str>,
        fence: Bytes,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, RedisError> {
        let _timer = self.timer("release");
        let arguments = (fence, value, millis(ttl));
        self.send(key, |client| self.scripts.release.evalsha(client, keys(key, marker), arguments)).await
    }

    async fn generations(
        &self,
        keys: Vec<String>,
        proposals: Vec<Bytes>,
        renewal: Renewal,
    ) -> Result<Vec<Bytes>, RedisError> {
        let _timer = self.timer("generations");
        let first = keys.first().cloned().unwrap_or_default();
        let ttls = [renewal.ttl, renewal.of_writers].map(|ttl| Value::from(millis(ttl)));
        let arguments: Vec<Value> = ttls.into_iter().chain(proposals.into_iter().map(Value::Bytes)).collect();
        self.send(&first, |client| self.scripts.generations.evalsha(client, keys, arguments)).await
    }

    async fn invalidate(
        &self,
        mut keys: Vec<String>,
        markers: Vec<String>,
        next: Vec<Bytes>,
        ttl: Duration,
    ) -> Result<(), RedisError> {
        let _timer = self.timer("void");
        let first = keys.first().cloned().unwrap_or_default();
        keys.extend(markers);
        let arguments: Vec<Value> =
            std::iter::once(millis(ttl).into()).chain(next.into_iter().map(Value::Bytes)).collect();
        self.send(&first, |client| self.scripts.invalidate.evalsha(client, keys, arguments)).await
    }

    async fn wait(&self, key: &str, lease: Bytes) -> Result<Option<Duration>, RedisError> {
        let _timer = self.timer("wait");
        let left: i64 = self.send(key, |client| self.scripts.wait.evalsha(client, key, lease)).await?;
        Ok(u64::try_from(left).ok().map(Duration::from_millis))
    }

    async fn publish_marker(&self, marker: &str) -> Result<(), RedisError> {
        let _timer = self.timer("mark");
        self.send(marker, |client| self.scripts.publish_marker.evalsha(client, marker, ())).await
    }

    async fn agree_on_epoch(&self, key: &str, presence: &Presence) -> Result<Agreement, RedisError> {
        let _timer = self.timer("epoch");
        let arguments = presence.arguments();
        let answer: String = self.send(key, |client| self.scripts.epoch.evalsha(client, key, arguments)).await?;
        Agreement::read(&answer)
    }

    /// One server after the other: in a cluster, the cursor also names the node.
    async fn scan(&self, cursor: String, pattern: &str, count: u32) -> Result<(String, Vec<String>), RedisError> {
        let _timer = self.timer("scan");
        let (index, of_node) = cursor.split_once('/').unwrap_or(("0", &cursor));
        let index: usize = index.parse().unwrap_or_default();
        let node = self.nodes.get(index).and_then(|node| node.connections.first());
        let pooled = node.ok_or_else(|| RedisError::new("no node has this cursor"))?;
        let page = pooled.connection.client().scan_page(of_node.to_owned(), pattern, Some(count), None).await;
        let (next, keys): (String, Vec<String>) = self.noting(pooled, page)?;
        let next = match (&next[..], index + 1 < self.nodes.len()) {
            ("0", false) => next,
            ("0", true) => format!("{}/0", index + 1),
            _ => format!("{index}/{next}"),
        };
        Ok((next, keys))
    }

    async fn unlink(&self, keys: Vec<String>) -> Result<u64, RedisError> {
        let _timer = self.timer("unlink");
        let unlinks = self.together(&keys).into_iter().map(|group| async {
            let keys: Vec<&str> = group.into_iter().map(|(_, key)| key).collect();
            self.send::<u64, _>(first(&keys), |client| client.unlink(keys)).await
        });
        Ok(try_join_all(unlinks).await?.into_iter().sum())
    }

    async fn memory(&self) -> Result<ServerMemory, RedisError> {
        let mut all = ServerMemory::default();
        for pooled in self.nodes.iter().filter_map(|node| node.connections.first()) {
            let client = pooled.connection.client();
            let memory: String = self.noting(pooled, client.info(Some(InfoKind::Memory)).await)?;
            let stats: String = self.noting(pooled, client.info(Some(InfoKind::Stats)).await)?;
            all.used_bytes += number_in(&memory, "used_memory:");
            all.limit_bytes += number_in(&memory, "maxmemory:");
            all.evicted_keys += number_in(&stats, "evicted_keys:");
        }
        Ok(all)
    }

    async fn lost(&self) -> String {
        let reason = tokio::select! {
            biased;
            () = self.is_spent.notified() => self.spent.get().cloned(),
            reason = self.disconnected() => Some(reason),
            reason = self.rearranged() => Some(reason),
        };
        // Whoever still holds this link is to hear of it, too.
        let reason = reason.unwrap_or_else(|| RedisError::new("the connection was closed"));
        self.give_up(reason.clone());
        reason.to_string()
    }

    async fn close(&self) {
        self.give_up(RedisError::new("the connection was closed"));
        join_all(self.connections().map(|pooled| pooled.connection.close())).await;
    }
}

/// 0 where a server does not tell.
fn number_in(info: &str, name: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
}

impl FredLink {
    /// The keys, with their positions, in groups that one command may name: all that go over the same connection, but
    /// in a cluster only those of one slot.
    fn together<'a>(&self, keys: &'a [String]) -> Vec<Vec<(usize, &'a str)>> {
        let parts = match &self.nodes[..] {
            [Node { connections, .. }] => connections.len(),
            _ => usize::from(SLOTS),
        };
        let mut groups: BTreeMap<usize, Vec<(usize, &str)>> = BTreeMap::new();
        for (position, key) in keys.iter().enumerate() {
            let part = if parts == 1 { 0 } else { usize::from(slot(key)) % parts };
            groups.entry(part).or_default().push((position, key));
        }
        groups.into_values().collect()
    }
}

fn first<'a>(keys: &[&'a str]) -> &'a str {
    keys.first().copied().unwrap_or_default()
}

fn says(error: &RedisError, prefixes: &[&str]) -> bool {
    let words = error.to_string();
    prefixes.iter().any(|prefix| words.starts_with(prefix))
}

fn keys<'a>(key: &'a str, marker: Option<&'a str>) -> Vec<&'a str> {
    std::iter::once(key).chain(marker).collect()
}

fn millis(ttl: Duration) -> i64 {
    ttl.as_millis().try_into().unwrap_or(i64::MAX)
}

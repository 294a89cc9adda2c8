//! How a link comes about: find the servers, connect, ask each who it is.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use fred::types::InfoKind;
use futures_util::future::try_join_all;
use hotshelf_redis_client::{Connection, Layout, RedisError, RedisOptions, Servers, Shard, slot};
use parking_lot::Mutex;
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_128;

use super::invalidation_stream::FredInvalidationStream;
use super::pooled_connection::PooledConnection;
use super::probe::{self, major};
use super::scripts::Scripts;
use super::{FredLink, Node};
use crate::counters::RedisCounters;
use crate::redis::link::{Connector, InvalidationStream, Link};
use crate::redis::state::ServerRunId;

/// Opens connections as the options say.
pub(crate) struct FredConnector {
    options: RedisOptions,
    /// In front of every key.
    prefix: String,
    /// Whether changes are to be pushed.
    listens: bool,
    /// Of the link that was opened last: pushes have to come from its servers.
    layout: Mutex<Option<Layout>>,
    /// Where the commands are timed.
    counters: Arc<RedisCounters>,
}

/// A server that was asked who it is.
struct Introduced {
    node: Node,
    version: String,
    process: String,
    memory: String,
}

impl FredConnector {
    pub(crate) fn new(options: RedisOptions, prefix: String, listens: bool, counters: Arc<RedisCounters>) -> Self {
        FredConnector { options, prefix, listens, layout: Mutex::default(), counters }
    }

    fn in_a_cluster(&self) -> bool {
        matches!(self.options.servers, Servers::Cluster(_))
    }

    async fn introduce(&self, shard: &Shard, layout: &Layout, scripts: &Scripts) -> Result<Introduced, RedisError> {
        let open = || Connection::open(&self.options, &shard.address);
        let connections = try_join_all((0..self.options.pool_size.max(1)).map(|_| open())).await?;
        let first = connections.first().ok_or_else(|| RedisError::new("there are no connections"))?;
        scripts.load(first.client()).await?;
        let [process, version] = first.info(InfoKind::Server, ["run_id:", "redis_version:"]).await?;
        // A replica takes over its master's memory, within the same process.
        let [role, memory] = first.info(InfoKind::Replication, ["role:", "master_replid:"]).await?;
        if role != "master" {
            return Err(RedisError::new(format!("{} is a replica: it takes no writes", shard.address)));
        }
        // A node that was cut off goes on with what it knew, and the others do not agree with it.
        if self.in_a_cluster() && Layout::told_by(first, &shard.address).await? != *layout {
            return Err(RedisError::new("the nodes of the cluster do not agree on its slots yet"));
        }
        let timeout = self.options.command_timeout;
        let connections = connections.into_iter().map(|connection| PooledConnection::new(connection, timeout));
        let node = Node { address: shard.address.clone(), connections: connections.collect() };
        Ok(Introduced { node, version, process, memory })
    }
}

#[async_trait]
impl Connector for FredConnector {
    async fn open(&self) -> Result<Box<dyn Link>, RedisError> {
        let layout = Layout::of(&self.options).await?;
        let scripts = Scripts::new();
        let introduced = layout.shards().iter().map(|shard| self.introduce(shard, &layout, &scripts));
        let introduced = try_join_all(introduced).await?;
        let (server, run) = identity(&layout, &introduced);
        let (hash_tags, owners) = (hash_tags(&layout), owners(&layout));
        *self.layout.lock() = Some(layout.clone());
        let (nodes, versions): (_, Vec<_>) = introduced.into_iter().map(|one| (one.node, one.version)).unzip();
        let watched = self.in_a_cluster().then_some(layout);
        let mut link = FredLink {
            nodes,
            owners,
            hash_tags,
            scripts,
            server,
            run,
            layout: watched,
            spent: OnceLock::new(),
            is_spent: Notify::new(),
            counters: None,
        };
        let oldest = versions.into_iter().min_by_key(|version| major(version)).unwrap_or_default();
        probe::run(&link, &self.prefix, self.listens).await.map_err(|trouble| trouble.of_version(&oldest))?;
        link.counters = Some(Arc::clone(&self.counters));
        Ok(Box::new(link))
    }

    async fn listen(&self, markers: &str) -> Result<Box<dyn InvalidationStream>, RedisError> {
        let known = self.layout.lock().clone();
        let layout = match known {
            Some(layout) => layout,
            None => Layout::of(&self.options).await?,
        };
        Ok(Box::new(FredInvalidationStream::open(&self.options, &layout, markers).await?))
    }
}

/// Who the servers are, all together: it differs as soon as one of them has restarted, has become another's replica or
/// has been one, or a slot has moved. By it and by the run, every process calls the same servers the same, whatever
/// names it reaches them by.
fn identity(layout: &Layout, introduced: &[Introduced]) -> (String, ServerRunId) {
    if let [Introduced { process, memory, .. }] = introduced {
        let mut run = ServerRunId::default();
        run.iter_mut().zip(process.bytes()).for_each(|(to, from)| *to = from);
        return (format!("{process}/{memory}"), run);
    }
    let shards = layout.shards().iter().zip(introduced);
    let all: Vec<String> =
        shards.map(|(shard, one)| format!("{:?} {}/{}", shard.slots, one.process, one.memory)).collect();
    let run = xxh3_128(all.join("\n").as_bytes());
    (format!("cluster of {}/{run:032x}", introduced.len()), run.to_be_bytes())
}

/// For each shard, a text that leads to it what has it as its hash tag.
fn hash_tags(layout: &Layout) -> Vec<String> {
    let owners = layout.owners();
    let mut hash_tags: Vec<Option<String>> = vec![None; layout.shards().len()];
    for number in 0_u64.. {
        let hash_tag = number.to_string();
        if let Some(owner) = owners[usize::from(slot(&hash_tag))] {
            hash_tags[owner].get_or_insert(hash_tag);
        }
        if hash_tags.iter().all(Option::is_some) {
            break;
        }
    }
    hash_tags.into_iter().flatten().collect()
}

/// For each slot, its node; nothing when there is only one.
fn owners(layout: &Layout) -> Vec<usize> {
    match layout.shards() {
        [_] => Vec::new(),
        _ => layout.owners().into_iter().map(Option::unwrap_or_default).collect(),
    }
}

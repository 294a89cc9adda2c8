//! Which servers take writes just now, and of which keys.

use std::collections::HashMap;

use fred::interfaces::{ClientLike, ClusterInterface};
use fred::types::{ClusterHash, CustomCommand, Value};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::address::Address;
use crate::connection::Connection;
use crate::error::RedisError;
use crate::options::{Credentials, RedisOptions, Servers};

/// How many slots the keys of a cluster are distributed over.
pub const SLOTS: u16 = 16_384;

/// The slot of a key in a cluster: of what stands in its first braces, if something does, else of the whole.
pub fn slot(key: &str) -> u16 {
    fred::util::redis_keyslot(key.as_bytes())
}

/// The servers that take writes: the primaries of a cluster, or the one server, or the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In the order of their first slots. Each slot belongs to one of them.
    shards: Vec<Shard>,
}

/// A server, and the slots that are its.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Where it listens.
    pub address: Address,
    /// The first and the last slot of each range.
    pub slots: Vec<(u16, u16)>,
}

impl Layout {
    /// Looks for the servers: asks the sentinels, or a node of the cluster. What is found may be over the next moment.
    ///
    /// Takes one round trip over new connections, and none for a single server.
    ///
    /// # Errors
    /// When nobody answers who knows, or not all slots of a cluster have a primary.
    pub async fn of(options: &RedisOptions) -> Result<Self, RedisError> {
        match &options.servers {
            Servers::One(address) => Ok(Layout::of_one(address.clone())),
            Servers::Sentinel { sentinels, service, credentials } => {
                Ok(Layout::of_one(master(options, sentinels, service, credentials).await?))
            }
            Servers::Cluster(nodes) => of_cluster(options, nodes).await,
        }
    }

    fn of_one(address: Address) -> Self {
        Layout { shards: vec![Shard { address, slots: vec![(0, SLOTS - 1)] }] }
    }

    /// What the node of a cluster at the other end says, which was reached at `address`. One round trip.
    ///
    /// # Errors
    /// As [`of`](Layout::of).
    pub async fn told_by(connection: &Connection, address: &Address) -> Result<Self, RedisError> {
        let told: Value = connection.client().cluster_slots().await?;
        let mut shards: Vec<Shard> = Vec::new();
        for range in told.into_array() {
            let (first, last, primary) = read_range(range, address)
                .ok_or_else(|| RedisError::new("the answer to CLUSTER SLOTS is not understood"))?;
            match shards.iter_mut().find(|shard| shard.address == primary) {
                Some(shard) => shard.slots.push((first, last)),
                None => shards.push(Shard { address: primary, slots: vec![(first, last)] }),
            }
        }
        shards.iter_mut().for_each(|shard| shard.slots.sort_unstable());
        shards.sort_unstable_by(|one, other| one.slots.cmp(&other.slots));
        let layout = Layout { shards };
        match layout.owners().iter().all(Option::is_some) {
            true => Ok(layout),
            false => Err(RedisError::new("not every slot of the cluster has a primary")),
        }
    }

    /// The servers.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// For each slot, which of the [`shards`](Layout::shards) it belongs to.
    pub fn owners(&self) -> Vec<Option<usize>> {
        let mut owners = vec![None; usize::from(SLOTS)];
        for (index, shard) in self.shards.iter().enumerate() {
            for &(first, last) in &shard.slots {
                owners[usize::from(first)..=usize::from(last)].fill(Some(index));
            }
        }
        owners
    }
}

/// `[first, last, [host, port, …], replicas…]`, of a node that may leave out its host, and means the one it was asked
/// at.
fn read_range(range: Value, asked: &Address) -> Option<(u16, u16, Address)> {
    let mut parts = range.into_array().into_iter();
    let mut number = || u16::try_from(parts.next()?.as_u64()?).ok().filter(|slot| *slot < SLOTS);
    let (first, last) = (number()?, number()?);
    let mut primary = parts.next()?.into_array().into_iter();
    let host = primary.next()?.as_string().filter(|host| !host.is_empty() && host != "?");
    let port = u16::try_from(primary.next()?.as_u64()?).ok()?;
    let host = host.unwrap_or_else(|| asked.host.clone());
    (first <= last).then_some((first, last, Address { host, port }))
}

/// Asks one node after the other until one knows.
async fn of_cluster(options: &RedisOptions, nodes: &[Address]) -> Result<Layout, RedisError> {
    let mut failure = RedisError::new("no node of the cluster is configured");
    for node in nodes {
        let told = async { Layout::told_by(&Connection::open(options, node).await?, node).await };
        match told.await {
            Ok(layout) => return Ok(layout),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Asks all sentinels at once. One that was cut off may name a master that is none any more, so what most of them say
/// counts, as soon as they do.
async fn master(
    options: &RedisOptions,
    sentinels: &[Address],
    service: &str,
    credentials: &Credentials,
) -> Result<Address, RedisError> {
    let mut asked: FuturesUnordered<_> =
        sentinels.iter().map(|sentinel| named_by(options, sentinel, service, credentials)).collect();
    let mut votes: HashMap<Address, usize> = HashMap::new();
    let mut failure = RedisError::new("no sentinel is configured");
    while let Some(named) = asked.next().await {
        match named {
            Ok(master) => {
                let count = votes.entry(master.clone()).or_default();
                *count += 1;
                if *count * 2 > sentinels.len() {
                    return Ok(master);
                }
            }
            Err(error) => failure = error,
        }
    }
    votes.into_iter().max_by_key(|(_, count)| *count).map(|(master, _)| master).ok_or(failure)
}

async fn named_by(
    options: &RedisOptions,
    sentinel: &Address,
    service: &str,
    credentials: &Credentials,
) -> Result<Address, RedisError> {
    // A sentinel has no databases.
    let options = RedisOptions { database: 0, ..options.clone() };
    let named = async {
        let connection = Connection::open_as(&options, sentinel, credentials).await?;
        let command = CustomCommand::new_static("SENTINEL", ClusterHash::Random, false);
        let arguments = vec!["GET-MASTER-ADDR-BY-NAME".to_owned(), service.to_owned()];
        let named: Option<(String, u16)> = connection.client().custom(command, arguments).await?;
        named.ok_or_else(|| RedisError::new(format!("it knows no master called {service:?}")))
    };
    match named.await {
        Ok((host, port)) => Ok(Address { host, port }),
        Err(error) => Err(RedisError::new(format!("sentinel {sentinel}: {error}"))),
    }
}

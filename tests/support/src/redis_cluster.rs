//! A real Redis Cluster that belongs to one test.

use std::time::{Duration, Instant};

use crate::redis::RedisServer;
use crate::resp::{self, RedisReply};
use crate::wait::block_until;

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

/// A replica gives up a fail-over that was asked for after five seconds (`CLUSTER_MF_TIMEOUT`).
const GIVEN_UP: Duration = Duration::from_millis(5500);

/// Three primaries with a replica each, which takes over some seconds after its primary has failed.
pub struct RedisCluster {
    /// At the beginning, the primaries come first.
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts an empty cluster, and returns when it serves all slots and every replica follows its primary.
    ///
    /// # Panics
    /// When there is no `redis-server` on this machine, or the cluster is not ready in time.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](RedisCluster::start), with further arguments for every node.
    ///
    /// # Panics
    /// As [`start`](RedisCluster::start).
    pub fn start_with(arguments: &[&str]) -> Self {
        let quick = ["--cluster-node-timeout", "1500", "--repl-diskless-sync-delay", "0"];
        let arguments = [&quick, arguments].concat();
        let nodes: Vec<_> = (0..2 * PRIMARIES).map(|_| RedisServer::start_node(&arguments)).collect();
        let cluster = RedisCluster { nodes };
        cluster.assemble();
        cluster
    }

    fn assemble(&self) {
        let (primaries, replicas) = self.nodes.split_at(PRIMARIES);
        for (index, node) in self.nodes.iter().enumerate() {
            // Otherwise the nodes have the same epoch, and resolve the conflicts one after the other.
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            let first = &self.nodes[0];
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &first.port().to_string(), first.bus_port()]);
        }
        for (index, node) in primaries.iter().enumerate() {
            let (first, next) = (index * SLOTS / PRIMARIES, (index + 1) * SLOTS / PRIMARIES);
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &(next - 1).to_string()]);
        }
        block_until("all nodes know each other", || self.nodes.iter().all(|node| node.knows(2 * PRIMARIES)));
        for (primary, replica) in primaries.iter().zip(replicas) {
            let id = primary.command(&["CLUSTER", "MYID"]).text().expect("a node has an id");
            replica.command(&["CLUSTER", "REPLICATE", &id]);
        }
        block_until("all replicas follow", || {
            replicas.iter().all(|replica| replica.informs("replication", "master_link_status:up"))
        });
        block_until("all nodes serve all slots", || self.is_whole());
    }

    /// All nodes, including those that do not run.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The addresses of all nodes, as a `redis-cluster://` URL.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(RedisServer::address).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// The primary that has this key now.
    ///
    /// # Panics
    /// When no running node is the primary of this key.
    pub fn primary_of(&self, key: &str) -> &RedisServer {
        let has = |node: &&RedisServer| {
            let held = resp::call(node.address(), &["EXISTS", key]);
            node.runs() && node.is_primary() && matches!(held, Ok(RedisReply::Integer(_)))
        };
        self.nodes.iter().find(has).unwrap_or_else(|| panic!("no primary has {key}"))
    }

    /// The present primaries.
    pub fn primaries(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.runs() && node.is_primary())
    }

    /// Restarts all nodes that do not run, empty, and returns when they follow the nodes that have replaced them.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn mend(&self) {
        let ended: Vec<_> = self.nodes.iter().filter(|node| !node.runs()).collect();
        ended.iter().for_each(|node| node.restart());
        block_until("the nodes are back as replicas", || {
            ended.iter().all(|node| node.informs("replication", "master_link_status:up"))
        });
        block_until("all nodes serve all slots", || self.is_whole());
    }

    /// Promotes a replica of this primary while the primary is healthy, and returns when it is promoted.
    ///
    /// # Panics
    /// When it has none, or the replica is not promoted in time.
    pub fn fail_over(&self, primary: &RedisServer) {
        let follows = format!("master_port:{}", primary.port());
        let replica = self.nodes.iter().find(|node| node.runs() && node.informs("replication", &follows));
        let replica = replica.expect("the primary has a replica");
        let mut begun: Option<Instant> = None;
        block_until("the replica is promoted", || {
            if replica.is_primary() {
                return true;
            }
            // "OK" only means that the replica has begun. It gives up when the other primaries do not vote for it,
            // for example because it does not know their present epoch yet.
            if begun.is_none_or(|begun| begun.elapsed() > GIVEN_UP) {
                replica.command(&["CLUSTER", "FAILOVER"]);
                begun = Some(Instant::now());
            }
            false
        });
    }

    /// Moves the slot of this key, with all keys in it, to another primary.
    ///
    /// # Panics
    /// When the move is refused.
    pub fn move_slot_of(&self, key: &str) {
        let from = self.primary_of(key);
        let to = self.primaries().find(|node| node.address() != from.address()).expect("there are several primaries");
        let slot = from.command(&["CLUSTER", "KEYSLOT", key]).integer().to_string();
        let id = |node: &RedisServer| node.command(&["CLUSTER", "MYID"]).text().expect("a node has an id");
        to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        for key in from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).texts() {
            from.command(&["MIGRATE", "127.0.0.1", &to.port().to_string(), &key, "0", "1000"]);
        }
        for node in [to, from] {
            node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
        }
        block_until("all nodes know the owner of the slot", || {
            let owns = |node: &RedisServer| {
                let own = node.command(&["CLUSTER", "SLOTS"]);
                format!("{own:?}").contains(&format!("Integer({slot}), Integer({slot})"))
            };
            self.nodes.iter().filter(|node| node.runs()).all(owns)
        });
    }

    /// Whether all running nodes see all slots served, by the original number of primaries.
    pub fn is_whole(&self) -> bool {
        let sees_all = |node: &RedisServer| {
            let info = node.command(&["CLUSTER", "INFO"]).text().unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains("cluster_size:3")
        };
        self.nodes.iter().filter(|node| node.runs()).all(sees_all) && self.primaries().count() == PRIMARIES
    }
}

impl RedisServer {
    fn knows(&self, nodes: usize) -> bool {
        let known = self.command(&["CLUSTER", "NODES"]).text().unwrap_or_default();
        known.lines().filter(|line| !line.contains("handshake") && line.contains(" connected")).count() == nodes
    }

    /// Whether it is not a replica now.
    pub fn is_primary(&self) -> bool {
        self.informs("replication", "role:master")
    }
}

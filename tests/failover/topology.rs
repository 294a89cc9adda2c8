//! The Redis topologies, their faults, and two instances of the service on each.

use hotshelf_testkit::catalogue::{create_named, lookup, wait_for_redis};
use hotshelf_testkit::{Client, PATIENCE, RedisCluster, RedisSentinels, RedisServer, Reply, Service, wait_until};
use tempfile::TempDir;

use crate::hotshelf;

/// A generation, on which all lists depend.
const GENERATION: &str = "product:{gen}:products";

pub(crate) enum Topology {
    One(RedisServer),
    Sentinels(RedisSentinels),
    Cluster(RedisCluster),
}

impl Topology {
    pub(crate) fn one() -> Self {
        Topology::One(RedisServer::start())
    }

    pub(crate) fn sentinels() -> Self {
        Topology::Sentinels(RedisSentinels::start())
    }

    pub(crate) fn cluster() -> Self {
        Topology::Cluster(RedisCluster::start())
    }

    fn url(&self) -> String {
        match self {
            Topology::One(server) => server.url(),
            Topology::Sentinels(set) => set.url(),
            Topology::Cluster(cluster) => cluster.url(),
        }
    }

    /// The servers that accept writes now.
    pub(crate) fn masters(&self) -> Vec<&RedisServer> {
        match self {
            Topology::One(server) => vec![server],
            Topology::Sentinels(set) => vec![set.master()],
            Topology::Cluster(cluster) => cluster.primaries().collect(),
        }
    }

    /// Kills the master; in a cluster, the primary with the generations.
    pub(crate) fn kill_master(&self) {
        self.master_of_generations().stop();
    }

    /// In a cluster, restarts the killed node as a replica.
    pub(crate) fn mend(&self) {
        if let Topology::Cluster(cluster) = self {
            cluster.mend();
        }
    }

    /// Promotes a replica while its master is healthy.
    pub(crate) fn fail_over(&self) {
        match self {
            Topology::One(_) => panic!("a single server has no replica"),
            Topology::Sentinels(set) => set.fail_over(),
            Topology::Cluster(cluster) => cluster.fail_over(cluster.primary_of(GENERATION)),
        }
    }

    /// Whether another server has replaced this one, and all servers agree on that.
    pub(crate) fn is_whole_without(&self, former: &RedisServer) -> bool {
        let others_agree = match self {
            Topology::One(_) => return false,
            Topology::Sentinels(set) => set.agree_on_a_master(),
            Topology::Cluster(cluster) => cluster.is_whole(),
        };
        others_agree && self.masters().iter().all(|master| master.address() != former.address())
    }

    /// The server with the generations.
    pub(crate) fn master_of_generations(&self) -> &RedisServer {
        self.master_of(GENERATION)
    }

    /// The server that accepts writes of this key.
    pub(crate) fn master_of(&self, key: &str) -> &RedisServer {
        match self {
            Topology::One(server) => server,
            Topology::Sentinels(set) => set.master(),
            Topology::Cluster(cluster) => cluster.primary_of(key),
        }
    }

    fn servers(&self) -> &[RedisServer] {
        match self {
            Topology::One(server) => std::slice::from_ref(server),
            Topology::Sentinels(set) => set.servers(),
            Topology::Cluster(cluster) => cluster.nodes(),
        }
    }

    /// The number of servers that have this key, including replicas.
    pub(crate) fn copies(&self, key: &str) -> usize {
        self.servers().iter().filter(|server| server.keys(key).len() == 1).count()
    }

    /// Stops replication without closing connections: replicas get nothing from their masters any more.
    pub(crate) fn stop_replication(&self) {
        for replica in self.servers().iter().filter(|server| !server.is_primary()) {
            // A master without a password refuses clients that send one.
            replica.command(&["CONFIG", "SET", "masterauth", "no such password"]);
            replica.command(&["CLIENT", "KILL", "TYPE", "master"]);
        }
    }

    /// The number of keys on all masters that match.
    pub(crate) fn keys(&self, pattern: &str) -> Vec<usize> {
        self.masters().iter().map(|master| master.keys(pattern).len()).collect()
    }
}

/// Two instances on one database, both up and subscribed to each other's pushes.
pub(crate) struct Pair {
    pub(crate) first: Service,
    pub(crate) second: Service,
    pub(crate) redis: Topology,
    _directory: TempDir,
}

impl Pair {
    pub(crate) async fn start(redis: Topology, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let instance = || {
            // Far more than Redis needs, so that a busy machine causes no outage.
            let patient =
                hotshelf().shared_db(&directory.path().join("products.db")).env("REDIS_COMMAND_TIMEOUT", "1s");
            let service = patient.env("REDIS_URL", redis.url());
            settings.iter().fold(service, |service, (name, value)| service.env(name, value)).start()
        };
        let (first, second) = tokio::join!(instance(), instance());
        let pair = Pair { first, second, redis, _directory: directory };
        pair.are_up().await;
        pair
    }

    pub(crate) fn both(&self) -> [&Client; 2] {
        [&self.first, &self.second]
    }

    /// Returns when both tiers of both instances serve.
    pub(crate) async fn are_up(&self) {
        for instance in self.both() {
            wait_for_redis(instance, "up").await;
        }
        for instance in self.both() {
            let from_l1 = async || {
                let probe = create_named(&self.first, "Probe").await;
                lookup(instance, &probe).await;
                cache_status(&lookup(instance, &probe).await).ends_with("; detail=l1")
            };
            wait_until("memory serves", PATIENCE, from_l1).await;
        }
        let from_l2 = async || {
            let probe = create_named(&self.first, "Probe").await;
            lookup(&self.first, &probe).await;
            cache_status(&lookup(&self.second, &probe).await).ends_with("; detail=l2")
        };
        wait_until("Redis has what the other instance has filled", PATIENCE, from_l2).await;
    }
}

#[track_caller]
pub(crate) fn cache_status(reply: &Reply) -> &str {
    reply.header("cache-status")
}

//! A client that finds its way back by itself.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

use fred::error::Error;
use fred::interfaces::KeysInterface;
use hotshelf_redis_client::{Connection, Credentials, Layout, Reconnecting, RedisOptions, Servers, slot};
use hotshelf_testkit::{PATIENCE, RedisCluster, RedisSentinels, RedisServer, wait_until};

fn options(redis: &RedisServer) -> RedisOptions {
    RedisOptions::new(Servers::One(redis.address().parse().unwrap()))
}

/// Counts, if there is a connection.
async fn count(redis: &Reconnecting) -> Option<u64> {
    let counted: Result<u64, Error> = redis.client().ok()?.incr("counter").await;
    counted.ok()
}

#[tokio::test]
async fn it_comes_back_with_the_server_and_fails_at_once_until_then() {
    let server = RedisServer::not_started();
    let redis = Reconnecting::start(&options(&server)).unwrap();
    assert_eq!(redis.client().map(drop).unwrap_err().to_string(), "not connected");
    for _ in 0..2 {
        server.restart();
        wait_until("it is connected", PATIENCE, async || count(&redis).await.is_some()).await;
        server.stop();
        wait_until("the loss is noticed", PATIENCE, async || redis.client().is_err()).await;
    }
    redis.close().await;
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left() {
    let (server, master) = (RedisServer::start(), RedisServer::start());
    let redis = Reconnecting::start(&options(&server)).unwrap();
    wait_until("it is connected", PATIENCE, async || count(&redis).await.is_some()).await;
    // The ids of its connections: the harness speaks an older protocol.
    let connections = || {
        let clients = server.command(&["CLIENT", "LIST"]).text().unwrap();
        let own = clients.lines().filter(|client| client.contains("resp=3"));
        own.filter_map(|client| client.split(' ').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    let before = connections();
    assert_eq!(before.len(), 1, "{before:?}");
    let (host, port) = master.address().split_once(':').unwrap();
    server.command(&["REPLICAOF", host, port]);
    assert_eq!(count(&redis).await, None);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    wait_until("it counts again", PATIENCE, async || count(&redis).await.is_some()).await;
    assert!(!connections().contains(&before[0]), "by a new connection");
}

#[tokio::test]
async fn a_connection_ends_with_the_server_and_tells() {
    let server = RedisServer::start();
    let connection = Connection::open(&options(&server), &server.address().parse().unwrap()).await.unwrap();
    let [run] = connection.info(fred::types::InfoKind::Server, ["run_id:"]).await.unwrap();
    assert_eq!(run.len(), 40, "{run}");
    server.stop();
    assert!(!connection.ended().await.to_string().is_empty());
    // Asked again, it does not wait for ever.
    connection.ended().await;
    let refused = Connection::open(&options(&server), &server.address().parse().unwrap()).await;
    assert_eq!(refused.map(drop).unwrap_err().to_string(), "connection refused");
}

#[tokio::test]
async fn it_follows_the_master_that_sentinels_name() {
    let set = RedisSentinels::start();
    let servers = Servers::Sentinel {
        sentinels: set.sentinels().map(|sentinel| sentinel.parse().unwrap()).collect(),
        service: RedisSentinels::SERVICE.to_owned(),
        credentials: Credentials::default(),
    };
    let options = RedisOptions::new(servers);
    let redis = Reconnecting::start(&options).unwrap();
    wait_until("it is connected", PATIENCE, async || count(&redis).await.is_some()).await;
    let former = set.master();
    former.stop();
    wait_until("it counts again", PATIENCE, async || count(&redis).await.is_some()).await;
    let found = Layout::of(&options).await.unwrap();
    assert_eq!(found.shards().len(), 1);
    assert_eq!(found.shards()[0].address.to_string(), set.master().address());
    assert_ne!(set.master().address(), former.address());
}

#[tokio::test]
async fn it_follows_the_primaries_of_a_cluster() {
    let cluster = RedisCluster::start();
    let nodes = cluster.nodes().iter().map(|node| node.address().parse().unwrap()).collect();
    let options = RedisOptions::new(Servers::Cluster(nodes));
    let found = Layout::of(&options).await.unwrap();
    let owner = found.owners()[usize::from(slot("counter"))].unwrap();
    let primary = cluster.primary_of("counter");
    assert_eq!(found.shards()[owner].address.to_string(), primary.address());
    let redis = Reconnecting::start(&options).unwrap();
    wait_until("it is connected", PATIENCE, async || count(&redis).await.is_some()).await;
    primary.stop();
    wait_until("the loss is noticed", PATIENCE, async || count(&redis).await.is_none()).await;
    wait_until("it counts again", PATIENCE, async || count(&redis).await.is_some()).await;
}

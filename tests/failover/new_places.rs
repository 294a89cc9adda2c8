//! A master that becomes a replica, and slots that move to another node, while all connections stay open. The service
//! notices by an error answer, or by its regular checks.

use hotshelf_testkit::catalogue::{create, laptop, lookup, read, wait_for_redis};
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};

use crate::hotshelf;
use crate::topology::{Pair, Topology};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_becomes_a_replica_is_left_at_its_first_answer() {
    let (redis, master) = (RedisServer::start(), RedisServer::start());
    let service = hotshelf().redis(&redis).backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    let (host, port) = master.address().split_once(':').unwrap();
    redis.command(&["REPLICAOF", host, port]);
    lookup(&service, &product).await;
    let left = async || service.log().contains("reason=\"READONLY ");
    wait_until("the connection is closed", PATIENCE, left).await;
    let expected = format!("Redis is down ({} is a replica: it takes no writes); serving without it", redis.address());
    let told = async || service.get("/health").await.json()["modules"]["cache"]["message"] == expected;
    wait_until("the health report says why", PATIENCE, told).await;
    assert_eq!(read(&service, &product).await, product);
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    wait_for_redis(&service, "up").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moved_slots_are_noticed_and_their_values_are_invalid() {
    let pair = Pair::start(Topology::cluster(), &[("AUDIT_RATE", "0")]).await;
    let product = create(&pair.first, &laptop()).await;
    read(&pair.first, &product).await;
    let Topology::Cluster(cluster) = &pair.redis else { panic!("it was started as a cluster") };
    cluster.move_slot_of(&format!("product:id:{}", product["id"]));
    for instance in [&pair.first, &pair.second] {
        let noticed = async || {
            let log = instance.log();
            log.contains("the slots of the cluster are distributed in another way now")
                || log.contains("reason=\"MOVED ")
                // The other one has noticed it first.
                || log.contains("the other instances are on another server")
        };
        wait_until("the move is noticed", PATIENCE, noticed).await;
    }
    pair.are_up().await;
    for instance in pair.both() {
        assert_eq!(read(instance, &product).await, product);
    }
}

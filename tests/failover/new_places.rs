//! A server that is no master any more, and slots that are another node's, while all connections stay open: the service
//! finds out by what it is answered, or by asking.

use hotshelf_testkit::catalogue::{create, laptop, lookup, read, wait_for_redis};
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};

use crate::hotshelf;
use crate::topology::{Pair, Topology};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_becomes_a_replica_is_left_at_its_first_answer() {
    let (redis, master) = (RedisServer::start(), RedisServer::start());
    let service = hotshelf().redis(&redis).backend("redis").start().await;
    wait_for_redis(&service, "up").await;
    let product = create(&service, &laptop()).await;
    let (host, port) = master.address().split_once(':').unwrap();
    redis.command(&["REPLICAOF", host, port]);
    lookup(&service, &product).await;
    let left = async || service.log().contains("reason=\"READONLY ");
    wait_until("one refusal is enough", PATIENCE, left).await;
    let expected = format!("Redis is down ({} is a replica: it takes no writes); serving without it", redis.address());
    let told = async || service.get("/health").await.json()["modules"]["cache"]["message"] == expected;
    wait_until("the health report says why", PATIENCE, told).await;
    assert_eq!(read(&service, &product).await, product);
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    wait_for_redis(&service, "up").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_are_noticed_and_what_was_in_them_is_void() {
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

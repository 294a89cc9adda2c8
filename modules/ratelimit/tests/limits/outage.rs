//! Redis away, silent, or without its memory.

use hotshelf_lifecycle::Module;
use hotshelf_ratelimit::{Decision, OnLoss};
use hotshelf_testkit::{PATIENCE, RedisServer};

use crate::world::{Instance, allowed_of, decisions, is_allowed, somebody};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_instance_goes_on_from_what_it_has_let_through() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(10);
    assert_eq!(allowed_of(&scope, 4).await, 4);
    redis.stop();
    instance.degraded().await;
    let message = instance.health().await.message;
    assert!(message.ends_with("; each instance counts for itself"), "{message}");
    assert_eq!(allowed_of(&scope, 20).await, 6, "four of ten were let through before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_gives_no_instance_more_than_the_limit() {
    let redis = RedisServer::start();
    let (instance, other) = (Instance::on(&redis).await, Instance::on(&redis).await);
    let (scope, there) = (instance.hourly(10), other.hourly(10));
    assert_eq!(allowed_of(&scope, 10).await, 10);
    redis.command(&["FLUSHALL"]);
    assert_eq!(allowed_of(&scope, 5).await, 0, "by its own memory");
    assert_eq!(allowed_of(&there, 15).await, 10, "by its own, too");

    redis.restart();
    instance.healthy().await;
    assert_eq!(allowed_of(&scope, 5).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_before_the_limit_is_reached_gives_what_is_left_and_no_more() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(10);
    assert_eq!(allowed_of(&scope, 9).await, 9);
    redis.command(&["FLUSHALL"]);
    assert_eq!(allowed_of(&scope, 10).await, 1, "nine of ten were let through before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_let_through_without_redis_counts_when_it_is_back() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(10);
    assert_eq!(allowed_of(&scope, 2).await, 2);
    redis.pause();
    assert_eq!(allowed_of(&scope, 7).await, 7, "by its own count");
    instance.degraded().await;
    redis.resume();
    instance.healthy().await;
    assert_eq!(allowed_of(&scope, 10).await, 1, "Redis knows of two of the nine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_holds_nobody_up_for_long_and_is_taken_back() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(10);
    assert_eq!(allowed_of(&scope, 1).await, 1);
    redis.pause();
    assert_eq!(allowed_of(&scope, 20).await, 9, "after the deadline, by its own count");
    instance.degraded().await;
    assert_eq!(instance.metric("ratelimit_errors_total"), 1, "nobody asked a second time");
    redis.resume();
    instance.healthy().await;
    assert_eq!(allowed_of(&scope, 5).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_can_be_open_or_closed_without_redis() {
    for on_loss in [OnLoss::Open, OnLoss::Closed] {
        let redis = RedisServer::start();
        let instance = Instance::that(&redis, on_loss).await;
        let scope = instance.hourly(2);
        assert_eq!(allowed_of(&scope, 5).await, 2);
        redis.stop();
        instance.degraded().await;
        for decision in decisions(&scope, 10).await {
            match on_loss {
                OnLoss::Open => assert_eq!(decision, Decision::Uncounted),
                _ => assert_eq!(decision, Decision::Unavailable),
            }
        }
        redis.restart();
        instance.healthy().await;
        assert_eq!(allowed_of(&scope, 5).await, 0, "what was let through before still counts");
    }
}

#[tokio::test]
async fn a_script_that_redis_has_lost_is_no_loss_of_redis() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(10);
    for _ in 0..2 {
        assert_eq!(allowed_of(&scope, 2).await, 2);
        redis.command(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(allowed_of(&scope, 10).await, 6);
    assert_eq!(instance.metric("ratelimit_errors_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_while_redis_hangs_and_decides_by_itself_from_then_on() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(3);
    assert_eq!(allowed_of(&scope, 1).await, 1);
    redis.pause();
    let (somebody, stop) = (somebody(), async {
        instance.limiter.stop(PATIENCE).await.unwrap();
    });
    let (decision, ()) = tokio::join!(scope.decide(&somebody), stop);
    assert!(is_allowed(&decision), "whoever waited has a decision");
    assert_eq!(allowed_of(&scope, 5).await, 1);
    redis.resume();
}

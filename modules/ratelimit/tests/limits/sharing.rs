//! One step in Redis for all who wait.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use hotshelf_ratelimit::{Decision, Limit, OnLoss, Subject};
use hotshelf_redis_client::Servers;
use hotshelf_testkit::{PATIENCE, RedisCluster, RedisReply, RedisServer, wait_until};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use crate::world::{Instance, allowed_of, decisions, is_allowed, patient, somebody};

const KEY: &str = "p:ratelimit:hourly:somebody";

/// Permits that Redis counts.
fn counted(redis: &RedisServer) -> u32 {
    let RedisReply::Array(counts) = redis.command(&["HVALS", KEY]) else { panic!("no hash") };
    counts.into_iter().map(|count| count.text().unwrap().parse::<u32>().unwrap()).sum()
}

#[tokio::test]
async fn those_who_wait_together_are_one_step_and_the_first_ones_have_the_permits() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(30);
    assert_eq!(allowed_of(&scope, 1).await, 1);
    let all = decisions(&scope, 200).await;
    assert!(all[..29].iter().all(is_allowed) && !all[29..].iter().any(is_allowed), "{all:?}");
    let remaining = |decision: &Decision| match decision {
        Decision::Allowed(quota) | Decision::Refused(quota) => quota.remaining,
        other => panic!("{other:?}"),
    };
    assert_eq!(all.iter().map(remaining).take(30).collect::<Vec<_>>(), (0..29).rev().chain([0]).collect::<Vec<_>>());
    assert_eq!(instance.metric("ratelimit_redis_steps_total"), 2, "one alone, and all the others together");
    assert_eq!(counted(&redis), 30);
}

#[tokio::test]
async fn instances_share_the_limit_and_no_subject_takes_from_another() {
    let redis = RedisServer::start();
    let (one, other) = (Instance::on(&redis).await, Instance::on(&redis).await);
    let (here, there) = (one.hourly(10), other.hourly(10));
    let (here_allowed, there_allowed) = tokio::join!(allowed_of(&here, 8), allowed_of(&there, 8));
    assert_eq!(here_allowed + there_allowed, 10);
    assert!(is_allowed(&there.decide(&Subject::new("another")).await));
    let apart = other.limiter.scope("apart", Limit::new(1, Duration::from_secs(1)).unwrap());
    assert!(is_allowed(&apart.decide(&somebody()).await), "another limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_often_needs_few_steps_and_what_is_prefetched_is_not_lost() {
    let redis = RedisServer::start();
    let (one, other) = (Instance::on(&redis).await, Instance::on(&redis).await);
    let scopes = [one.hourly(20_000), other.hourly(20_000)];
    let mut callers = JoinSet::new();
    for number in 0..64 {
        let scope = scopes[number % 2].clone();
        callers.spawn(async move {
            let mut allowed = 0;
            for _ in 0..250 {
                allowed += usize::from(is_allowed(&scope.decide(&somebody()).await));
                yield_now().await;
            }
            allowed
        });
    }
    let mut allowed: usize = callers.join_all().await.into_iter().sum();
    assert_eq!(allowed, 16_000);
    let steps = one.metric("ratelimit_redis_steps_total") + other.metric("ratelimit_redis_steps_total");
    assert!(steps < 100, "{steps} steps");
    // To the last permit, which one of them may have prefetched and then gives back.
    wait_until("all permits are taken", PATIENCE, async || {
        allowed += allowed_of(&scopes[0], 100).await + allowed_of(&scopes[1], 1).await;
        allowed >= 20_000
    })
    .await;
    assert_eq!(allowed, 20_000);
    assert_eq!(counted(&redis), 20_000);
    assert_eq!(allowed_of(&scopes[0], 10).await + allowed_of(&scopes[1], 10).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_any_window_busy_instances_let_through_the_limit_and_no_more() {
    const LIMIT: usize = 3_000;
    const WINDOW: Duration = Duration::from_secs(1);
    let redis = RedisServer::start();
    let instances = [Instance::on(&redis).await, Instance::on(&redis).await];
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for number in 0..16 {
        let scope = instances[number % 2].limiter.scope("busy", Limit::new(LIMIT as u32, WINDOW).unwrap());
        callers.spawn(async move {
            let mut allowed = Vec::new();
            while begin.elapsed() < WINDOW * 5 / 2 {
                let asked = Instant::now();
                match is_allowed(&scope.decide(&somebody()).await) {
                    true => allowed.push((asked, Instant::now())),
                    false => sleep(Duration::from_millis(3)).await,
                }
                yield_now().await;
            }
            allowed
        });
    }
    let mut allowed = callers.join_all().await.concat();
    allowed.sort_unstable();
    for instance in &instances {
        assert_eq!(instance.metric("ratelimit_errors_total"), 0, "this machine is too busy for this test");
    }
    assert!(allowed.len() > 2 * LIMIT, "only {} were let through", allowed.len());
    // Whatever began after a moment and was over less than a window later was let through within that window.
    for (first, (begin, _)) in allowed.iter().enumerate() {
        let began = allowed[first..].iter().take_while(|(asked, _)| asked.duration_since(*begin) < WINDOW);
        let inside = began.filter(|(_, answered)| answered.duration_since(*begin) < WINDOW).count();
        assert!(inside <= LIMIT, "{inside} within {WINDOW:?}");
    }
    let steps = instances.iter().map(|instance| instance.metric("ratelimit_redis_steps_total")).sum::<u64>();
    println!("{} were let through in {steps} steps", allowed.len());
}

#[tokio::test]
async fn many_subjects_go_over_in_few_calls() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(1);
    assert_eq!(allowed_of(&scope, 1).await, 1);
    let mut monitor = redis.monitor();
    let subjects: Vec<Subject> = (0..100).map(|number| Subject::new(&format!("caller-{number}"))).collect();
    let decisions = join_all(subjects.iter().chain(&subjects).map(|subject| scope.decide(subject))).await;
    assert_eq!(decisions.iter().filter(|decision| is_allowed(decision)).count(), 100);
    let calls = monitor.commands_with("EVALSHA");
    assert!(calls.len() <= 8, "{} calls", calls.len());
    assert_eq!(redis.keys("p:ratelimit:hourly:caller-*").len(), 100);
}

#[tokio::test]
async fn whoever_is_known_to_be_refused_costs_redis_nothing() {
    let redis = RedisServer::start();
    let (one, other) = (Instance::on(&redis).await, Instance::on(&redis).await);
    let (here, there) = (one.hourly(5), other.hourly(5));
    assert_eq!(allowed_of(&here, 5).await, 5);
    // This one knows by what it has let through itself, that one because Redis has just told it.
    assert_eq!(allowed_of(&there, 1).await, 0);
    let mut monitor = redis.monitor();
    for scope in [&here, &there] {
        for _ in 0..100 {
            assert!(matches!(scope.decide_at_once(&somebody()), Some(Decision::Refused(_))));
        }
    }
    assert_eq!(monitor.commands_with("EVALSHA"), Vec::<String>::new());
    // An operator who gives the permits back is obeyed by those who did not give them away.
    redis.command(&["DEL", KEY]);
    wait_until("there is a permit", PATIENCE, async || allowed_of(&there, 1).await == 1).await;
}

#[tokio::test]
async fn whoever_goes_away_before_the_step_takes_no_permit() {
    let redis = RedisServer::start();
    let instance = Instance::on(&redis).await;
    let scope = instance.hourly(1);
    assert_eq!(scope.decide(&somebody()).now_or_never(), None, "it waits for Redis");
    assert_eq!(allowed_of(&scope, 1).await, 1);
}

#[tokio::test]
async fn the_first_requests_wait_for_the_first_connection() {
    let redis = RedisServer::start();
    for place in 0..2 {
        let instance = Instance::on(&redis).await;
        assert_eq!(allowed_of(&instance.hourly(1), 1).await, usize::from(place == 0));
    }
}

#[tokio::test]
async fn alone_it_counts_in_memory() {
    let instance = Instance::with(None, OnLoss::Closed).await;
    let scope = instance.hourly(3);
    assert_eq!(allowed_of(&scope, 5).await, 3);
    assert_eq!(instance.health().await.message, "counting in memory");
    assert_eq!(instance.metric("ratelimit_subjects"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_each_subject_is_counted_on_the_node_of_its_key() {
    let cluster = RedisCluster::start();
    let nodes = cluster.nodes().iter().map(|node| node.address().parse().unwrap()).collect();
    let start = async || Instance::with(Some(patient(Servers::Cluster(Vec::clone(&nodes)))), OnLoss::Closed).await;
    let (one, other) = (start().await, start().await);
    let (here, there) = (one.hourly(1), other.hourly(1));
    let subjects: Vec<Subject> = (0..30).map(|number| Subject::new(&format!("caller-{number}"))).collect();
    let decisions = join_all(subjects.iter().flat_map(|subject| [here.decide(subject), there.decide(subject)])).await;
    assert_eq!(decisions.iter().filter(|decision| is_allowed(decision)).count(), 30);
    for primary in cluster.primaries() {
        assert!(!primary.keys("p:ratelimit:hourly:caller-*").is_empty(), "{} has no subject", primary.address());
    }
}

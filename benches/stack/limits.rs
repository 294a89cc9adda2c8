//! A product from the memory tier with every request counted against a limit in Redis, with and without users, against
//! the same service without either: the cost of a limit that is never reached, and of identifying the caller.

use std::path::Path;
use std::sync::Arc;

use hotshelf_testkit::users::{USERS_ON, add_user, create_admin, log_in};
use hotshelf_testkit::{Client, RedisServer};

use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::hit::HOT_PRODUCTS;
use crate::load::Workload;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan, Reads};
use crate::service::{self, BINARY, Running, cached_bodies, wait_for_redis};

/// The number of sessions.
const SESSIONS: usize = 16;
/// A limit that is never reached.
const LIMIT: &str = "1000000000/1m";

/// All requests come from one caller, whose decisions can share steps in Redis.
pub(crate) async fn one_caller(plan: &Plan) -> Result<Comparison, Failure> {
    let build = Path::new(BINARY);
    run(plan, "limits", 0.92, one_limited(build).await?, &free(build).await?).await
}

/// Each request comes from one of a thousand callers, whose address a proxy names.
pub(crate) async fn many_callers(plan: &Plan) -> Result<Comparison, Failure> {
    let build = Path::new(BINARY);
    run(plan, "callers", 0.6, many_limited(build).await?, &free(build).await?).await
}

/// With users: each request has the token of one of several sessions, which are counted separately.
pub(crate) async fn users(plan: &Plan) -> Result<Comparison, Failure> {
    let build = Path::new(BINARY);
    run(plan, "users", 0.7, guarded(build).await?, &free(build).await?).await
}

async fn run(
    plan: &Plan,
    case: &'static str,
    aim: f64,
    limited: Running,
    free: &Running,
) -> Result<Comparison, Failure> {
    // The same requests for both: the service without users must also read the headers that it ignores.
    let free = Contender::service("hotshelf, without", free).asked(&limited.workload);
    let contenders = [Contender::service("hotshelf, RATE_LIMIT=on", &limited), free];
    let measured = rounds::in_turns(plan, &contenders).await?;
    print_steps(&limited.observer, case).await;
    Ok(Comparison::new(case, Aim::AtLeast(aim), measured))
}

pub(crate) async fn one_limited(build: &Path) -> Result<Running, Failure> {
    limited(build, Workload::reads(HOT_PRODUCTS)).await
}

pub(crate) async fn many_limited(build: &Path) -> Result<Running, Failure> {
    let get = |number: usize| {
        let (id, caller) = (1 + number % HOT_PRODUCTS, number / 256);
        let forwarded = format!("x-forwarded-for: 203.0.{caller}.{}", number % 256);
        format!("GET /api/v1/products/{id} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n{forwarded}\r\n\r\n")
    };
    limited(build, Workload::of((0..1_000).map(get).collect(), 200)).await
}

/// Memory and Redis, with a limit.
async fn limited(build: &Path, workload: Arc<Workload>) -> Result<Running, Failure> {
    let (redis, catalogue) = (RedisServer::start(), Catalogue::with(build, HOT_PRODUCTS)?);
    let limited = service::on(build, &catalogue).redis(&redis).env("TRUSTED_PROXIES", "127.0.0.1");
    let service = limited.env("RATE_LIMIT", "on").env("RATE_LIMIT_API", LIMIT).start().await;
    warm(service.client()).await?;
    let observer = service.client().clone();
    Ok(Running { service, observer, workload, reads: Some(Reads::Hits), redis: Some(redis), catalogue })
}

/// The same without limits and users.
async fn free(build: &Path) -> Result<Running, Failure> {
    let (redis, catalogue) = (RedisServer::start(), Catalogue::with(build, HOT_PRODUCTS)?);
    let service = service::on(build, &catalogue).redis(&redis).start().await;
    warm(service.client()).await?;
    let (observer, workload) = (service.client().clone(), Workload::reads(HOT_PRODUCTS));
    Ok(Running { service, observer, workload, reads: Some(Reads::Hits), redis: Some(redis), catalogue })
}

/// With limits and users.
pub(crate) async fn guarded(build: &Path) -> Result<Running, Failure> {
    let (redis, catalogue) = (RedisServer::start(), Catalogue::with(build, HOT_PRODUCTS)?);
    let guarded = service::on(build, &catalogue).redis(&redis).env("RATE_LIMIT", "on").env("RATE_LIMIT_API", LIMIT);
    let guarded = USERS_ON.iter().fold(guarded, |guarded, (name, value)| guarded.env(name, value));
    create_admin(&guarded, "admin@one.example");
    let service = guarded.start().await;
    let observer = log_in(&service, "admin@one.example").await;
    let mut tokens = Vec::new();
    for number in 0..SESSIONS {
        let email = format!("user{number}@one.example");
        add_user(&observer, &email, "viewer").await;
        tokens.extend(log_in(&service, &email).await.token().map(str::to_owned));
    }
    warm(&observer).await?;
    let get = |number: usize| {
        let (id, token) = (1 + number % HOT_PRODUCTS, &tokens[number % SESSIONS]);
        format!(
            "GET /api/v1/products/{id} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nauthorization: Bearer {token}\r\n\r\n"
        )
    };
    let workload = Workload::of((0..HOT_PRODUCTS * SESSIONS).map(get).collect(), 200);
    Ok(Running { service, observer, workload, reads: Some(Reads::Hits), redis: Some(redis), catalogue })
}

async fn warm(observer: &Client) -> Result<(), Failure> {
    wait_for_redis(observer).await?;
    cached_bodies(observer, HOT_PRODUCTS).await.map(drop)
}

/// How many decisions shared a step in Redis.
async fn print_steps(service: &Client, case: &str) {
    let metrics = service.metrics().await;
    let decisions = metrics.value("ratelimit_decisions_total", &[("scope", "api"), ("outcome", "allowed")]);
    let steps = metrics.value("ratelimit_redis_steps_total", &[]);
    println!("\n{case}: {decisions:.0} decisions in {steps:.0} steps, {:.1} in each", decisions / steps);
}

//! A product from the memory tier with every request counted against a limit in Redis, with and without users, against the
//! same service without either: what a limit costs that nobody reaches, and what it costs to know who asks.

use std::sync::Arc;

use hotshelf_testkit::RedisServer;
use hotshelf_testkit::users::{USERS_ON, add_user, create_admin, log_in};

use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::hit::{HOT_PRODUCTS, cached_bodies};
use crate::load::Workload;
use crate::report::Comparison;
use crate::rounds::{self, Plan};
use crate::service::{self, Lookups};

/// Who are logged in.
const SESSIONS: usize = 16;
/// Nobody gets there.
const LIMIT: &str = "1000000000/1m";

/// All requests come from one caller, whose decisions can share steps in Redis.
pub(crate) async fn one_caller(plan: &Plan) -> Result<Comparison, Failure> {
    run(plan, "limits", 0.75, Workload::reads(HOT_PRODUCTS)).await
}

/// Each request comes from one of a thousand callers, by the word of a proxy.
pub(crate) async fn many_callers(plan: &Plan) -> Result<Comparison, Failure> {
    let get = |number: usize| {
        let (id, caller) = (1 + number % HOT_PRODUCTS, number / 256);
        let forwarded = format!("x-forwarded-for: 203.0.{caller}.{}", number % 256);
        format!("GET /api/v1/products/{id} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n{forwarded}\r\n\r\n")
    };
    run(plan, "callers", 0.3, Workload::of((0..1_000).map(get).collect(), 200)).await
}

/// Users are on as well, and each request shows the token of one of some sessions, which are counted apart.
pub(crate) async fn users(plan: &Plan) -> Result<Comparison, Failure> {
    let (redis, other) = (RedisServer::start(), RedisServer::start());
    let (catalogue, copy) = (Catalogue::with(HOT_PRODUCTS)?, Catalogue::with(HOT_PRODUCTS)?);
    let guarded =
        USERS_ON.iter().fold(service::on(&catalogue).redis(&redis), |guarded, (name, value)| guarded.env(name, value));
    let guarded = guarded.env("RATE_LIMIT", "on").env("RATE_LIMIT_API", LIMIT);
    create_admin(&guarded, "admin@one.example");
    let guarded = guarded.start().await;
    let admin = log_in(&guarded, "admin@one.example").await;
    let mut tokens = Vec::new();
    for number in 0..SESSIONS {
        let email = format!("user{number}@one.example");
        add_user(&admin, &email, "viewer").await;
        tokens.extend(log_in(&guarded, &email).await.token().map(str::to_owned));
    }
    let free = service::on(&copy).redis(&other).start().await;
    for client in [&admin, free.client()] {
        cached_bodies(client).await;
    }
    let get = |number: usize| {
        let (id, token) = (1 + number % HOT_PRODUCTS, &tokens[number % SESSIONS]);
        format!(
            "GET /api/v1/products/{id} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nauthorization: Bearer {token}\r\n\r\n"
        )
    };
    let workload = Workload::of((0..HOT_PRODUCTS * SESSIONS).map(get).collect(), 200);
    let before = Lookups::of(&admin).await?;
    let servers = [("hotshelf, AUTH=on, RATE_LIMIT=on", guarded.address()), ("hotshelf, both off", free.address())];
    let measured = rounds::in_turns(plan, &workload, &servers).await?;
    before.expect_more(&admin, measured[0].answered, 0).await?;
    print_steps(&admin, "users").await;
    Ok(Comparison::new("users", 0.7, measured))
}

async fn run(plan: &Plan, case: &'static str, aim: f64, workload: Arc<Workload>) -> Result<Comparison, Failure> {
    let (redis, other) = (RedisServer::start(), RedisServer::start());
    let (catalogue, copy) = (Catalogue::with(HOT_PRODUCTS)?, Catalogue::with(HOT_PRODUCTS)?);
    let limited = service::on(&catalogue).redis(&redis).env("TRUSTED_PROXIES", "127.0.0.1");
    let limited = limited.env("RATE_LIMIT", "on").env("RATE_LIMIT_API", LIMIT).start().await;
    let free = service::on(&copy).redis(&other).start().await;
    for service in [&limited, &free] {
        cached_bodies(service).await;
    }
    let before = Lookups::of(&limited).await?;
    let servers = [("hotshelf, RATE_LIMIT=on", limited.address()), ("hotshelf, RATE_LIMIT=off", free.address())];
    let measured = rounds::in_turns(plan, &workload, &servers).await?;
    before.expect_more(&limited, measured[0].answered, 0).await?;
    print_steps(&limited, case).await;
    Ok(Comparison::new(case, aim, measured))
}

/// How many decisions shared a step in Redis.
async fn print_steps(service: &hotshelf_testkit::Client, case: &str) {
    let metrics = service.metrics().await;
    let decisions = metrics.value("ratelimit_decisions_total", &[("scope", "api"), ("outcome", "allowed")]);
    let steps = metrics.value("ratelimit_redis_steps_total", &[]);
    println!("\n{case}: {decisions:.0} decisions in {steps:.0} steps, {:.1} in each", decisions / steps);
}

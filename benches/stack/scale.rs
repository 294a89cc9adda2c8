//! The same requests to a catalogue of a thousand products and to one of a million: the time of a page, a search or a
//! product must hardly grow. There is no cache: each answer is read from the database.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hotshelf_testkit::{Client, PostgresServer, Service};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::failure::Failure;
use crate::http::Connection;
use crate::load::quantile;
use crate::postgres::{self, DURABLE};
use crate::rounds::Plan;
use crate::service::{self, BINARY};

const SMALL: u64 = 1_000;
const LARGE: u64 = 1_000_000;
/// The same in every run.
const SEED: u64 = 1;
/// The number of products that each have a word of their own, in either catalogue.
const RARE: usize = 20;
/// The number of pages deep in a list, between half and nine tenths of it.
const DEEP: u64 = 40;
/// The aim of the ratio of the p99 of the large catalogue to that of the small one.
const AIM: f64 = 2.0;
const POSTGRES_AIM: f64 = 1.5;

/// A kind of read, with its requests.
struct Question {
    name: &'static str,
    paths: Vec<String>,
}

/// The times of the answers to one kind of read.
struct Answers {
    name: &'static str,
    small: Vec<Duration>,
    large: Vec<Duration>,
}

pub(crate) async fn run(plan: &Plan) -> Result<(), Failure> {
    println!("\nscale: one client, no cache, {SMALL} and {LARGE} products");
    let (few, many) = (seeded(Path::new(BINARY), SMALL)?, seeded(Path::new(BINARY), LARGE)?);
    let small = service::on(Path::new(BINARY), &few).backend("none").start().await;
    let large = service::on(Path::new(BINARY), &many).backend("none").start().await;
    compare(plan, &small, &large, AIM).await
}

/// The same on PostgreSQL.
pub(crate) async fn on_postgres(plan: &Plan) -> Result<(), Failure> {
    println!("\npostgres-scale: one client, no cache, {SMALL} and {LARGE} products");
    let server = PostgresServer::start_with(&DURABLE);
    let mut services = Vec::new();
    for products in [SMALL, LARGE] {
        let database = server.database();
        let took = postgres::seed(&server.url(&database), usize::try_from(products)?)?;
        println!("  {products} products made in {:.1} s", took.as_secs_f64());
        // As the server does by itself, some minutes later.
        server.run(&database, "VACUUM ANALYZE");
        let none = Catalogue::empty()?;
        let service = service::on(Path::new(BINARY), &none).env("DATABASE_URL", server.url(&database));
        services.push(service.backend("none").start().await);
    }
    compare(plan, &services[0], &services[1], POSTGRES_AIM).await
}

async fn compare(plan: &Plan, small: &Service, large: &Service, aim: f64) -> Result<(), Failure> {
    let (asked, asked_of_many) = (questions(small, SMALL).await?, questions(large, LARGE).await?);
    let mut answers = Vec::new();
    for (question, of_many) in asked.iter().zip(&asked_of_many) {
        answers.push(measure(plan, (small.address(), question), (large.address(), of_many)).await?);
    }
    print(answers, aim);
    println!("  the service on {LARGE} products keeps {} MiB in memory", resident_mebibytes(large.pid())?);
    Ok(())
}

/// A catalogue made by `hotshelf seed`.
pub(crate) fn seeded(build: &Path, products: u64) -> Result<Catalogue, Failure> {
    let catalogue = Catalogue::empty()?;
    let begin = Instant::now();
    let mut seed = Command::new(build);
    seed.args(["seed", "--products", &products.to_string(), "--seed", &SEED.to_string()]).env_clear();
    let seeded = seed.env("DB_PATH", catalogue.database()).env("CACHE_BACKEND", "none").output()?;
    if !seeded.status.success() {
        return Err(format!("hotshelf seed failed: {}", String::from_utf8_lossy(&seeded.stderr)).into());
    }
    let size = std::fs::metadata(catalogue.database())?.len() >> 20;
    println!("  {products} products made in {:.1} s, {size} MiB on disk", begin.elapsed().as_secs_f64());
    Ok(catalogue)
}

async fn questions(client: &Client, products: u64) -> Result<Vec<Question>, Failure> {
    let rare: Vec<_> = (0..RARE).map(|n| json!({"name": format!("Xylotheque no. {n}"), "price": 10 + n})).collect();
    client.post("/api/v1/products/bulk").json(&json!({"products": rare})).await.expect(201);
    let first = client.get("/api/v1/products?limit=1").await.expect(200).json();
    let category =
        first["products"][0]["category"].as_str().ok_or("no category")?.replace('&', "%26").replace(' ', "+");
    let mut dice = SmallRng::seed_from_u64(SEED);
    let ids = (0..1_000).map(|_| format!("/api/v1/products/{}", dice.random_range(1..=products)));
    let mut questions = vec![
        Question { name: "a product", paths: ids.collect() },
        one("the first page, by id", "/api/v1/products?limit=20"),
        one("the first page of an organization, by name", "/api/v1/organizations/1/products?order=name"),
        one("a search for a rare word", "/api/v1/products?search=xylotheque"),
        one(
            "a search for a rare word in an organization",
            "/api/v1/organizations/1/products?search=xylothe&order=price",
        ),
        Question {
            name: "a filtered page: category, in stock, by price",
            paths: vec![format!("/api/v1/products?category={category}&in_stock=true&order=price")],
        },
        Question {
            name: "a filtered page: category, in stock, by -updated_at",
            paths: vec![format!("/api/v1/products?category={category}&in_stock=true&order=-updated_at")],
        },
    ];
    for (name, order) in [
        ("a page deep by cursor, by id", "id"),
        ("a page deep by cursor, by name", "name"),
        ("a page deep by cursor, by -price", "-price"),
        ("a page deep by cursor, by -stock", "-stock"),
    ] {
        questions.push(Question { name, paths: deep(client, products, order, &mut dice).await? });
    }
    Ok(questions)
}

fn one(name: &'static str, path: &str) -> Question {
    Question { name, paths: vec![path.to_owned()] }
}

/// Pages by cursors from deep in the list. The cursors come from pages by offset.
async fn deep(client: &Client, products: u64, order: &str, dice: &mut SmallRng) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::new();
    for _ in 0..DEEP {
        let offset = dice.random_range(products / 2..products * 9 / 10);
        let page: Value =
            client.get(&format!("/api/v1/products?order={order}&offset={offset}")).await.expect(200).json();
        let cursor = page["next_cursor"].as_str().ok_or("a page in the middle of a list has no next one")?;
        paths.push(format!("/api/v1/products?order={order}&cursor={cursor}"));
    }
    Ok(paths)
}

/// In turns, one request to each, so that a disturbance affects both alike.
async fn measure(
    plan: &Plan,
    small: (SocketAddr, &Question),
    large: (SocketAddr, &Question),
) -> Result<Answers, Failure> {
    let mut sides = [(Connection::open(small.0).await?, small.1), (Connection::open(large.0).await?, large.1)];
    let mut times = [Vec::new(), Vec::new()];
    let mut dice = SmallRng::seed_from_u64(SEED);
    let begin = Instant::now();
    while begin.elapsed() < plan.warm_up + plan.round {
        for ((connection, question), times) in sides.iter_mut().zip(&mut times) {
            let path = &question.paths[dice.random_range(0..question.paths.len())];
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n");
            let asked = Instant::now();
            connection.exchange(request.as_bytes(), 200).await?;
            if begin.elapsed() >= plan.warm_up {
                times.push(asked.elapsed());
            }
        }
    }
    let [small_times, large_times] = times;
    Ok(Answers { name: small.1.name, small: small_times, large: large_times })
}

fn print(all: Vec<Answers>, aim: f64) {
    println!("\n{:<54} {:>9} {:>9} {:>9} {:>9}", "ms", "p50 1k", "p50 1M", "p99 1k", "p99 1M");
    for Answers { name, mut small, mut large } in all {
        small.sort_unstable();
        large.sort_unstable();
        let [few50, many50, few99, many99] =
            [(&small, 0.5), (&large, 0.5), (&small, 0.99), (&large, 0.99)].map(|(times, share)| quantile(times, share));
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        let ratio = many99.as_secs_f64() / few99.as_secs_f64();
        let verdict = if ratio <= aim { "reached" } else { "missed" };
        println!(
            "  {name:<52} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {ratio:>7.2}  aim {aim:.2} {verdict}",
            milliseconds(few50),
            milliseconds(many50),
            milliseconds(few99),
            milliseconds(many99),
        );
    }
}

/// The memory as the system counts it.
fn resident_mebibytes(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no resident size")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes >> 10)
}

//! Pages of a list, compressed and as they are: the same service, the same pages.

use std::path::Path;
use std::sync::Arc;

use hotshelf_testkit::Client;

use crate::failure::Failure;
use crate::load::{self, Measured, Workload};
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan, Reads};
use crate::scale::seeded;
use crate::service::{self, BINARY, Running};

const PRODUCTS: u64 = 1_000;
const PAGE: u64 = 20;
/// What browsers send.
const ACCEPTED: &str = "accept-encoding: gzip, deflate, br, zstd\r\n";
/// The rate at which a compressed page must not be slower, and how many times fewer bytes it must have.
const PER_SECOND: usize = 1_000;
const FEWER: f64 = 4.0;

pub(crate) async fn run(plan: &Plan) -> Result<Comparison, Failure> {
    let running = start(Path::new(BINARY)).await?;
    let plain = workload("");
    print_sizes(&running.observer).await?;
    let contenders = [
        Contender::service("hotshelf, compressed", &running),
        Contender::service("hotshelf, as they are", &running).asked(&plain),
    ];
    let measured = rounds::in_turns(plan, &contenders).await?;
    print_paced(plan, &running, &plain).await?;
    Ok(Comparison::new("pages", Aim::AtLeast(1.0), measured))
}

pub(crate) async fn start(build: &Path) -> Result<Running, Failure> {
    let catalogue = seeded(build, PRODUCTS)?;
    let service = service::on(build, &catalogue).backend("memory").start().await;
    for path in paths() {
        // The first read fills the cache.
        service.get(&path).await.expect(200);
    }
    let observer = service.client().clone();
    let workload = workload(ACCEPTED);
    Ok(Running { service, observer, workload, reads: Some(Reads::Hits), redis: None, catalogue })
}

fn paths() -> impl Iterator<Item = String> {
    (0..PRODUCTS / PAGE).map(|page| format!("/api/v1/products?offset={}&limit={PAGE}", page * PAGE))
}

fn workload(header: &str) -> Arc<Workload> {
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n{header}\r\n");
    Workload::of(paths().map(get).collect(), 200)
}

/// The mean sizes of the bodies.
async fn print_sizes(client: &Client) -> Result<(), Failure> {
    let mut plain = 0;
    for path in paths() {
        plain += client.get(&path).await.expect(200).bytes().len();
    }
    println!("\npages: the aim is {FEWER} times fewer bytes");
    for coding in ["zstd", "br", "gzip"] {
        let mut compressed = 0;
        for path in paths() {
            let reply = client.get(&path).header("accept-encoding", coding).await.expect(200);
            if reply.find_header("content-encoding") != Some(coding) {
                return Err(format!("a page is not compressed: {reply:?}").into());
            }
            compressed += reply.bytes().len();
        }
        let (of, times) = (PRODUCTS / PAGE, plain as f64 / compressed as f64);
        println!("  {coding:<4} {} bytes became {}, {times:.2} times fewer", plain as u64 / of, compressed as u64 / of);
    }
    Ok(())
}

/// The latencies at a rate that leaves the machine mostly idle, in turns as well.
async fn print_paced(plan: &Plan, running: &Running, plain: &Arc<Workload>) -> Result<(), Failure> {
    let (address, mut rounds) = (running.service.address(), [Vec::new(), Vec::new()]);
    for round in 0..plan.rounds {
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let workload = if which == 0 { &running.workload } else { plain };
            rounds[which].push(load::measure_at(address, workload, plan.round, PER_SECOND).await?);
        }
    }
    println!("pages at {PER_SECOND} requests/s, medians of the rounds");
    for (name, rounds) in ["compressed", "as they are"].into_iter().zip(&mut rounds) {
        let mut median = |of: fn(&Measured) -> std::time::Duration| {
            rounds.sort_by_key(of);
            of(&rounds[rounds.len() / 2]).as_secs_f64() * 1_000.0
        };
        println!("  {name:<12} p50 {:.3} ms, p99 {:.3} ms", median(|round| round.p50), median(|round| round.p99));
    }
    Ok(())
}

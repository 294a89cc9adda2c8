//! Clients that keep the service busy while Redis or the database fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::{Client, PATIENCE, Request, wait_until};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::catalogue::{PRODUCTS, create_named, path};

const CLIENTS: usize = 6;
const PRODUCTS_READ: usize = 8;

/// Six clients that read products and pages and now and then change a product.
pub struct BackgroundLoad {
    going: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<Outcome>,
}

/// The results of the requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many were sent.
    pub requests: usize,
    /// Requests that were not answered with 200.
    pub failures: Vec<String>,
    /// How long the slowest of them took.
    pub slowest: Duration,
}

impl BackgroundLoad {
    /// Starts the load, with products of its own.
    pub async fn start(client: &Client) -> Self {
        let mut products = Vec::new();
        for number in 0..PRODUCTS_READ {
            products.push(create_named(client, &format!("Product {number}")).await);
        }
        let mut load =
            BackgroundLoad { going: Arc::new(true.into()), answered: Arc::default(), clients: JoinSet::new() };
        for start in 0..CLIENTS {
            let (client, products) = (client.clone(), products.clone());
            let (going, answered) = (load.going.clone(), load.answered.clone());
            load.clients.spawn(async move {
                let mut outcome = Outcome::default();
                for step in start.. {
                    if !going.load(Ordering::Relaxed) {
                        break;
                    }
                    outcome.take(request(&client, &products, step)).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                outcome
            });
        }
        load
    }

    /// Returns when this many more requests have been answered.
    pub async fn more(&self, requests: usize) {
        let enough = self.answered.load(Ordering::Relaxed) + requests;
        let reached = async || self.answered.load(Ordering::Relaxed) >= enough;
        wait_until(&format!("{requests} more requests are answered"), PATIENCE, reached).await;
    }

    /// Ends the load, and returns the results of the requests.
    pub async fn stop(mut self) -> Outcome {
        self.going.store(false, Ordering::Relaxed);
        let mut total = Outcome::default();
        while let Some(outcome) = self.clients.join_next().await {
            let outcome = outcome.expect("a client of the load does not panic");
            total.requests += outcome.requests;
            total.failures.extend(outcome.failures);
            total.slowest = total.slowest.max(outcome.slowest);
        }
        total
    }
}

fn request(client: &Client, products: &[Value], step: usize) -> Request {
    let path = path(&products[step % products.len()]);
    match step % 10 {
        0 => client.put(&path).json(&json!({"stock": step})),
        1 => client.get(PRODUCTS),
        _ => client.get(&path),
    }
}

impl Outcome {
    async fn take(&mut self, request: Request) {
        let started = Instant::now();
        match request.try_send().await {
            Ok(reply) if reply.status == 200 => {}
            Ok(reply) => self.failures.push(format!("{reply:?}")),
            Err(error) => self.failures.push(format!("{error:?}")),
        }
        self.requests += 1;
        self.slowest = self.slowest.max(started.elapsed());
    }
}

//! The load: clients that each send a request, wait for the answer and send the next. It takes little processor time,
//! and is the same for every server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::http::{Connection, ExchangeError};

/// Connections, each with one request in flight.
pub(crate) const CLIENTS: usize = 64;

/// The requests as bytes, and the required status of their answers.
pub(crate) struct Workload {
    requests: Vec<String>,
    status: u16,
}

impl Workload {
    /// Reads of the products 1 to `last`, each as likely as the others.
    pub(crate) fn reads(last: usize) -> Arc<Self> {
        let get = |id| format!("GET /api/v1/products/{id} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n\r\n");
        Arc::new(Workload { requests: (1..=last).map(get).collect(), status: 200 })
    }

    /// Creates of products that look like `product`, a JSON text.
    pub(crate) fn creates(product: &str) -> Arc<Self> {
        let head = "POST /api/v1/products HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\ncontent-type: application/json";
        let post = format!("{head}\r\ncontent-length: {}\r\n\r\n{product}", product.len());
        Arc::new(Workload { requests: vec![post], status: 201 })
    }

    /// Any of these requests, each as likely as the others.
    pub(crate) fn of(requests: Vec<String>, status: u16) -> Arc<Self> {
        Arc::new(Workload { requests, status })
    }

    fn any(&self) -> &[u8] {
        self.requests[rand::rng().random_range(0..self.requests.len())].as_bytes()
    }
}

/// The results of one server under load.
pub(crate) struct Measured {
    pub(crate) answered: usize,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Puts the servers under load for `duration`, each with the same share of the connections. Every request that was sent
/// is answered when this returns.
pub(crate) async fn measure(
    addresses: &[SocketAddr],
    workload: &Arc<Workload>,
    duration: Duration,
) -> Result<Measured, Failure> {
    let mut connections = Vec::new();
    for address in addresses.iter().cycle().take(CLIENTS) {
        connections.push(Connection::open(*address).await?);
    }
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for connection in connections {
        clients.spawn(ask_until(begin + duration, connection, Arc::clone(workload)));
    }
    summary(begin, clients).await
}

/// Waits for all clients.
async fn summary(
    begin: Instant,
    mut clients: JoinSet<Result<Vec<Duration>, ExchangeError>>,
) -> Result<Measured, Failure> {
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    let elapsed = begin.elapsed();
    latencies.sort_unstable();
    Ok(Measured {
        answered: latencies.len(),
        per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50: quantile(&latencies, 0.50),
        p99: quantile(&latencies, 0.99),
    })
}

/// The same, with so many requests per second in all, at even distances. The latency of a request counts from the time
/// at which it was due.
pub(crate) async fn measure_at(
    address: SocketAddr,
    workload: &Arc<Workload>,
    duration: Duration,
    per_second: usize,
) -> Result<Measured, Failure> {
    let distance = Duration::from_secs(1) / u32::try_from(per_second)?;
    let (begin, mut clients) = (Instant::now(), JoinSet::new());
    for number in 0..CLIENTS as u32 {
        let (mut connection, workload) = (Connection::open(address).await?, Arc::clone(workload));
        clients.spawn(async move {
            let (mut latencies, mut due) = (Vec::new(), begin + distance * number);
            while due < begin + duration {
                tokio::time::sleep_until(due.into()).await;
                connection.exchange(workload.any(), workload.status).await?;
                latencies.push(due.elapsed());
                due += distance * CLIENTS as u32;
            }
            Ok::<_, ExchangeError>(latencies)
        });
    }
    summary(begin, clients).await
}

async fn ask_until(
    deadline: Instant,
    mut connection: Connection,
    workload: Arc<Workload>,
) -> Result<Vec<Duration>, ExchangeError> {
    let mut latencies = Vec::new();
    let mut sent = Instant::now();
    while sent < deadline {
        connection.exchange(workload.any(), workload.status).await?;
        let answered = Instant::now();
        latencies.push(answered - sent);
        sent = answered;
    }
    Ok(latencies)
}

pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

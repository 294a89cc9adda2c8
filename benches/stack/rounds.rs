//! The order of measuring: in turns, so that what disturbs the machine for a while disturbs all alike.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::Failure;
use crate::load::{self, Measured, Workload};

/// How much to measure.
pub(crate) struct Plan {
    /// Not counted: fills caches, opens connections, lets the processor clock up.
    pub(crate) warm_up: Duration,
    pub(crate) round: Duration,
    pub(crate) rounds: usize,
}

impl Plan {
    pub(crate) const FULL: Plan = Plan { warm_up: Duration::from_secs(2), round: Duration::from_secs(3), rounds: 5 };
    pub(crate) const QUICK: Plan =
        Plan { warm_up: Duration::from_millis(300), round: Duration::from_secs(1), rounds: 2 };
}

/// One server under one name, and what it did in each round.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// In all rounds and in the warm-up.
    pub(crate) answered: usize,
    pub(crate) rounds: Vec<Measured>,
}

/// Warms every server up, then measures them round by round: A B A B ….
pub(crate) async fn in_turns(
    plan: &Plan,
    workload: &Arc<Workload>,
    servers: &[(&'static str, SocketAddr)],
) -> Result<Vec<Series>, Failure> {
    let mut all = Vec::new();
    for &(name, address) in servers {
        let warm_up = load::measure(address, workload, plan.warm_up).await.map_err(|error| blame(name, &error))?;
        all.push(Series { name, answered: warm_up.answered, rounds: Vec::new() });
    }
    for _ in 0..plan.rounds {
        for (series, &(name, address)) in all.iter_mut().zip(servers) {
            let measured = load::measure(address, workload, plan.round).await.map_err(|error| blame(name, &error))?;
            series.answered += measured.answered;
            series.rounds.push(measured);
        }
    }
    Ok(all)
}

fn blame(name: &str, error: &Failure) -> Failure {
    format!("{name}: {error}").into()
}

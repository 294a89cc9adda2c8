//! The order of measuring: short rounds in turns, forwards and backwards, so that a disturbance affects all servers
//! alike; and the conditions under which a round counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_testkit::Client;

use crate::bare::BareProcess;
use crate::failure::Failure;
use crate::load::{self, Measured, Workload};
use crate::machine::{self, Spent, TOO_BUSY};
use crate::service::{Lookups, Running};

/// How much to measure.
pub(crate) struct Plan {
    /// Not counted: fills caches, opens connections, lets the processor clock up.
    pub(crate) warm_up: Duration,
    pub(crate) round: Duration,
    pub(crate) rounds: usize,
    /// The largest number of repeated rounds: those in which other processes used the machine, or in which the server
    /// did other work than the measured one.
    pub(crate) repeats: usize,
}

impl Plan {
    pub(crate) const FULL: Plan =
        Plan { warm_up: Duration::from_secs(2), round: Duration::from_secs(1), rounds: 16, repeats: 32 };
    pub(crate) const QUICK: Plan =
        Plan { warm_up: Duration::from_millis(300), round: Duration::from_secs(1), rounds: 2, repeats: 2 };
}

/// What every read of a case must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Hits,
    Misses,
}

/// A server to measure, or several that share the load, with a name.
pub(crate) struct Contender {
    name: &'static str,
    addresses: Vec<SocketAddr>,
    pids: Vec<u32>,
    workload: Arc<Workload>,
    /// For the service: whom to ask for its statistics, and what these must show.
    reads: Option<(Vec<Client>, Reads)>,
}

impl Contender {
    pub(crate) fn service(name: &'static str, running: &Running) -> Self {
        let reads = running.reads.map(|reads| (vec![running.observer.clone()], reads));
        let (addresses, pids) = (vec![running.service.address()], vec![running.service.pid()]);
        Contender { name, addresses, pids, workload: Arc::clone(&running.workload), reads }
    }

    /// All of them at once.
    pub(crate) fn together(name: &'static str, contenders: impl IntoIterator<Item = Contender>) -> Option<Self> {
        let together = contenders.into_iter().reduce(|mut all, one| {
            all.addresses.extend(one.addresses);
            all.pids.extend(one.pids);
            if let (Some((all, _)), Some((one, _))) = (&mut all.reads, one.reads) {
                all.extend(one);
            }
            all
        });
        together.map(|all| Contender { name, ..all })
    }

    pub(crate) fn bare(name: &'static str, process: &BareProcess, workload: &Arc<Workload>) -> Self {
        let (addresses, pids) = (vec![process.address], vec![process.pid()]);
        Contender { name, addresses, pids, workload: Arc::clone(workload), reads: None }
    }

    /// Uses these requests instead of its own.
    pub(crate) fn asked(self, workload: &Arc<Workload>) -> Self {
        Contender { workload: Arc::clone(workload), ..self }
    }

    /// Puts it under load for a while. Returns the reason why the round does not count, if there is one.
    async fn turn(&self, duration: Duration) -> Result<(Round, Option<String>), Failure> {
        let before = self.lookups().await?;
        let (begin, spent) = (Spent::now()?, self.spent()?);
        let measured = load::measure(&self.addresses, &self.workload, duration).await;
        let measured = measured.map_err(|error| format!("{}: {error}", self.name))?;
        let others = Spent::now()?.others_since(&begin);
        let cpu = self.spent()?.saturating_sub(spent);
        let wrong = match (before, self.lookups().await?, &self.reads) {
            (Some(before), Some(after), Some((_, reads))) => after.are_not_all(*reads, before, measured.answered),
            _ => None,
        };
        Ok((Round { measured, cpu, others }, wrong))
    }

    fn spent(&self) -> Result<Duration, Failure> {
        self.pids.iter().map(|pid| machine::spent_by(*pid)).sum()
    }

    async fn lookups(&self) -> Result<Option<Lookups>, Failure> {
        let Some((clients, _)) = &self.reads else { return Ok(None) };
        let mut lookups = Lookups::default();
        for client in clients {
            lookups = lookups + Lookups::of(client).await?;
        }
        Ok(Some(lookups))
    }
}

/// The results of one server in one round.
pub(crate) struct Round {
    pub(crate) measured: Measured,
    /// The processor time of the server's process.
    pub(crate) cpu: Duration,
    /// The share of the machine that other processes used in that time.
    pub(crate) others: f64,
}

/// A server with its name, and its results in each round that counts.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// The number of answers in all rounds and in the warm-up.
    pub(crate) answered: usize,
    pub(crate) rounds: Vec<Round>,
}

/// The servers in the given order, and the course of the rounds.
pub(crate) struct Measurement {
    pub(crate) servers: Vec<Series>,
    pub(crate) repeated: usize,
    /// Rounds that count although other processes used the machine, because it never became idle.
    pub(crate) disturbed: usize,
}

impl Measurement {
    /// With the rounds of other processes of the same servers.
    pub(crate) fn and(mut self, other: Measurement) -> Self {
        for (series, other) in self.servers.iter_mut().zip(other.servers) {
            series.answered += other.answered;
            series.rounds.extend(other.rounds);
        }
        self.repeated += other.repeated;
        self.disturbed += other.disturbed;
        self
    }
}

/// Warms every server up, then measures them round by round: A B, B A, A B ….
pub(crate) async fn in_turns(plan: &Plan, contenders: &[Contender]) -> Result<Measurement, Failure> {
    let mut servers = Vec::new();
    for contender in contenders {
        let (warm_up, _) = contender.turn(plan.warm_up).await?;
        servers.push(Series { name: contender.name, answered: warm_up.measured.answered, rounds: Vec::new() });
    }
    let (mut done, mut repeated, mut disturbed) = (0, 0, 0);
    while done < plan.rounds {
        let (mut rounds, mut wrong, mut busy) = (Vec::new(), None, false);
        for place in order(contenders.len(), done) {
            let (round, not_as_meant) = contenders[place].turn(plan.round).await?;
            servers[place].answered += round.measured.answered;
            wrong = wrong.or(not_as_meant.map(|what| format!("{}: {what}", contenders[place].name)));
            busy |= round.others > TOO_BUSY;
            rounds.push((place, round));
        }
        if (busy || wrong.is_some()) && repeated < plan.repeats {
            repeated += 1;
            continue;
        }
        if let Some(wrong) = wrong {
            return Err(format!("this was another case than the one to be measured; {wrong}").into());
        }
        rounds.into_iter().for_each(|(place, round)| servers[place].rounds.push(round));
        done += 1;
        disturbed += usize::from(busy);
    }
    Ok(Measurement { servers, repeated, disturbed })
}

/// Forwards and backwards in turns, so that the order gives no advantage.
fn order(servers: usize, round: usize) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..servers).collect() } else { (0..servers).rev().collect() }
}

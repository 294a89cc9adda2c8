//! One schedule: what its seed says of processes, clients and faults, from the start until everything has come to rest.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::database::{Change, PAGE};
use super::faults::{FAULTS, Fault};
use super::process::Process;
use super::world::World;
use super::{Defect, faults, random};
use crate::options::{Consistency, Tiers, WriteStrategy};
use crate::{clock, rng};

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) processes: usize,
    pub(super) consistency: Consistency,
    pub(super) tiers: Tiers,
    pub(super) write_strategy: WriteStrategy,
    pub(super) ttl: Duration,
    pub(super) grace: Duration,
    pub(super) faults: u64,
    /// Which faults there are: a schedule with few kinds of them gets deeper than one with all.
    pub(super) kinds: Vec<Fault>,
    /// One step of a write in so many takes long.
    pub(super) slow_writes: u64,
    /// In a hundred steps of a client.
    writes: u64,
    /// How long clients and faults wait.
    pub(super) pace: u32,
    things: usize,
    clients: u64,
    steps: u64,
}

impl Plan {
    fn throw() -> Self {
        Plan {
            processes: random::pick(&[1, 2, 2, 3]),
            consistency: random::pick(&[Consistency::Linearizable, Consistency::Linearizable, Consistency::Bounded]),
            tiers: random::pick(&[Tiers::Tiered, Tiers::Tiered, Tiers::Redis]),
            write_strategy: random::pick(&[WriteStrategy::Invalidate, WriteStrategy::WriteThrough]),
            ttl: random::pick(&[Duration::from_secs(1), Duration::from_secs(300)]),
            grace: Duration::from_secs(600),
            faults: random::pick(&[0, 1, 2, 3, 5, 8]),
            kinds: (0..random::pick(&[1, 2, 3, 8])).map(|_| random::pick(&FAULTS)).collect(),
            slow_writes: random::pick(&[3, 10, 50]),
            writes: random::pick(&[20, 40, 70]),
            pace: random::pick(&[1, 1, 1, 10]),
            things: random::pick(&[1, 1, 2, 3]),
            clients: random::pick(&[2, 3, 5]),
            steps: random::pick(&[4, 8, 12]),
        }
    }

    /// Two processes with many clients and slow writes, all at one thing.
    fn crowded(self) -> Self {
        Plan { processes: 2, faults: 8, slow_writes: 3, pace: 1, things: 1, clients: 5, steps: 12, ..self }
    }

    /// Some defects show only where much comes together: a schedule that is to find one has that.
    fn that_may_show(self, defect: Option<Defect>) -> Self {
        match defect {
            // A writer dies between its two generations, and a page outlasts the life of the first.
            Some(Defect::GenerationsOfWritersAreRenewed) => {
                Plan { kinds: vec![Fault::Crash], faults: 8, ttl: Duration::from_secs(300), slow_writes: 3, ..self }
            }
            // A writer loses its fence to a writer of another process, commits after it and releases before it.
            Some(Defect::OvertakenWriterLeavesItsValue) => Plan {
                write_strategy: WriteStrategy::WriteThrough,
                kinds: vec![Fault::Flushall],
                writes: 70,
                ..self.crowded()
            },
            // A fence is lost, a reader loads what is about to be changed, and its value is to stay.
            Some(Defect::ReleaseSparesWhatStands) => {
                Plan { kinds: vec![Fault::Flushall], ttl: Duration::from_secs(300), ..self.crowded() }
            }
            // A fence is away while the other process reads the entry, and back before the write ends.
            Some(Defect::EndsAreToldOnce) => Plan {
                consistency: Consistency::Linearizable,
                tiers: Tiers::Tiered,
                kinds: vec![Fault::PutBack],
                ttl: Duration::from_secs(300),
                ..self.crowded()
            },
            _ => self,
        }
    }
}

/// The processes that are alive; one that has died is replaced by another.
#[derive(Clone)]
pub(super) struct Running(Arc<RunningState>);

struct RunningState {
    world: Arc<World>,
    plan: Plan,
    processes: Mutex<Vec<Process>>,
    started: Mutex<usize>,
}

impl Running {
    async fn start(world: &Arc<World>, plan: &Plan) -> Self {
        let mut processes = Vec::new();
        for number in 0..plan.processes {
            processes.push(Process::start(world, number, plan).await);
        }
        let (processes, started) = (Mutex::new(processes), Mutex::new(plan.processes));
        Running(Arc::new(RunningState { world: Arc::clone(world), plan: plan.clone(), processes, started }))
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        self.0.processes.lock().clone()
    }

    pub(super) fn process(&self, place: usize) -> Process {
        self.0.processes.lock()[place].clone()
    }

    pub(super) async fn replace(&self, place: usize) {
        let number = {
            let mut started = self.0.started.lock();
            *started += 1;
            *started - 1
        };
        let successor = Process::start(&self.0.world, number, &self.0.plan).await;
        self.0.processes.lock()[place] = successor;
    }
}

/// What came of a schedule.
pub(super) struct Outcome {
    pub(super) violation: Option<String>,
    pub(super) trace: Vec<String>,
}

/// Runs the schedule of that seed, on this thread.
pub(super) fn run(seed: u64, defect: Option<Defect>, traced: bool) -> Outcome {
    rng::seed(seed);
    random::calm(false);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        clock::simulate();
        let plan = Plan::throw().that_may_show(defect);
        let world = World::new(plan.things, defect, traced);
        world.note(|| format!("{plan:?}"));
        play(&world, &plan).await;
        Outcome { violation: world.violation(), trace: world.trace() }
    })
}

async fn play(world: &Arc<World>, plan: &Plan) {
    let running = Running::start(world, plan).await;
    sleep(random::up_to(if random::one_in(4) { 5 } else { 400 })).await;
    let clients = (0..plan.clients).map(|_| tokio::spawn(client(running.clone(), plan.clone())));
    let strikes = tokio::spawn(faults::strike(Arc::clone(world), running.clone(), plan.clone()));
    for ended in join_all(clients).await {
        ended.unwrap();
    }
    strikes.await.unwrap();
    faults::over(world, &running).await;
    rest(world, &running).await;
}

async fn client(running: Running, plan: Plan) {
    for _ in 0..plan.steps {
        sleep(pause() * plan.pace).await;
        let process = running.process(random::below(plan.processes as u64) as usize);
        let step = step(&process, &plan);
        // The client of a process that dies gets no answer.
        process.host.death.run_until_cancelled(step).await;
    }
}

fn pause() -> Duration {
    match random::below(100) {
        0 if random::one_in(4) => random::up_to(35_000),
        0..=3 => random::up_to(2_000),
        4..=19 => random::up_to(300),
        20..=59 => random::up_to(20),
        _ => random::up_to(3),
    }
}

async fn step(process: &Process, plan: &Plan) {
    let id = 1 + random::below(plan.things as u64) as usize;
    if random::below(100) < plan.writes {
        let change = match process.exists(id) {
            true => random::pick(&[Change::Update, Change::Update, Change::Update, Change::Delete]),
            false => Change::Create,
        };
        return process.write(id, change, plan.slow_writes).await;
    }
    match random::below(12) {
        // A client that hangs up.
        0 => drop(timeout(random::up_to(10), process.read(id)).await),
        1..=8 => process.read(id).await,
        _ => process.read(PAGE).await,
    }
}

/// When nothing happens any more, no tier holds anything that is older than what the database does.
async fn rest(world: &Arc<World>, running: &Running) {
    let (unacknowledged, forgot) = (world.database.lock().open_ended > 0, world.server.lock().forgot);
    sleep(if unacknowledged { faults::REST } else { faults::SHORT_REST }).await;
    for process in running.processes() {
        process.is_well();
        // A write that was not acknowledged may have lost its fence before it ended.
        process
            .inspect(
                |database, track| if unacknowledged && forgot { database.firm(track) } else { database.newest(track) },
            )
            .await;
        let tracks = world.database.lock().tracks();
        for track in tracks {
            process.read(track).await;
        }
    }
}

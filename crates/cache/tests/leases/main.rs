//! A model of leases and confirmations, by which an acknowledged write is seen by every process at once, searched
//! by a checker (`stateright`) in every order in which its steps and the faults can follow each other.
//!
//! **What a step is.** One command in Redis, one transaction or one statement in the database, one critical
//! section of a process. Between any two of them, anything else may happen.
//!
//! **The world.** Two processes with their links, epochs, memories, leases and pushes; the database with its
//! epoch, the Redis server that goes with it, and a row for each process; two Redis servers, of which one may take
//! the place of the other while that goes on; and one write by the first process. `../model` has the rest of the
//! protocol: what happens to an entry in Redis.
//!
//! **Time** is nothing but an event: the leases that a beat asked for end. A writer knows that they have when it
//! has seen the number of the beat for longer than a lease lasts, which is always later, as the rates of the
//! clocks differ less than the two times. So the clocks may go as they like.
//!
//! **The promise** is two invariants. *Fresh*: once the write is acknowledged, no process would answer with what
//! was there before, from memory or from Redis. *Ordered*: once it is committed, which somebody may see in the
//! database, none would either. Entries that depend on a generation have the first only, as they are loaded and
//! kept while they are written.
//!
//! **Guards** are left out one by one, and each time the checker has to find how an invariant breaks.
//!
//! **Not covered**: fences that Redis loses, a process that takes longer for a commit than a lease lasts while a
//! server takes over, more than two processes.

mod guard;
mod instance;
mod world;
mod writer;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Property};

use guard::Guard;
use world::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Write,
    /// The first half of a beat, and the second.
    Beat(usize),
    Answer(usize),
    Hear(usize),
    Expire(usize, u8),
    Load(usize),
    Connect(usize, u8),
    Withdraw(usize),
    Listen(usize),
    Cut(usize),
    Break(usize),
    /// The connection of the pushes leads to where the link does not.
    StopListening(usize),
}

fn apply(scenario: &Scenario, world: &mut World, step: Step) -> bool {
    match step {
        Step::Write => writer::step(scenario, world),
        Step::Beat(of) => instance::beat(scenario, world, of),
        Step::Answer(of) => instance::answer(scenario, world, of),
        Step::Hear(of) => instance::hear(scenario, world, of),
        Step::Expire(of, beat) => instance::expire(&mut world.instances[of], beat),
        Step::Load(of) => instance::load(scenario, world, of),
        Step::Connect(of, server) => instance::connect(scenario, world, of, server),
        Step::Withdraw(of) => instance::withdraw(world, of),
        Step::Listen(of) => instance::listen(world, of),
        Step::Cut(of) => {
            let up = matches!(world.instances[of].link, Link::Up(_)) && spend(&mut world.left.cuts);
            if up {
                instance::go_down(scenario, world, of);
            }
            up
        }
        Step::Break(of) => {
            let heard = world.instances[of].hears.is_some() && spend(&mut world.left.gaps);
            if heard {
                instance::stop_listening(world, of);
            }
            heard
        }
        Step::StopListening(of) => {
            let Instance { hears, link, .. } = world.instances[of];
            let elsewhere = matches!((hears, link), (Some(heard), Link::Up(server)) if heard != server);
            if elsewhere {
                instance::stop_listening(world, of);
            }
            elsewhere
        }
    }
}

fn spend(left: &mut u8) -> bool {
    let some = *left > 0;
    *left -= u8::from(some);
    some
}

impl Model for Scenario {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.beginning()]
    }

    fn actions(&self, _: &World, steps: &mut Vec<Step>) {
        steps.push(Step::Write);
        for of in [WRITING, OTHER] {
            steps.extend([Step::Beat(of), Step::Answer(of), Step::Hear(of), Step::Load(of), Step::Withdraw(of)]);
            steps.extend([Step::Listen(of), Step::Cut(of), Step::Break(of), Step::StopListening(of)]);
            steps.extend((1..=self.beats[of]).map(|beat| Step::Expire(of, beat)));
            steps.extend([0, 1].map(|server| Step::Connect(of, server)));
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = *world;
        apply(self, &mut next, step).then_some(next).filter(|next| next != world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(FRESH, |scenario: &Scenario, world: &World| {
                world.writer.phase != Writing::Acknowledged || all_serve(scenario, world, world.database.version)
            }),
            Property::sometimes(RECOVERS, |scenario: &Scenario, world: &World| {
                let served = instance::serves(scenario, world, OTHER) == Some(1);
                world.writer.phase == Writing::Acknowledged && served && world.left == Faults::default()
            }),
        ];
        if !self.page {
            properties.push(Property::always(ORDERED, |scenario: &Scenario, world: &World| {
                all_serve(scenario, world, world.database.version)
            }));
        }
        properties
    }
}

const FRESH: &str = "fresh";
const ORDERED: &str = "ordered";
const RECOVERS: &str = "it recovers";

fn all_serve(scenario: &Scenario, world: &World, at_least: u8) -> bool {
    [WRITING, OTHER].iter().all(|of| instance::serves(scenario, world, *of).is_none_or(|version| version >= at_least))
}

const NONE: Faults = Faults { cuts: 0, gaps: 0, switches: 0 };
const CUT: Faults = Faults { cuts: 1, ..NONE };
const GAP: Faults = Faults { gaps: 1, ..NONE };
const SWITCH: Faults = Faults { cuts: 1, switches: 1, ..NONE };

fn product(faults: Faults) -> Scenario {
    Scenario { name: "a product", page: false, beats: [1, 2], loads: [0, 1], faults, without: None }
}

fn page(faults: Faults) -> Scenario {
    Scenario { name: "a page", page: true, ..product(faults) }
}

/// The larger bounds, which take too long for every build: beats of the writing instance too, and more of the other.
fn long(scenario: Scenario) -> Scenario {
    Scenario { beats: [2, 3], ..scenario }
}

fn is_long_run() -> bool {
    std::env::var("HOTSHELF_LONG").is_ok_and(|long| long == "1")
}

fn holds(scenario: Scenario) {
    if is_long_run() {
        search(long(scenario.clone()));
    }
    search(scenario);
}

fn search(scenario: Scenario) {
    let (name, faults, started) = (scenario.name, scenario.faults, Instant::now());
    let checker = scenario.checker().spawn_bfs().join();
    println!("{name}, {faults:?}: {} states, {:.1?}", checker.unique_state_count(), started.elapsed());
    for (property, path) in checker.discoveries() {
        assert_eq!(property, RECOVERS, "it breaks: {:?}", path.into_actions());
    }
    assert!(checker.discovery(RECOVERS).is_some(), "the search does not get anywhere");
}

/// Searches, the shortest ways first, until an invariant is broken.
fn breaks(guard: Guard, scenario: Scenario) {
    let search = Scenario { without: Some(guard), ..scenario }.checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = search.spawn_bfs().join();
    let broken = checker.discoveries().into_iter().filter(|(property, _)| *property != RECOVERS);
    let broken: Vec<_> = broken.map(|(property, path)| (path.into_actions(), property)).collect();
    let shortest = broken.iter().min_by_key(|(steps, _)| steps.len());
    let (steps, property) = shortest.unwrap_or_else(|| panic!("nothing goes wrong without {guard:?}"));
    println!("without {guard:?}, \"{property}\" breaks after {} steps: {steps:?}", steps.len());
}

macro_rules! scenarios {
    ($($name:ident: $scenario:expr;)*) => {
        $(
            #[test]
            fn $name() {
                holds($scenario);
            }
        )*
    };
}

scenarios! {
    product_without_faults: product(NONE);
    product_with_cut: product(CUT);
    product_with_gap: product(GAP);
    product_with_another_server: product(SWITCH);
    page_without_faults: page(NONE);
    page_with_cut: page(CUT);
    page_with_gap: page(GAP);
    page_with_another_server: page(SWITCH);
}

macro_rules! without {
    ($($name:ident: $guard:ident, $scenario:expr;)*) => {
        $(
            #[test]
            fn $name() {
                breaks(Guard::$guard, $scenario);
            }
        )*
    };
}

without! {
    memory_needs_lease: MemoryNeedsLease, product(NONE);
    redis_needs_lease: RedisNeedsLease, product(CUT);
    row_comes_first: RowComesFirst, page(CUT);
    adopted_before_renewal: AdoptedBeforeRenewal, product(CUT);
    renewed_by_push: RenewedByPush, product(NONE);
    terms_end: TermsEnd, product(CUT);
    confirmed_when_applied: ConfirmedWhenApplied, product(NONE);
    waits_after_release: WaitsAfterRelease, page(NONE);
    looks_after_release: LooksAfterRelease, page(GAP);
    lapse_outlasts_lease: LapseOutlastsLease, product(NONE);
    server_is_compared: ServerIsCompared, product(SWITCH);
    waits_for_epoch: WaitsForEpoch, page(CUT);
    noted_when_adopted: NotedWhenAdopted, page(CUT);
    opens_when_noted: OpensWhenNoted, Scenario { beats: [1, 3], ..page(SWITCH) };
    withdrawn_with_leases: WithdrawnWithLeases, product(CUT);
    own_memory_is_fenced: OwnMemoryIsFenced, product(NONE);
    waits_before_commit: WaitsBeforeCommit, product(NONE);
    noted_when_committed: NotedWhenCommitted, Scenario { beats: [2, 2], ..product(SWITCH) };
    revokes_before_commit: RevokesBeforeCommit, product(CUT);
}

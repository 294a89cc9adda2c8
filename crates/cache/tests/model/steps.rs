//! All that can happen next.

use stateright::{Model, Property};

use crate::normal::normalize;
use crate::reader::Choice;
use crate::scenario::Scenario;
use crate::scenarios::RECOVERS;
use crate::world::*;
use crate::{instance, promise, reader, writer};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Read(usize, Choice),
    Write(usize),
    /// A writer's command is sent and not answered.
    LoseAnswer(usize),
    /// It is carried out after all.
    ArriveLate,
    /// Towards a new link, or away from a dead one.
    Connect(usize),
    /// Tells Redis the epoch, and hears of a newer one.
    Beat(usize),
    Learn(usize),
    BeatMemory(usize),
    /// Takes a push.
    Hear(usize),
    Track(usize),
    /// A loader's lease ends.
    EndLease(Cell),
    /// A fence ends while its writer is paused, or is evicted.
    LoseFence,
    /// A writer's generation is evicted.
    LoseGeneration,
    /// A reader's ends, at any moment and as often as one likes.
    EndGeneration,
    /// The connection to Redis is lost.
    Cut(usize),
    /// The connection of the pushes is lost, which nobody notices yet.
    Break(usize),
    Crash(usize),
    TakeSnapshot,
    RestartEmpty,
    RestartWithSnapshot,
    /// A second passes: no lease of a memory is alive.
    PassSecond,
    /// Half a minute passes: nor any lease, fence or generation that ends by itself.
    PassHalfMinute,
}

impl Scenario {
    fn apply(&self, world: &mut World, step: Step) -> bool {
        match step {
            Step::Read(number, choice) => reader::step(self, world, number, choice),
            Step::Write(number) => writer::step(self, world, number),
            Step::LoseAnswer(number) => spend(&mut world.left.late) && writer::lose_answer(self, world, number),
            Step::ArriveLate => writer::arrive_late(self, world),
            Step::Connect(of) => instance::connect(self, world, of),
            Step::Beat(of) => instance::beat(self, world, of),
            Step::Learn(of) => instance::learn(self, world, of),
            Step::BeatMemory(of) => instance::beat_memory(self, world, of),
            Step::Hear(of) => instance::hear(self, world, of),
            Step::Track(of) => instance::track(self, world, of),
            Step::EndLease(cell) => end_lease(world, cell),
            Step::LoseFence => spend(&mut world.left.losses) && lose_fence(world),
            Step::LoseGeneration => spend(&mut world.left.losses) && lose_generation(world),
            Step::EndGeneration => end_generation(world),
            Step::Cut(of) => spend(&mut world.left.cuts) && cut(world, of),
            Step::Break(of) => spend(&mut world.left.gaps) && break_tracking(self, world, of),
            Step::Crash(of) => {
                let spent = spend(&mut world.left.crashes);
                instance::crash(self, world, of);
                spent
            }
            Step::TakeSnapshot => self.any_snapshot && take_snapshot(world),
            Step::RestartEmpty => spend(&mut world.left.restarts) && restart(self, world, None),
            Step::RestartWithSnapshot => {
                let snapshot = world.snapshot;
                snapshot.is_some() && spend(&mut world.left.restarts) && restart(self, world, snapshot)
            }
            Step::PassSecond => pass_second(self, world),
            Step::PassHalfMinute => spend(&mut world.left.pauses) && pass_half_minute(self, world),
        }
    }
}

fn spend(left: &mut u8) -> bool {
    let spent = *left > 0;
    *left = left.saturating_sub(1);
    spent
}

fn end_lease(world: &mut World, cell: Cell) -> bool {
    let entry = &mut world.redis.entries[cell as usize];
    let ends = matches!(entry, Entry::Lease { .. });
    if ends {
        *entry = Entry::Absent;
    }
    ends
}

fn lose_fence(world: &mut World) -> bool {
    let Entry::Fence { writer, .. } = world.redis.entries[0] else { return false };
    world.redis.entries[0] = Entry::Absent;
    world.writers[usize::from(writer)].barred = false;
    true
}

fn lose_generation(world: &mut World) -> bool {
    let lost = world.redis.generation.of_writer;
    world.writers.iter_mut().for_each(|writer| writer.barred = false);
    world.redis.generation = NO_GENERATION;
    lost
}

/// A reader's bars nothing.
fn end_generation(world: &mut World) -> bool {
    let ends = world.redis.generation.id != 0 && !world.redis.generation.of_writer;
    if ends {
        world.redis.generation = NO_GENERATION;
    }
    ends
}

fn cut(world: &mut World, of: usize) -> bool {
    let instance = &mut world.instances[of];
    let was_up = matches!(instance.link, Link::Up(_));
    instance.link = Link::Down;
    instance.learning = false;
    was_up
}

fn break_tracking(scenario: &Scenario, world: &mut World, of: usize) -> bool {
    let breaks = scenario.memory && scenario.shared && world.instances[of].tracking != Tracking::Broken;
    instance::break_tracking(world, of);
    breaks
}

fn take_snapshot(world: &mut World) -> bool {
    let takes = world.left.restarts > 0 && world.snapshot.is_none();
    world.snapshot = Some(world.redis);
    takes
}

/// What was on its way to the old process is lost with it.
fn restart(scenario: &Scenario, world: &mut World, memory: Option<Memory>) -> bool {
    let empty = Memory { entries: [Entry::Absent; 2], generation: NO_GENERATION, epoch: 0 };
    world.run += 1;
    world.writers.iter_mut().for_each(|writer| writer.barred = false);
    world.redis = memory.unwrap_or(empty);
    (world.snapshot, world.late, world.published) = (None, Late::Nothing, [0; 2]);
    for of in 0..scenario.instances() {
        instance::break_tracking(world, of);
        // A dead connection and none are the same to all but the one who is about to name the old server once more.
        if !world.instances[of].learning && matches!(world.instances[of].link, Link::Up(_)) {
            world.instances[of].link = Link::Down;
        }
    }
    true
}

fn pass_second(scenario: &Scenario, world: &mut World) -> bool {
    let applies = scenario.memory && scenario.shared;
    world.instances.iter_mut().for_each(instance::be_silent);
    applies
}

fn pass_half_minute(scenario: &Scenario, world: &mut World) -> bool {
    pass_second(scenario, world);
    world.late = Late::Nothing;
    for entry in &mut world.redis.entries {
        if matches!(entry, Entry::Lease { .. } | Entry::Fence { .. }) {
            *entry = Entry::Absent;
        }
    }
    if world.redis.generation.of_writer {
        world.redis.generation = NO_GENERATION;
    }
    (0..scenario.instances()).for_each(|of| instance::outlive(scenario, world, of));
    let orphaned = world.orphaned;
    for instance in &mut world.instances {
        raise(&mut instance.floor, orphaned);
        raise(&mut instance.memory_floor, orphaned);
    }
    true
}

impl Model for Scenario {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        self.beginnings()
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (number, reader) in world.readers.iter().take(self.readers.len()).enumerate() {
            steps.push(Step::Read(number, Choice::Usual));
            if matches!(reader.phase, Reading::LookUp | Reading::Confirm(_)) {
                steps.extend([Choice::Refresh, Choice::Impatient].map(|choice| Step::Read(number, choice)));
            }
            steps.push(Step::EndLease(self.readers[number].1));
        }
        for number in 0..self.writers.len() {
            steps.push(Step::Write(number));
            steps.extend((world.left.late > 0).then_some(Step::LoseAnswer(number)));
        }
        for of in 0..self.instances() {
            steps.extend([Step::Connect(of), Step::Beat(of), Step::Learn(of)]);
            steps.extend((world.left.cuts > 0).then_some(Step::Cut(of)));
            steps.extend((world.left.crashes > 0).then_some(Step::Crash(of)));
            if self.memory && self.shared {
                steps.extend([Step::BeatMemory(of), Step::Hear(of), Step::Track(of)]);
                steps.extend((world.left.gaps > 0).then_some(Step::Break(of)));
            }
        }
        if self.memory && self.shared {
            steps.push(Step::PassSecond);
        }
        steps.extend((world.late != Late::Nothing).then_some(Step::ArriveLate));
        if self.warm.contains(&Cell::Page) {
            steps.push(Step::EndGeneration);
        }
        if world.left.losses > 0 {
            steps.extend([Step::LoseFence, Step::LoseGeneration]);
        }
        if world.left.restarts > 0 {
            steps.extend([Step::TakeSnapshot, Step::RestartEmpty, Step::RestartWithSnapshot]);
        }
        steps.extend((world.left.pauses > 0).then_some(Step::PassHalfMinute));
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = *before;
        if !self.apply(&mut world, step) {
            return None;
        }
        normalize(self, &mut world);
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("reads are fresh", promise::reads_are_fresh),
            Property::always("Redis is fresh", promise::redis_is_fresh),
            Property::always("memory is fresh", promise::memory_is_fresh),
            Property::sometimes(RECOVERS, promise::recovers),
        ]
    }
}

//! Redis: each function is one command or one script, and atomic.

use crate::guard::Guard;
use crate::scenario::Scenario;
use crate::world::*;

/// The generation that counts; a new one of the reader's if there is none.
pub(crate) fn generation(scenario: &Scenario, world: &mut World) -> u8 {
    if world.redis.generation.id == 0 {
        let id = if scenario.has(Guard::GenerationsAreNew) { draw(world) } else { 1 };
        world.redis.generation = Generation { id, of_writer: false };
    }
    world.redis.generation.of_writer &= scenario.has(Guard::ReadersRenewTheirOwn);
    world.redis.generation.id
}

/// A random one, which never was and never will be drawn again.
pub(crate) fn draw(world: &mut World) -> u8 {
    world.generations += 1;
    world.generations
}

pub(crate) fn void(scenario: &Scenario, world: &mut World, id: u8) {
    world.redis.generation = Generation { id, of_writer: scenario.has(Guard::GenerationEnds) };
    push(scenario, world, Push::Generation);
}

/// `false` while another writer's fence stands.
pub(crate) fn fence(scenario: &Scenario, world: &mut World, writer: usize) -> bool {
    let (own, run) = (writer as u8, world.run);
    if let Entry::Fence { writer, run: of, overtaken: false } = world.redis.entries[0]
        && (writer, of) != (own, run)
        && of == run
    {
        return false;
    }
    world.redis.entries[0] = Entry::Fence { writer: own, run, overtaken: false };
    if scenario.has(Guard::FenceIsPushed) {
        push(scenario, world, Push::Key);
    }
    true
}

/// `true` when the new value has been kept.
pub(crate) fn release(scenario: &Scenario, world: &mut World, writer: usize, value: Option<Copy>) -> bool {
    let (own, run) = (writer as u8, world.run);
    let lost = match world.redis.entries[0] {
        Entry::Fence { writer, run: of, overtaken: false } if (writer, of) == (own, run) => false,
        Entry::Fence { run: of, .. } if of == run && !scenario.has(Guard::ReleaseCompares) => false,
        Entry::Fence { writer, run: of, overtaken: false } if of == run => {
            // What the other one is about to keep may be older than what this one has committed.
            let overtaken = scenario.has(Guard::OvertakenFenceKeepsNothing);
            world.redis.entries[0] = Entry::Fence { writer, run, overtaken };
            return false;
        }
        _ => true,
    };
    if lost {
        if scenario.has(Guard::ReleaseRemovesWhatever) {
            world.redis.entries[0] = Entry::Absent;
        }
        if scenario.has(Guard::LostFenceIsPushed) {
            push(scenario, world, Push::Key);
        }
        return false;
    }
    world.redis.entries[0] = value.map_or(Entry::Absent, Entry::Value);
    value.is_some()
}

/// `true` when the value has been kept.
pub(crate) fn fill(scenario: &Scenario, world: &mut World, cell: Cell, token: u8, claim: Claim, value: Copy) -> bool {
    let entry = &mut world.redis.entries[cell as usize];
    let unchanged = match (claim, *entry) {
        (Claim::Lease(on), Entry::Lease { token: of, run, .. }) => (of, run) == (token, on),
        (Claim::Replace(seen), Entry::Value(copy)) => seen == copy,
        _ => false,
    };
    let kept = unchanged || !scenario.has(Guard::FillCompares);
    if kept {
        *entry = Entry::Value(value);
    }
    kept
}

/// To everybody who tracks. Redis sends in the order in which it executes; whoever does not keep up loses the oldest.
pub(crate) fn push(scenario: &Scenario, world: &mut World, push: Push) {
    if !(scenario.memory && scenario.shared) {
        return;
    }
    for instance in &mut world.instances {
        push_to(scenario, instance, push);
    }
}

pub(crate) fn push_to(scenario: &Scenario, instance: &mut Instance, push: Push) {
    let tracks = match instance.tracking {
        Tracking::On => true,
        Tracking::Broken => false,
        Tracking::Resuming => scenario.has(Guard::TrackThenForget),
    };
    if !tracks {
        return;
    }
    if let Some(free) = instance.pushes.iter_mut().find(|place| place.is_none()) {
        *free = Some(push);
        return;
    }
    if instance.pushes[..2].contains(&Some(Push::Beat)) {
        instance.beat = None;
    }
    instance.pushes.copy_within(1.., 0);
    instance.pushes[0] = Some(Push::Gap);
    instance.pushes[QUEUE - 1] = Some(push);
}

//! A write, step by step: begin, commit, finish, acknowledge.

use crate::guard::Guard;
use crate::instance::{adopt, forget_collection, forget_product, lives};
use crate::scenario::{Change, Scenario};
use crate::server;
use crate::world::*;

pub(crate) fn step(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    match world.writers[number].phase {
        Writing::Idle => return begin(scenario, world, number),
        Writing::Fence => return fence(scenario, world, number),
        Writing::VoidBefore | Writing::VoidAfter => void(scenario, world, number),
        Writing::Commit => commit(scenario, world, number),
        Writing::Release => release(scenario, world, number),
        Writing::Settle => settle(scenario, world, number),
        Writing::Forget => forget(scenario, world, number),
        Writing::Acknowledge => acknowledge(scenario, world, number),
        Writing::Done | Writing::Acknowledged => return false,
    }
    true
}

/// The command is sent, but no answer comes.
pub(crate) fn lose_answer(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let sends = lives(world, scenario.writers[number].0) && world.late == Late::Nothing;
    let late = match world.writers[number].phase {
        Writing::Fence => Late::Fence(number as u8),
        Writing::VoidBefore | Writing::VoidAfter => Late::Void { generation: world.generations + 1 },
        Writing::Release => Late::Release { writer: number as u8, value: value(scenario, world, number) },
        _ => return false,
    };
    if !sends {
        return false;
    }
    world.generations += u8::from(matches!(late, Late::Void { .. }));
    world.late = late;
    failed(scenario, world, number);
    true
}

/// Of one process, one writer at a time has the key.
fn begin(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let (instance, change) = scenario.writers[number];
    let locked = world.writers.iter().zip(&scenario.writers).any(|(other, (on, what))| {
        let done = matches!(other.phase, Writing::Idle | Writing::Done | Writing::Acknowledged);
        *on == instance && what.fences() && change.fences() && !done
    });
    if locked {
        return false;
    }
    let writer = &mut world.writers[number];
    writer.epoch = world.instances[instance].epoch;
    writer.covered = matches!(world.instances[instance].link, Link::Up(_));
    writer.barred = writer.covered;
    writer.phase = match change.fences() {
        _ if !writer.covered => Writing::Commit,
        true if scenario.has(Guard::FenceBeforeCommit) => Writing::Fence,
        _ => after_fence(scenario, number),
    };
    true
}

fn after_fence(scenario: &Scenario, number: usize) -> Writing {
    let voids = scenario.writers[number].1.voids() && scenario.has(Guard::VoidBeforeCommit);
    if voids { Writing::VoidBefore } else { Writing::Commit }
}

fn fence(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    if !lives(world, scenario.writers[number].0) {
        failed(scenario, world, number);
        return true;
    }
    let fenced = server::fence(scenario, world, number);
    if fenced {
        world.writers[number].phase = after_fence(scenario, number);
    }
    fenced
}

fn void(scenario: &Scenario, world: &mut World, number: usize) {
    if !lives(world, scenario.writers[number].0) {
        return failed(scenario, world, number);
    }
    let next = server::draw(world);
    server::void(scenario, world, next);
    proceed(scenario, world, number);
}

/// Before the commit, a failure leaves the write uncovered; after it, unreleased.
fn failed(scenario: &Scenario, world: &mut World, number: usize) {
    let writer = &mut world.writers[number];
    match writer.phase {
        Writing::Fence | Writing::VoidBefore => writer.covered = false,
        _ => writer.released = false,
    }
    proceed(scenario, world, number);
}

/// The commands of one round trip are sent together: one that fails keeps none of the others back.
fn proceed(scenario: &Scenario, world: &mut World, number: usize) {
    let change = scenario.writers[number].1;
    let writer = &mut world.writers[number];
    writer.phase = match writer.phase {
        Writing::Fence => after_fence(scenario, number),
        Writing::VoidBefore => Writing::Commit,
        Writing::Release if change.voids() && scenario.has(Guard::VoidAfterCommit) => Writing::VoidAfter,
        _ if writer.committed == [0; 2] => Writing::Done,
        _ if !writer.released => Writing::Settle,
        _ if scenario.has(Guard::FarthestFirst) => Writing::Forget,
        _ => Writing::Acknowledge,
    };
}

/// One transaction.
fn commit(scenario: &Scenario, world: &mut World, number: usize) {
    let change = scenario.writers[number].1;
    let exists = change != Change::Create;
    let writer = &mut world.writers[number];
    if world.database.exists == exists {
        world.database.exists = change != Change::Delete;
        world.database.versions[0] += 1;
        world.database.versions[1] += u8::from(change.voids());
        writer.committed = [world.database.versions[0], if change.voids() { world.database.versions[1] } else { 0 }];
    } else if !writer.covered {
        writer.phase = Writing::Done;
        return;
    }
    if !writer.covered {
        let now = scenario.has(Guard::EpochInTransaction) && scenario.has(Guard::OutageIsNotSwallowed);
        world.database.epoch += u8::from(now);
        writer.epoch = world.database.epoch;
        writer.phase = Writing::Settle;
        return;
    }
    writer.released = true;
    writer.phase = if scenario.has(Guard::FarthestFirst) { first_of_finish(scenario, number) } else { Writing::Forget };
}

fn first_of_finish(scenario: &Scenario, number: usize) -> Writing {
    let change = scenario.writers[number].1;
    match change.fences() {
        true => Writing::Release,
        false if scenario.has(Guard::VoidAfterCommit) => Writing::VoidAfter,
        false => Writing::Forget,
    }
}

/// What the write-through strategy leaves in Redis. Its epoch is the one from before the fence: a newer one would vouch
/// for it against a write that was committed after this one.
fn value(scenario: &Scenario, world: &World, number: usize) -> Option<Copy> {
    let (instance, change) = scenario.writers[number];
    let writer = &world.writers[number];
    let keeps = scenario.write_through && change == Change::Update && writer.committed != [0; 2];
    let epoch = if scenario.has(Guard::SealedBeforeCommit) { writer.epoch } else { world.instances[instance].epoch };
    let copy = Copy { by: WRITER + number as u8, version: writer.committed[0], exists: true, epoch, generation: 0 };
    (keeps && writer.covered).then_some(copy)
}

fn release(scenario: &Scenario, world: &mut World, number: usize) {
    if !lives(world, scenario.writers[number].0) {
        return failed(scenario, world, number);
    }
    let value = value(scenario, world, number);
    world.writers[number].stored = server::release(scenario, world, number, value);
    proceed(scenario, world, number);
}

pub(crate) fn arrive_late(scenario: &Scenario, world: &mut World) -> bool {
    match std::mem::replace(&mut world.late, Late::Nothing) {
        Late::Nothing => return false,
        Late::Fence(writer) => drop(server::fence(scenario, world, writer as usize)),
        Late::Void { generation } => server::void(scenario, world, generation),
        Late::Release { writer, value } => drop(server::release(scenario, world, writer as usize, value)),
    }
    true
}

/// Uncovered: this process goes over to the epoch of its commit. Unreleased: an epoch of its own.
fn settle(scenario: &Scenario, world: &mut World, number: usize) {
    let instance = scenario.writers[number].0;
    let writer = world.writers[number];
    let advances = match writer.covered {
        true => scenario.has(Guard::ReleaseIsConfirmed),
        false => !scenario.has(Guard::EpochInTransaction),
    };
    world.database.epoch += u8::from(advances);
    if scenario.has(Guard::OutageIsNotSwallowed) {
        let epoch = if advances { world.database.epoch } else { writer.epoch };
        adopt(scenario, world, instance, epoch);
    }
    let forgotten = writer.covered && !scenario.has(Guard::FarthestFirst);
    world.writers[number].phase = if forgotten { Writing::Acknowledge } else { Writing::Forget };
}

/// Drops this process' own copy. Alone on its database, the newest value may take its place; otherwise another writer's
/// push may have come already.
fn forget(scenario: &Scenario, world: &mut World, number: usize) {
    let (instance, change) = scenario.writers[number];
    let writer = world.writers[number];
    if scenario.has(Guard::OwnMemoryIsTold) {
        if change.fences() {
            forget_product(scenario, world, instance);
        }
        if change.voids() {
            forget_collection(scenario, world, instance);
        }
        let replaces = if scenario.shared { writer.stored && !scenario.has(Guard::SharedMemoryDrops) } else { true };
        if scenario.memory && scenario.write_through && change == Change::Update && replaces {
            world.instances[instance].kept[0] = Some(Kept { version: writer.committed[0], exists: true });
        }
    }
    let last = scenario.has(Guard::FarthestFirst) || !writer.covered;
    world.writers[number].phase = if last { Writing::Acknowledge } else { first_of_finish(scenario, number) };
}

/// From here on, the promise holds for what was committed.
fn acknowledge(scenario: &Scenario, world: &mut World, number: usize) {
    let instance = scenario.writers[number].0;
    let writer = &mut world.writers[number];
    let committed = writer.committed;
    let known = writer.covered && writer.released;
    *writer =
        Writer { phase: Writing::Acknowledged, committed: [0; 2], epoch: 0, stored: false, barred: false, ..*writer };
    raise(&mut world.instances[instance].memory_floor, committed);
    if known {
        world.instances.iter_mut().for_each(|other| raise(&mut other.floor, committed));
    } else {
        raise(&mut world.instances[instance].floor, committed);
        raise(&mut world.instances[instance].debt, committed);
    }
}

/// The process dies. What it has committed is not acknowledged, and must not stay hidden for ever all the same.
pub(crate) fn die(scenario: &Scenario, world: &mut World, number: usize) {
    let instance = scenario.writers[number].0;
    let writer = world.writers[number];
    if matches!(writer.phase, Writing::Done | Writing::Acknowledged) {
        return;
    }
    if !writer.covered {
        raise(&mut world.instances[instance].debt, writer.committed);
    } else if writer.barred {
        raise(&mut world.orphaned, writer.committed);
    }
    world.writers[number].phase = Writing::Done;
}

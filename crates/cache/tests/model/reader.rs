//! A read, step by step: each is one command, one look into the database, or one critical section of the process.

use crate::guard::Guard;
use crate::instance::{lives, serves};
use crate::scenario::Scenario;
use crate::server;
use crate::world::*;

/// What a reader does where it has a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Choice {
    Usual,
    /// Refreshes what it has hit, in the background.
    Refresh,
    /// Does not wait for another one's lease.
    Impatient,
}

pub(crate) fn step(scenario: &Scenario, world: &mut World, number: usize, choice: Choice) -> bool {
    let reader = world.readers[number];
    let chooses = matches!(reader.phase, Reading::LookUp | Reading::Confirm(_));
    if choice == Choice::Refresh && !scenario.refresh || choice != Choice::Usual && !chooses {
        return false;
    }
    match reader.phase {
        Reading::Idle => return begin(scenario, world, number),
        Reading::Joined(_) => return false,
        Reading::Generation => read_generation(scenario, world, number),
        Reading::LookUp => return look_up(scenario, world, number, choice),
        Reading::Confirm(copy) => return confirm(scenario, world, number, copy, choice),
        Reading::Load => load(scenario, world, number),
        Reading::Bind => bind(scenario, world, number),
        Reading::Fill => fill(scenario, world, number),
        Reading::Keep => keep(scenario, world, number),
    }
    true
}

/// Looks into memory, takes a stamp, joins a flight. A read that memory answers has no further steps; that it may is
/// part of the invariant.
fn begin(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let (instance, cell, _) = scenario.readers[number];
    let reader = world.readers[number];
    if reader.left == 0 || serves(scenario, &world.instances[instance], cell) {
        return false;
    }
    let flight = world.readers.iter().zip(&scenario.readers).position(|(other, (on, of, _))| {
        let flying = !other.answered && !matches!(other.phase, Reading::Idle | Reading::Joined(_));
        let same = (*on, *of) == (instance, cell);
        flying && same && (other.stamped || !scenario.has(Guard::FlightIsStamped))
    });
    let reader = &mut world.readers[number];
    reader.left -= 1;
    reader.floor = world.instances[instance].floor[cell as usize];
    reader.stamped = true;
    match flight.filter(|_| !scenario.shared) {
        Some(leader) => reader.phase = Reading::Joined(leader as u8),
        None => ask(scenario, world, number),
    }
    true
}

/// The epoch is read first: what is filled later is of this one or older.
fn ask(scenario: &Scenario, world: &mut World, number: usize) {
    let (instance, cell, _) = scenario.readers[number];
    let run = world.run;
    let reader = &mut world.readers[number];
    reader.epoch = world.instances[instance].epoch;
    reader.run = run;
    reader.generation = 0;
    reader.phase = match (world.instances[instance].link, cell) {
        (Link::Up(_), Cell::Page) => Reading::Generation,
        (Link::Up(_), Cell::Product) => Reading::LookUp,
        _ => Reading::Load,
    };
}

/// Whether the next command of a lookup is answered: it goes to the connection on which the lookup began.
fn looks(scenario: &Scenario, world: &World, number: usize) -> bool {
    let same = world.readers[number].run == world.run || !scenario.has(Guard::LookupKeepsItsLink);
    same && lives(world, scenario.readers[number].0)
}

fn read_generation(scenario: &Scenario, world: &mut World, number: usize) {
    if !looks(scenario, world, number) {
        world.readers[number].phase = Reading::Load;
        return;
    }
    world.readers[number].generation = server::generation(scenario, world);
    world.readers[number].phase = Reading::LookUp;
}

fn look_up(scenario: &Scenario, world: &mut World, number: usize, choice: Choice) -> bool {
    let cell = scenario.readers[number].1;
    if !looks(scenario, world, number) {
        world.readers[number].phase = Reading::Load;
        return choice == Choice::Usual;
    }
    let (run, token) = (world.run, token(world, number));
    let entry = &mut world.redis.entries[cell as usize];
    let occupied = matches!(*entry, Entry::Lease { run: of, .. } | Entry::Fence { run: of, .. } if of == run);
    match entry {
        Entry::Lease { awaited, .. } if occupied && choice == Choice::Usual => {
            *awaited = true;
            ask(scenario, world, number);
            return true;
        }
        Entry::Lease { .. } if occupied && choice == Choice::Impatient => world.readers[number].phase = Reading::Load,
        _ if choice == Choice::Impatient => return false,
        Entry::Value(copy) => {
            let copy = *copy;
            return judge(scenario, world, number, copy, choice);
        }
        _ if choice == Choice::Refresh => return false,
        Entry::Fence { .. } if occupied => world.readers[number].phase = Reading::Load,
        // Nothing, or what a snapshot has brought back of another run.
        _ => {
            *entry = Entry::Lease { token, run, awaited: false };
            world.readers[number].claim = Claim::Lease(run);
            world.readers[number].phase = Reading::Load;
        }
    }
    true
}

/// Whether a copy counts. "Does not exist" needs one more question.
fn judge(scenario: &Scenario, world: &mut World, number: usize, copy: Copy, choice: Choice) -> bool {
    let (instance, cell, _) = scenario.readers[number];
    let current = copy.epoch == world.instances[instance].epoch || !scenario.has(Guard::EpochCounts);
    let reader = &mut world.readers[number];
    if current && cell == Cell::Product && scenario.depends(cell, copy.exists) {
        reader.phase = Reading::Confirm(copy);
        return choice == Choice::Usual;
    }
    if current && (cell == Cell::Product || copy.generation == reader.generation) {
        return hit(scenario, world, number, copy, choice);
    }
    reader.claim = Claim::Replace(copy);
    reader.phase = Reading::Load;
    choice == Choice::Usual
}

fn confirm(scenario: &Scenario, world: &mut World, number: usize, copy: Copy, choice: Choice) -> bool {
    let alive = looks(scenario, world, number);
    if alive && server::generation(scenario, world) == copy.generation {
        return choice != Choice::Impatient && hit(scenario, world, number, copy, choice);
    }
    world.readers[number].claim = if alive { Claim::Replace(copy) } else { Claim::None };
    world.readers[number].phase = Reading::Load;
    choice == Choice::Usual
}

fn hit(scenario: &Scenario, world: &mut World, number: usize, copy: Copy, choice: Choice) -> bool {
    world.readers[number].found = Some(Kept { version: copy.version, exists: copy.exists });
    if choice == Choice::Refresh {
        answer(world, number);
        let reader = &mut world.readers[number];
        (reader.answered, reader.claim, reader.phase) = (true, Claim::Replace(copy), Reading::Load);
    } else if scenario.memory {
        answer(world, number);
        world.readers[number].phase = Reading::Keep;
    } else {
        end(world, number);
    }
    true
}

fn load(scenario: &Scenario, world: &mut World, number: usize) {
    let cell = scenario.readers[number].1;
    let exists = cell == Cell::Page || world.database.exists;
    let found = Kept { version: world.database.versions[cell as usize], exists };
    let reader = &mut world.readers[number];
    reader.found = Some(found);
    let bound = match cell {
        Cell::Product => !scenario.depends(cell, exists) || reader.generation != 0,
        Cell::Page => scenario.has(Guard::GenerationBeforeLoad),
    };
    match reader.claim {
        Claim::None => loaded(scenario, world, number, false),
        _ if bound => reader.phase = Reading::Fill,
        _ => reader.phase = Reading::Bind,
    }
}

fn bind(scenario: &Scenario, world: &mut World, number: usize) {
    if !lives(world, scenario.readers[number].0) {
        return loaded(scenario, world, number, false);
    }
    world.readers[number].generation = server::generation(scenario, world);
    let again = scenario.has(Guard::GenerationBeforeLoad);
    world.readers[number].phase = if again { Reading::Load } else { Reading::Fill };
}

fn fill(scenario: &Scenario, world: &mut World, number: usize) {
    let (instance, cell, _) = scenario.readers[number];
    let (reader, by) = (world.readers[number], token(world, number));
    let Some(found) = reader.found.filter(|_| lives(world, instance)) else {
        return loaded(scenario, world, number, false);
    };
    let before = scenario.has(Guard::EpochBeforeLoad);
    let epoch = if before { reader.epoch } else { world.instances[instance].epoch };
    let generation = if scenario.depends(cell, found.exists) { reader.generation } else { 0 };
    let copy = Copy { by, version: found.version, exists: found.exists, epoch, generation };
    let stored = server::fill(scenario, world, cell, by, reader.claim, copy);
    loaded(scenario, world, number, stored);
}

/// With several instances, memory takes only what Redis has taken: so the fence bars it too.
fn loaded(scenario: &Scenario, world: &mut World, number: usize, stored: bool) {
    let may = stored || !scenario.shared || !scenario.has(Guard::MemoryFollowsRedis);
    if scenario.memory && may {
        world.readers[number].phase = Reading::Keep;
    } else {
        end(world, number);
    }
}

fn keep(scenario: &Scenario, world: &mut World, number: usize) {
    let (instance, cell, _) = scenario.readers[number];
    let reader = world.readers[number];
    if reader.stamped || !scenario.has(Guard::MemoryIsStamped) {
        world.instances[instance].kept[cell as usize] = reader.found;
    }
    end(world, number);
}

/// Lands: answers this reader and those who wait for it.
fn end(world: &mut World, number: usize) {
    answer(world, number);
    let found = world.readers[number].found;
    for waiter in 0..world.readers.len() {
        if world.readers[waiter].phase == Reading::Joined(number as u8) {
            world.readers[waiter].found = found;
            answer(world, waiter);
            quit(&mut world.readers[waiter]);
        }
    }
    quit(&mut world.readers[number]);
}

/// Here a read returns: never with less than what had been acknowledged when it began.
fn answer(world: &mut World, number: usize) {
    let reader = &world.readers[number];
    let version = reader.found.map_or(0, |found| found.version);
    world.stale |= !reader.answered && version < reader.floor;
}

pub(crate) fn quit(reader: &mut Reader) {
    let idle = Reader {
        phase: Reading::Idle,
        left: reader.left,
        floor: 0,
        run: 0,
        claim: Claim::None,
        epoch: 0,
        generation: 0,
        found: None,
        stamped: false,
        answered: false,
    };
    *reader = idle;
}

/// Names a reader's read.
fn token(world: &World, number: usize) -> u8 {
    number as u8 * OTHER_READER + world.readers[number].left
}

//! Worlds that differ only in names, or in what nobody will look at again, are one. Without this the search would count
//! the same situation many times over.

use crate::guard::Guard;
use crate::scenario::Scenario;
use crate::world::*;

pub(crate) fn normalize(scenario: &Scenario, world: &mut World) {
    world.readers.iter_mut().for_each(|reader| forget_reader(scenario, reader));
    world.writers.iter_mut().for_each(|writer| forget_writer(scenario, writer));
    forget_floors(scenario, world);
    forget_void_copies(scenario, world);
    rename_generations(world);
    rename_epochs(world);
    if scenario.symmetric {
        let swapped = swap(world);
        if swapped < *world {
            *world = swapped;
        }
    }
}

/// The same world with the two instances, their writers and their readers in each other's place.
fn swap(world: &World) -> World {
    let mut swapped = *world;
    swapped.instances.swap(0, 1);
    swapped.writers.swap(0, 1);
    swapped.readers.swap(0, 1);
    let snapshot = swapped.snapshot.iter_mut().flat_map(|snapshot| &mut snapshot.entries);
    for entry in swapped.redis.entries.iter_mut().chain(snapshot) {
        match entry {
            Entry::Lease { token, .. } => *token ^= OTHER_READER,
            Entry::Fence { writer, .. } => *writer ^= 1,
            Entry::Absent | Entry::Value(_) => {}
        }
    }
    each_copy(&mut swapped, |copy| {
        copy.by = match copy.by {
            INITIAL => INITIAL,
            reader if reader < WRITER => reader ^ OTHER_READER,
            writer => writer ^ 1,
        };
    });
    if let Late::Fence(writer) | Late::Release { writer, .. } = &mut swapped.late {
        *writer ^= 1;
    }
    swapped
}

fn forget_reader(scenario: &Scenario, reader: &mut Reader) {
    let alone = !scenario.shared;
    // It reads the database, which is never too old, and keeps nothing: it is as good as over.
    let harmless = !alone && scenario.has(Guard::MemoryFollowsRedis);
    if harmless && reader.phase == Reading::Load && reader.claim == Claim::None {
        crate::reader::quit(reader);
    }
    match reader.phase {
        Reading::Idle | Reading::Generation | Reading::LookUp | Reading::Confirm(_) => {}
        Reading::Joined(_) => reader.stamped = true,
        Reading::Load | Reading::Bind | Reading::Fill if reader.claim == Claim::None => {
            (reader.floor, reader.epoch, reader.generation) = (0, 0, 0);
        }
        // What the database says is never too old.
        Reading::Load | Reading::Bind | Reading::Fill => reader.floor = 0,
        Reading::Keep => (reader.floor, reader.claim, reader.epoch, reader.generation) = (0, Claim::None, 0, 0),
    }
    if reader.phase == Reading::Load || reader.phase == Reading::Bind && scenario.has(Guard::GenerationBeforeLoad) {
        reader.found = None;
    }
    if !matches!(reader.phase, Reading::Generation | Reading::LookUp | Reading::Confirm(_)) {
        reader.run = 0;
    }
    reader.stamped &= scenario.memory || alone;
}

fn forget_writer(scenario: &Scenario, writer: &mut Writer) {
    let over = matches!(writer.phase, Writing::Done | Writing::Acknowledged);
    if over {
        let phase = writer.phase;
        *writer = Writer {
            phase,
            covered: false,
            released: false,
            stored: false,
            epoch: 0,
            committed: [0; 2],
            barred: false,
        };
    }
    if writer.phase <= Writing::Commit {
        writer.released = false;
    }
    if writer.phase > Writing::Settle || writer.covered && !scenario.write_through {
        writer.epoch = 0;
    }
}

fn forget_floors(scenario: &Scenario, world: &mut World) {
    let tracks = scenario.memory && scenario.shared;
    for instance in &mut world.instances {
        if !scenario.memory {
            instance.memory_floor = [0; 2];
        }
        if !tracks {
            instance.tracking = Tracking::On;
        }
    }
    let count = scenario.instances();
    let all = |debt: Floor, world: &World| {
        let reached = |floor: Floor| (0..2).all(|cell| floor[cell] >= debt[cell]);
        let memory = |instance: &Instance| !scenario.memory || reached(instance.memory_floor);
        world.instances.iter().take(count).all(|instance| reached(instance.floor) && memory(instance))
    };
    for instance in 0..count {
        if all(world.instances[instance].debt, world) {
            world.instances[instance].debt = [0; 2];
        }
    }
    if all(world.published, world) {
        world.published = [0; 2];
    }
    if all(world.orphaned, world) {
        world.orphaned = [0; 2];
    }
}

/// A copy of an epoch that every instance has left behind is a miss whatever it says; only which one it is still
/// counts.
fn forget_void_copies(scenario: &Scenario, world: &mut World) {
    if scenario.without.is_some() {
        return;
    }
    let epochs = world.instances.iter().take(scenario.instances()).map(|instance| instance.epoch);
    let oldest = epochs.filter(|epoch| *epoch > 0).min().unwrap_or(world.database.epoch);
    each_copy(world, |copy| {
        if copy.epoch < oldest {
            (copy.version, copy.exists, copy.epoch, copy.generation) = (0, true, 0, 0);
        }
    });
    let void = |epoch: &mut u8| *epoch = if *epoch < oldest { 0 } else { *epoch };
    world.readers.iter_mut().for_each(|reader| void(&mut reader.epoch));
    world.writers.iter_mut().for_each(|writer| void(&mut writer.epoch));
}

/// Generations are random: only which of them are the same counts.
fn rename_generations(world: &mut World) {
    if world.generations == 1 {
        return;
    }
    let (mut names, mut last) = ([0u8; 32], 0);
    let mut rename = |id: &mut u8| {
        if *id == 0 {
            return;
        }
        let name = &mut names[*id as usize];
        if *name == 0 {
            last += 1;
            *name = last;
        }
        *id = *name;
    };
    rename(&mut world.redis.generation.id);
    if let Late::Void { generation } = &mut world.late {
        rename(generation);
    }
    if let Some(snapshot) = &mut world.snapshot {
        rename(&mut snapshot.generation.id);
    }
    each_copy(world, |copy| rename(&mut copy.generation));
    world.readers.iter_mut().for_each(|reader| rename(&mut reader.generation));
    world.generations = last;
}

/// Of epochs it counts only which is the larger. 0 is that of a process that has had no link yet.
fn rename_epochs(world: &mut World) {
    let mut used = 0u32;
    each_epoch(world, |epoch| used |= 1 << *epoch);
    used &= !1;
    each_epoch(world, |epoch| {
        let smaller_or_same = used & ((2 << *epoch) - 1);
        *epoch = smaller_or_same.count_ones() as u8;
    });
}

fn each_epoch(world: &mut World, mut visit: impl FnMut(&mut u8)) {
    visit(&mut world.database.epoch);
    visit(&mut world.redis.epoch);
    world.snapshot.iter_mut().for_each(|snapshot| visit(&mut snapshot.epoch));
    world.instances.iter_mut().for_each(|instance| visit(&mut instance.epoch));
    world.writers.iter_mut().for_each(|writer| visit(&mut writer.epoch));
    world.readers.iter_mut().for_each(|reader| visit(&mut reader.epoch));
    each_copy(world, |copy| visit(&mut copy.epoch));
}

fn each_copy(world: &mut World, mut visit: impl FnMut(&mut Copy)) {
    let snapshot = world.snapshot.iter_mut().flat_map(|snapshot| &mut snapshot.entries);
    for entry in world.redis.entries.iter_mut().chain(snapshot) {
        if let Entry::Value(copy) = entry {
            visit(copy);
        }
    }
    if let Late::Release { value: Some(copy), .. } = &mut world.late {
        visit(copy);
    }
    for reader in &mut world.readers {
        if let Claim::Replace(copy) = &mut reader.claim {
            visit(copy);
        }
        if let Reading::Confirm(copy) = &mut reader.phase {
            visit(copy);
        }
    }
}

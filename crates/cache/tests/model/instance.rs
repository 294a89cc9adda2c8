//! What an instance does besides reading and writing: its link, its epoch, its memory and the pushes.

use crate::guard::Guard;
use crate::reader;
use crate::scenario::Scenario;
use crate::server;
use crate::world::*;
use crate::writer;

/// Whether a command of this instance reaches Redis and is answered.
pub(crate) fn lives(world: &World, instance: usize) -> bool {
    world.instances[instance].link == Link::Up(world.run)
}

/// Whether memory answers a read.
pub(crate) fn serves(scenario: &Scenario, instance: &Instance, cell: Cell) -> bool {
    let leased = !scenario.shared || instance.leased || !scenario.has(Guard::MemoryLease);
    instance.kept[cell as usize].is_some() && leased
}

/// Goes over to an epoch, if it is a newer one. What memory has copied from Redis is of the older one.
pub(crate) fn adopt(scenario: &Scenario, world: &mut World, instance: usize, epoch: u8) {
    if epoch <= world.instances[instance].epoch {
        return;
    }
    world.instances[instance].epoch = epoch;
    if scenario.shared && scenario.has(Guard::NewEpochEmptiesMemory) {
        forget_all(scenario, world, instance);
    }
}

pub(crate) fn forget_product(scenario: &Scenario, world: &mut World, instance: usize) {
    world.instances[instance].kept[Cell::Product as usize] = None;
    unstamp(scenario, world, instance, Some(Cell::Product));
}

/// Copies that depend on the collection are void with its local generation.
pub(crate) fn forget_collection(scenario: &Scenario, world: &mut World, instance: usize) {
    forget_dependents(scenario, &mut world.instances[instance]);
    unstamp(scenario, world, instance, None);
}

fn forget_dependents(scenario: &Scenario, instance: &mut Instance) {
    for cell in [Cell::Product, Cell::Page] {
        let kept = &mut instance.kept[cell as usize];
        *kept = kept.filter(|kept| !scenario.depends(cell, kept.exists));
    }
}

fn forget_all(scenario: &Scenario, world: &mut World, instance: usize) {
    world.instances[instance].kept = [None; 2];
    unstamp(scenario, world, instance, None);
}

/// Makes the stamps unfit that were taken before now.
fn unstamp(scenario: &Scenario, world: &mut World, instance: usize, only: Option<Cell>) {
    for (reader, (on, cell, _)) in world.readers.iter_mut().zip(&scenario.readers) {
        if *on == instance && only.is_none_or(|only| only == *cell) {
            reader.stamped = false;
        }
    }
}

/// Opens a link, settles the epoch in the database, tells Redis, and only then lets requests use it.
pub(crate) fn connect(scenario: &Scenario, world: &mut World, instance: usize) -> bool {
    let run = world.run;
    match world.instances[instance].link {
        // What it reads there cannot change any more: one step with the next.
        Link::Down if world.left.restarts == 0 || !scenario.slow_connections => {
            world.instances[instance].link = Link::Opened(run);
            return connect(scenario, world, instance);
        }
        Link::Down => world.instances[instance].link = Link::Opened(run),
        Link::Opened(on) => {
            reconcile(scenario, world, instance, on);
            world.instances[instance].link = Link::Vouched(on);
        }
        Link::Vouched(on) if on == run => {
            agree(scenario, world, instance);
            world.instances[instance].link = Link::Up(run);
        }
        // It notices that the server is another one by now.
        Link::Vouched(_) => world.instances[instance].link = Link::Down,
        Link::Up(on) if on != run => {
            world.instances[instance].link = Link::Down;
            world.instances[instance].learning = false;
        }
        Link::Up(_) => return false,
    }
    true
}

/// One transaction: the epoch that goes with this server, a new one if another server was named last.
fn reconcile(scenario: &Scenario, world: &mut World, instance: usize, server: u8) {
    if world.database.server != server && scenario.has(Guard::RestartIsNoticed) {
        world.database.epoch += 1;
    }
    world.database.server = server;
    if !scenario.has(Guard::EpochFromDatabase) {
        return;
    }
    let epoch = world.database.epoch;
    adopt(scenario, world, instance, epoch);
    // All debts are in the database. From here on they have reached this instance.
    for debtor in world.instances {
        raise(&mut world.instances[instance].floor, debtor.debt);
        raise(&mut world.instances[instance].memory_floor, debtor.debt);
    }
}

/// The script that makes both, Redis and the instance, know the larger epoch of the two.
fn agree(scenario: &Scenario, world: &mut World, instance: usize) {
    if scenario.has(Guard::EpochIsPublished) {
        world.redis.epoch = world.redis.epoch.max(world.instances[instance].epoch);
    }
    let (known, debt) = (world.redis.epoch, world.instances[instance].debt);
    raise(&mut world.published, debt);
    if !scenario.has(Guard::EpochFromDatabase) {
        adopt(scenario, world, instance, known);
    } else if known > world.instances[instance].epoch && scenario.has(Guard::EpochIsLearned) {
        world.instances[instance].learning = true;
        return;
    }
    let published = world.published;
    raise(&mut world.instances[instance].floor, published);
    raise(&mut world.instances[instance].memory_floor, published);
}

pub(crate) fn beat(scenario: &Scenario, world: &mut World, instance: usize) -> bool {
    let may = lives(world, instance) && !world.instances[instance].learning;
    if may {
        agree(scenario, world, instance);
    }
    may
}

/// Redis knows a newer epoch: the database is asked, whose word counts.
pub(crate) fn learn(scenario: &Scenario, world: &mut World, instance: usize) -> bool {
    let (true, Link::Up(run)) = (world.instances[instance].learning, world.instances[instance].link) else {
        return false;
    };
    reconcile(scenario, world, instance, run);
    world.instances[instance].learning = false;
    true
}

/// The beat of the memory's lease: written on the connection of the commands, and seen on that of the pushes.
pub(crate) fn beat_memory(scenario: &Scenario, world: &mut World, instance: usize) -> bool {
    if !(scenario.memory && scenario.shared && lives(world, instance)) || world.instances[instance].beat.is_some() {
        return false;
    }
    let beating = &mut world.instances[instance];
    beating.beat = Some(beating.floor);
    if scenario.has(Guard::BeatIsPushed) {
        server::push_to(scenario, beating, Push::Beat);
        if !beating.pushes.contains(&Some(Push::Beat)) {
            beating.beat = None;
        }
    } else {
        renew(scenario, beating);
    }
    true
}

/// From the time that the beat was sent: what was acknowledged by then has been heard of.
fn renew(scenario: &Scenario, instance: &mut Instance) {
    let Some(sent) = instance.beat.take() else { return };
    instance.leased = true;
    let covers = if scenario.has(Guard::LeaseFromSending) { sent } else { instance.floor };
    raise(&mut instance.memory_floor, covers);
}

/// The invalidation loop takes one push.
pub(crate) fn hear(scenario: &Scenario, world: &mut World, instance: usize) -> bool {
    let hearing = &mut world.instances[instance];
    let (Tracking::On, Some(push)) = (hearing.tracking, hearing.pushes[0]) else { return false };
    hearing.pushes.copy_within(1.., 0);
    hearing.pushes[QUEUE - 1] = None;
    match push {
        Push::Key => forget_product(scenario, world, instance),
        Push::Generation => forget_collection(scenario, world, instance),
        Push::Beat => renew(scenario, hearing),
        Push::Gap if scenario.has(Guard::GapEmptiesMemory) => forget_after_gap(scenario, world, instance),
        Push::Gap => {}
    }
    true
}

/// The connection of the pushes again: first track, then forget, then listen.
pub(crate) fn track(scenario: &Scenario, world: &mut World, instance: usize) -> bool {
    let forgets = scenario.has(Guard::GapEmptiesMemory);
    let early = !scenario.has(Guard::TrackThenForget);
    match world.instances[instance].tracking {
        Tracking::Broken => {
            if early {
                forget_after_gap(scenario, world, instance);
            }
            world.instances[instance].tracking = Tracking::Resuming;
        }
        Tracking::Resuming => {
            if forgets && !early {
                forget_after_gap(scenario, world, instance);
            }
            world.instances[instance].tracking = Tracking::On;
        }
        Tracking::On => return false,
    }
    true
}

fn forget_after_gap(scenario: &Scenario, world: &mut World, instance: usize) {
    match scenario.has(Guard::GapMovesStamps) {
        true => forget_all(scenario, world, instance),
        false => world.instances[instance].kept = [None; 2],
    }
}

pub(crate) fn break_tracking(world: &mut World, instance: usize) {
    let instance = &mut world.instances[instance];
    instance.tracking = Tracking::Broken;
    instance.pushes = [None; QUEUE];
    instance.beat = None;
}

/// A lease's life passes in which nothing else happens: what was acknowledged before it must show from now on.
pub(crate) fn be_silent(instance: &mut Instance) {
    instance.leased = false;
    instance.beat = None;
    // One that comes back now is too old to renew anything.
    let kept: Vec<_> = instance.pushes.into_iter().filter(|push| *push != Some(Push::Beat)).collect();
    instance.pushes = std::array::from_fn(|place| kept.get(place).copied().flatten());
    let all = instance.floor;
    raise(&mut instance.memory_floor, all);
}

/// Copies in memory that depend on the collection live no longer than a generation does, counted from their stamp.
pub(crate) fn outlive(scenario: &Scenario, world: &mut World, instance: usize) {
    if scenario.shared && scenario.memory && scenario.has(Guard::DependentsEnd) {
        forget_collection(scenario, world, instance);
    }
}

/// Killed and started again.
pub(crate) fn crash(scenario: &Scenario, world: &mut World, instance: usize) {
    (0..scenario.writers.len()).filter(|w| scenario.writers[*w].0 == instance).for_each(|w| {
        writer::die(scenario, world, w);
    });
    (0..scenario.readers.len()).filter(|r| scenario.readers[*r].0 == instance).for_each(|r| {
        reader::quit(&mut world.readers[r]);
    });
    break_tracking(world, instance);
    let dead = world.instances[instance];
    world.instances[instance] =
        Instance { link: Link::Down, epoch: 0, learning: false, kept: [None; 2], leased: false, ..dead };
}

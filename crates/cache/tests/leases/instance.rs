//! What an instance does besides writing: its beats, what it hears, its link, and its loads.

use crate::guard::Guard;
use crate::world::*;

/// The oldest version that it may answer with now without asking the database.
pub(crate) fn serves(scenario: &Scenario, world: &World, number: usize) -> Option<u8> {
    let instance = &world.instances[number];
    let leased = instance.memory_lease > 0 || !scenario.has(Guard::MemoryNeedsLease);
    let in_memory = instance.kept.filter(|_| leased);
    in_memory.into_iter().chain(in_redis(scenario, world, number)).min()
}

fn in_redis(scenario: &Scenario, world: &World, number: usize) -> Option<u8> {
    let instance = &world.instances[number];
    let leased = instance.redis_lease > 0 || !scenario.has(Guard::RedisNeedsLease);
    let (Link::Up(server), true) = (instance.link, leased) else { return None };
    let server = &world.servers[usize::from(server)];
    match server.key {
        Key::Value { version, epoch, generation } if epoch == instance.epoch && generation == server.generation => {
            Some(version)
        }
        _ => None,
    }
}

fn adopt(world: &mut World, number: usize, epoch: u8) {
    let instance = &mut world.instances[number];
    if epoch > instance.epoch {
        instance.epoch = epoch;
        forget(instance);
    }
}

pub(crate) fn forget(instance: &mut Instance) {
    instance.kept = None;
    instance.load.iter_mut().for_each(|load| load.stamped = false);
}

/// Both leases are over, and none comes back that was asked for before.
pub(crate) fn suspend(scenario: &Scenario, instance: &mut Instance) {
    (instance.redis_lease, instance.memory_lease) = (0, 0);
    if scenario.has(Guard::TermsEnd) {
        instance.beating.iter_mut().for_each(|beating| beating.in_term = false);
        instance.returning.iter_mut().for_each(|in_term| *in_term = false);
    }
}

/// The epoch that its row shows.
pub(crate) fn noted(scenario: &Scenario, world: &World, number: usize) -> u8 {
    let instance = &world.instances[number];
    let newest = if scenario.has(Guard::NotedWhenAdopted) { instance.epoch } else { world.database.epoch };
    let uncommitted = number == WRITING && is_uncommitted(world);
    match uncommitted && scenario.has(Guard::NotedWhenCommitted) {
        true => newest.min(world.writer.epoch),
        false => newest,
    }
}

/// A fence may have been set for what is not committed yet.
fn is_uncommitted(world: &World) -> bool {
    (Writing::Fence..=Writing::Commit).contains(&world.writer.phase)
}

/// The first half of a beat: stores the row.
pub(crate) fn beat(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let instance = world.instances[number];
    if !matches!(instance.link, Link::Up(_)) || instance.beating.is_some() || instance.beat >= scenario.beats[number] {
        return false;
    }
    let is_revoking = number == WRITING && world.writer.revokes;
    let serves = !instance.suspended && !is_revoking;
    let memory = serves && instance.hears.is_some() && instance.returning.is_none();
    world.instances[number].beat += 1;
    world.instances[number].beating = Some(Beating { redis: serves, memory, in_term: true });
    match scenario.has(Guard::RowComesFirst) {
        true => store(scenario, world, number),
        false => drop(view(scenario, world, number)),
    }
    true
}

fn store(scenario: &Scenario, world: &mut World, number: usize) {
    let (instance, epoch) = (world.instances[number], noted(scenario, world, number));
    let asks = instance.beating.map_or((false, false), |beating| (beating.redis, beating.memory));
    let before = world.database.rows[number].unwrap_or_default();
    let kept_memory = if instance.hears.is_some() && asks.0 { before.memory } else { 0 };
    world.database.rows[number] = Some(Row {
        epoch,
        redis: if asks.0 { instance.beat } else { 0 },
        memory: if asks.1 { instance.beat } else { kept_memory },
        revokes: number == WRITING && world.writer.revokes,
    });
}

/// What the beat reads. `false`: the link is of no use any more.
fn view(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let Link::Up(server) = world.instances[number].link else { return false };
    if world.database.server != server {
        go_down(scenario, world, number);
        return false;
    }
    if scenario.has(Guard::AdoptedBeforeRenewal) {
        let epoch = world.database.epoch;
        adopt(world, number, epoch);
    }
    let revoked = world.database.rows[1 - number].is_some_and(|row| row.revokes);
    let instance = &mut world.instances[number];
    if revoked {
        suspend(scenario, instance);
    }
    instance.suspended = revoked;
    true
}

/// The second half: reads the database, and takes the leases.
pub(crate) fn answer(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let Some(_) = world.instances[number].beating else { return false };
    let in_use = match scenario.has(Guard::RowComesFirst) {
        true => view(scenario, world, number),
        false => {
            store(scenario, world, number);
            matches!(world.instances[number].link, Link::Up(_))
        }
    };
    let instance = &mut world.instances[number];
    let Some(beating) = instance.beating.take() else { return true };
    if !in_use || instance.suspended {
        return true;
    }
    let (Link::Up(server), number_of_beat) = (instance.link, instance.beat) else { return true };
    let lasts = number_of_beat > instance.expired;
    if beating.redis && beating.in_term && lasts {
        instance.redis_lease = number_of_beat;
    }
    if beating.memory && scenario.has(Guard::RenewedByPush) {
        if instance.hears == Some(server) {
            instance.returning = Some(beating.in_term);
            return world.push(server, Some(number), Push::Beat(number_of_beat));
        }
    } else if beating.memory && beating.in_term && lasts {
        instance.memory_lease = number_of_beat;
    }
    true
}

/// Takes a push.
pub(crate) fn hear(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let instance = &mut world.instances[number];
    let Some(push) = instance.pushes[0] else { return false };
    instance.pushes.copy_within(1.., 0);
    instance.pushes[QUEUE - 1] = None;
    match push {
        Push::Change => forget(instance),
        Push::Barrier => world.writer.confirmed |= scenario.has(Guard::ConfirmedWhenApplied) && number == OTHER,
        Push::Beat(beat) => {
            let in_term = instance.returning.take().unwrap_or(false);
            if in_term && beat > instance.expired {
                instance.memory_lease = beat;
            }
        }
    }
    true
}

/// Time passes: the leases that the beats up to this one asked for are over.
pub(crate) fn expire(instance: &mut Instance, beat: u8) -> bool {
    if beat <= instance.expired || beat > instance.beat {
        return false;
    }
    instance.expired = beat;
    for lease in [&mut instance.redis_lease, &mut instance.memory_lease] {
        *lease = if *lease <= beat { 0 } else { *lease };
    }
    true
}

pub(crate) fn go_down(scenario: &Scenario, world: &mut World, number: usize) {
    let instance = &mut world.instances[number];
    instance.link = Link::Down;
    instance.beating = None;
    if scenario.has(Guard::WithdrawnWithLeases) {
        suspend(scenario, instance);
    }
}

/// Without a link, it gives up its row.
pub(crate) fn withdraw(world: &mut World, number: usize) -> bool {
    let without = world.instances[number].link == Link::Down && world.database.rows[number].is_some();
    let revokes = number == WRITING && world.writer.revokes;
    if without && !revokes {
        world.database.rows[number] = None;
    }
    without && !revokes
}

/// Towards a link to that server.
pub(crate) fn connect(scenario: &Scenario, world: &mut World, number: usize, server: u8) -> bool {
    match world.instances[number].link {
        Link::Down => {
            if world.database.server != server {
                if world.left.switches == 0 {
                    return false;
                }
                world.left.switches -= 1;
                world.database.server = server;
                world.database.epoch += 1;
            }
            let epoch = world.database.epoch;
            adopt(world, number, epoch);
            world.instances[number].link = Link::Opening(server);
        }
        Link::Opening(to) if to == server => {
            let other = world.instances[1 - number];
            let epoch = world.instances[number].epoch;
            // Beyond the bounds: a commit that takes longer than a lease lasts.
            let commits = number == OTHER && is_uncommitted(world);
            let blocks = |row: Row| row.epoch < epoch && (commits || other.expired < row.redis.max(row.memory));
            if world.database.rows[1 - number].is_some_and(blocks) && scenario.has(Guard::OpensWhenNoted) {
                return false;
            }
            world.instances[number].link = Link::Up(server);
        }
        Link::Opening(_) | Link::Up(_) => return false,
    }
    true
}

/// The connection of the pushes, to the server that the link leads to: everything before is forgotten.
pub(crate) fn listen(world: &mut World, number: usize) -> bool {
    let instance = &mut world.instances[number];
    let (None, Link::Up(server)) = (instance.hears, instance.link) else { return false };
    forget(instance);
    instance.hears = Some(server);
    true
}

/// It is lost, or leads to where the link does not lead any more.
pub(crate) fn stop_listening(world: &mut World, number: usize) {
    let instance = &mut world.instances[number];
    instance.hears = None;
    instance.pushes = [None; QUEUE];
    instance.returning = None;
    instance.memory_lease = 0;
    instance.beating.iter_mut().for_each(|beating| beating.memory = false);
    forget(instance);
}

/// A load goes on by a step: looks at Redis, reads the database, fills Redis, fills memory.
pub(crate) fn load(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let Some(load) = world.instances[number].load else { return look(scenario, world, number) };
    let Some(version) = load.found else {
        world.instances[number].load = Some(Load { found: Some(world.database.version), ..load });
        return true;
    };
    if !load.stands {
        let server = &mut world.servers[usize::from(load.server)];
        let takes = world.instances[number].link == Link::Up(load.server) && server.key == load.expected;
        if takes {
            server.key = Key::Value { version, epoch: load.epoch, generation: load.generation };
        }
        world.instances[number].load = takes.then_some(Load { stands: true, ..load });
        return true;
    }
    let instance = &mut world.instances[number];
    if load.stamped {
        instance.kept = Some(version);
    }
    instance.load = None;
    true
}

fn look(scenario: &Scenario, world: &mut World, number: usize) -> bool {
    let instance = world.instances[number];
    let (Link::Up(server), true) = (instance.link, instance.loads_left > 0 && instance.redis_lease > 0) else {
        return false;
    };
    let hit = in_redis(scenario, world, number);
    let held = &mut world.servers[usize::from(server)];
    let generation = held.generation;
    let expected = match held.key {
        Key::Absent => {
            held.key = Key::Lease(number as u8);
            held.key
        }
        Key::Value { .. } => held.key,
        // Somebody else loads or writes it: the answer is kept nowhere.
        Key::Lease(_) | Key::Fence => return false,
    };
    let found =
        Load { server, expected, epoch: instance.epoch, generation, found: hit, stands: hit.is_some(), stamped: true };
    let instance = &mut world.instances[number];
    instance.loads_left -= 1;
    instance.load = Some(found);
    true
}

pub(crate) fn adopt_own(world: &mut World, epoch: u8) {
    adopt(world, WRITING, epoch);
}

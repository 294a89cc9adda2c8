//! The write, step by step.

use crate::guard::Guard;
use crate::instance::{adopt_own, forget, noted, suspend};
use crate::world::*;

pub(crate) fn step(scenario: &Scenario, world: &mut World) -> bool {
    let writer = world.writer;
    world.writer.phase = match writer.phase {
        Writing::Idle => begin(scenario, world),
        Writing::Fence => fence(scenario, world),
        Writing::AskBefore => ask(scenario, world, Writing::LookBefore),
        Writing::LookBefore => match look(scenario, world) {
            true => Writing::WaitBefore,
            false => without_redis(scenario),
        },
        Writing::WaitBefore if waits_for_memory(scenario, world) => return false,
        Writing::WaitBefore => Writing::Commit,
        Writing::Commit => {
            world.database.version = 1;
            if scenario.has(Guard::LooksAfterRelease) { Writing::Release } else { Writing::LookEarly }
        }
        Writing::LookEarly => {
            let _ = look(scenario, world);
            world.writer.early = Some(world.writer.blocker);
            Writing::Release
        }
        Writing::Revoke => revoke(scenario, world),
        Writing::LookRevoked => {
            world.writer.blocker = leases(world, |_| true);
            Writing::WaitRevoked
        }
        Writing::WaitRevoked if waits_for_leases(scenario, world, |_| true) => return false,
        Writing::WaitRevoked => Writing::CommitWithEpoch,
        Writing::CommitWithEpoch => {
            world.database.version = 1;
            open_epoch(world)
        }
        Writing::Release => return release(scenario, world),
        Writing::AskAfter => ask(scenario, world, Writing::LookAfter),
        Writing::LookAfter => look_after(scenario, world),
        Writing::WaitAfter if waits_for_memory(scenario, world) => return false,
        Writing::WaitAfter => Writing::Acknowledged,
        Writing::Advance => open_epoch(world),
        Writing::LookForEpoch => {
            let opened = writer.opened;
            world.writer.blocker = leases(world, |row| row.epoch < opened);
            if scenario.has(Guard::WaitsForEpoch) { Writing::WaitForEpoch } else { Writing::Acknowledged }
        }
        Writing::WaitForEpoch if waits_for_leases(scenario, world, |row| row.epoch < writer.opened) => return false,
        Writing::WaitForEpoch => Writing::Acknowledged,
        Writing::Acknowledged => return false,
    };
    if world.writer.phase == Writing::Acknowledged {
        world.writer.revokes = false;
    }
    true
}

fn without_redis(scenario: &Scenario) -> Writing {
    if scenario.has(Guard::RevokesBeforeCommit) { Writing::Revoke } else { Writing::CommitWithEpoch }
}

fn begin(scenario: &Scenario, world: &mut World) -> Writing {
    world.writer.epoch = world.instances[WRITING].epoch;
    match world.instances[WRITING].link {
        Link::Up(server) => {
            world.writer.server = server;
            Writing::Fence
        }
        _ => without_redis(scenario),
    }
}

/// Whether a command of the write is answered.
fn is_linked(world: &World) -> bool {
    world.instances[WRITING].link == Link::Up(world.writer.server)
}

fn fence(scenario: &Scenario, world: &mut World) -> Writing {
    if !is_linked(world) {
        return without_redis(scenario);
    }
    let number = world.writer.server;
    if scenario.page {
        let next = world.draw();
        world.servers[usize::from(number)].generation = next;
    } else {
        world.servers[usize::from(number)].key = Key::Fence;
        if scenario.has(Guard::OwnMemoryIsFenced) {
            forget(&mut world.instances[WRITING]);
        }
    }
    world.push(number, None, Push::Change);
    let waits = !scenario.page && scenario.has(Guard::WaitsBeforeCommit);
    if waits { Writing::AskBefore } else { Writing::Commit }
}

/// A command that fails is as one that is never answered: nobody confirms.
fn ask(scenario: &Scenario, world: &mut World, next: Writing) -> Writing {
    world.writer.confirmed = false;
    if is_linked(world) {
        let server = world.writer.server;
        world.push(server, Some(OTHER), Push::Barrier);
        let heard = world.instances[OTHER].hears == Some(server);
        world.writer.confirmed = heard && !scenario.has(Guard::ConfirmedWhenApplied);
    }
    next
}

/// Who has to confirm. `false`: the others are on another server.
fn look(scenario: &Scenario, world: &mut World) -> bool {
    let all = leases(world, |_| true);
    world.writer.blocker = Blocker { redis: 0, memory: all.memory };
    world.database.server == world.writer.server || !scenario.has(Guard::ServerIsCompared)
}

fn leases(world: &World, such: impl Fn(Row) -> bool) -> Blocker {
    let row = world.database.rows[OTHER].filter(|row| such(*row));
    row.map_or(Blocker::default(), |row| Blocker { redis: row.redis, memory: row.memory })
}

/// Whether the lease of that beat may still hold, as far as the writer knows.
fn may_hold(scenario: &Scenario, world: &World, beat: u8) -> bool {
    beat > 0 && scenario.has(Guard::LapseOutlastsLease) && world.instances[OTHER].expired < beat
}

fn waits_for_memory(scenario: &Scenario, world: &World) -> bool {
    let given_up = world.database.rows[OTHER].is_none_or(|row| row.memory == 0);
    !world.writer.confirmed && !given_up && may_hold(scenario, world, world.writer.blocker.memory)
}

fn waits_for_leases(scenario: &Scenario, world: &World, such: impl Fn(Row) -> bool) -> bool {
    let Blocker { redis, memory } = world.writer.blocker;
    let Blocker { redis: now, memory: now_memory } = leases(world, such);
    let given_up = now == 0 && now_memory == 0;
    !given_up && may_hold(scenario, world, redis.max(memory))
}

fn revoke(scenario: &Scenario, world: &mut World) -> Writing {
    world.writer.revokes = true;
    suspend(scenario, &mut world.instances[WRITING]);
    let linked = matches!(world.instances[WRITING].link, Link::Up(_));
    let epoch = if linked { noted(scenario, world, WRITING) } else { u8::MAX };
    world.database.rows[WRITING] = Some(Row { epoch, redis: 0, memory: 0, revokes: true });
    Writing::LookRevoked
}

fn open_epoch(world: &mut World) -> Writing {
    world.database.epoch += 1;
    let opened = world.database.epoch;
    world.writer.opened = opened;
    adopt_own(world, opened);
    Writing::LookForEpoch
}

fn release(scenario: &Scenario, world: &mut World) -> bool {
    if !is_linked(world) {
        world.writer.phase = Writing::Advance;
        return true;
    }
    let number = world.writer.server;
    let mut told = true;
    if scenario.page {
        let next = world.draw();
        world.servers[usize::from(number)].generation = next;
        told = world.push(number, None, Push::Change);
        forget(&mut world.instances[WRITING]);
    } else {
        world.servers[usize::from(number)].key = Key::Absent;
    }
    let waits = scenario.has(Guard::WaitsAfterRelease);
    world.writer.phase = if waits { Writing::AskAfter } else { Writing::LookAfter };
    told
}

fn look_after(scenario: &Scenario, world: &mut World) -> Writing {
    let same = look(scenario, world);
    if let Some(early) = world.writer.early {
        world.writer.blocker = early;
    }
    match (same, scenario.has(Guard::WaitsAfterRelease)) {
        (false, _) => Writing::Advance,
        (true, true) => Writing::WaitAfter,
        (true, false) => Writing::Acknowledged,
    }
}

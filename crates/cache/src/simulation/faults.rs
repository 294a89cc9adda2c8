//! What goes wrong in a schedule.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use super::describe::Describe;
use super::process::Process;
use super::random;
use super::schedule::{Plan, Running};
use super::world::World;

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// One process loses its connections, and gets none for some time.
    CutOff,
    ConnectionLost,
    /// Memory loses its connection for pushes: some may be lost.
    PushesLost,
    PushesPause,
    /// Pushes come, but late.
    PushesLag,
    /// Nothing arrives for some time, then all of it.
    Stall,
    /// The process does not run for some time.
    Freeze,
    RedisHangs,
    RedisRestartsEmpty,
    RedisRestartsOld,
    Flushall,
    Evicted,
    /// Somebody who can write to Redis copies a value to another key.
    ValueMoved,
    /// Somebody who can write to Redis removes the lease or fence of an entry that Redis does not keep, and puts it
    /// back some time later.
    PutBack,
    /// A generation ends that a reader has proposed.
    GenerationEnds,
    DatabaseDown,
    Crash,
}

pub(super) const FAULTS: [Fault; 17] = [
    Fault::CutOff,
    Fault::ConnectionLost,
    Fault::PushesLost,
    Fault::PushesPause,
    Fault::PushesLag,
    Fault::Stall,
    Fault::Freeze,
    Fault::RedisHangs,
    Fault::RedisRestartsEmpty,
    Fault::RedisRestartsOld,
    Fault::Flushall,
    Fault::Evicted,
    Fault::ValueMoved,
    Fault::PutBack,
    Fault::GenerationEnds,
    Fault::DatabaseDown,
    Fault::Crash,
];

/// As many faults as planned, some time after each other, with snapshots in between.
pub(super) async fn strike(world: Arc<World>, running: Running, plan: Plan) {
    for _ in 0..plan.faults {
        sleep(random::up_to(if random::one_in(3) { 1_000 } else { 60 }) * plan.pace).await;
        if random::one_in(2) {
            world.server.lock().save_snapshot();
        }
        let fault = random::pick(&plan.kinds);
        let place = random::below(plan.processes as u64) as usize;
        let process = running.process(place);
        world.note(|| format!("FAULT {fault:?} at {}", process.host.name()));
        befall(fault, &world, &process, &running).await;
        if matches!(fault, Fault::Crash) {
            process.host.die();
            sleep(random::up_to(600)).await;
            running.replace(place).await;
        }
    }
}

async fn befall(fault: Fault, world: &Arc<World>, process: &Process, running: &Running) {
    let host = &process.host;
    match fault {
        Fault::CutOff => {
            put_off(&mut host.network.lock().refused_until);
            host.cut(false);
            host.cut(true);
        }
        Fault::ConnectionLost => host.cut(false),
        Fault::PushesLost => host.cut(true),
        Fault::PushesPause => put_off(&mut host.network.lock().disconnected_until),
        Fault::PushesLag => host.network.lock().push_lag = random::up_to(2_000),
        Fault::Stall => put_off(&mut host.network.lock().stalled_until),
        Fault::Freeze => put_off(&mut host.frozen_until.lock()),
        Fault::RedisHangs => put_off(&mut world.server.lock().hangs_until),
        Fault::RedisRestartsEmpty => restart(world, running, false).await,
        Fault::RedisRestartsOld => restart(world, running, true).await,
        Fault::Flushall => world.server.lock().flush(),
        Fault::Evicted => world.server.lock().evict(),
        Fault::ValueMoved => {
            if let Some((value, name)) = world.server.lock().move_value() {
                world.note(|| format!("somebody copies {} to {name}", value.describe()));
            }
        }
        Fault::PutBack => {
            let taken = take_away(world).await;
            let away = if random::below(2) == 0 { 100 } else { 1_500 };
            sleep(random::up_to(away)).await;
            taken.into_iter().for_each(|(name, held)| world.server.lock().put_back(&name, held));
        }
        Fault::GenerationEnds => world.server.lock().end_generation(),
        Fault::DatabaseDown => put_off(&mut world.database.lock().down_until),
        Fault::Crash => {}
    }
}

/// Waits for a fence, because fences stand for a short time only; takes a lease if none comes.
async fn take_away(world: &World) -> Option<(String, Bytes)> {
    for _ in 0..500 {
        let taken = world.server.lock().take_away(|held| held.starts_with(b"F"));
        if taken.is_some() {
            return taken;
        }
        sleep(Duration::from_millis(1)).await;
    }
    world.server.lock().take_away(|_| true)
}

/// It lasts for a while from now, or for as long as it would have.
fn put_off(end: &mut Instant) {
    let lasts = match random::below(40) {
        0 => random::up_to(35_000),
        1..=9 => random::up_to(3_000),
        10..=24 => random::up_to(500),
        _ => random::up_to(50),
    };
    *end = (*end).max(Instant::now() + lasts);
}

/// Who was connected notices at once, or some time later.
async fn restart(world: &Arc<World>, running: &Running, from_snapshot: bool) {
    world.server.lock().stop();
    for process in running.processes() {
        let noticed = random::delay();
        tokio::spawn(async move {
            sleep(noticed).await;
            process.host.cut(false);
            process.host.cut(true);
        });
    }
    sleep(if random::one_in(2) { random::up_to(20) } else { random::up_to(800) }).await;
    world.server.lock().restart(from_snapshot);
}

/// Returns when all is well again.
pub(super) async fn over(world: &World, running: &Running) {
    random::calm(true);
    let mut ends = vec![world.server.lock().hangs_until, world.database.lock().down_until];
    for process in running.processes() {
        let mut network = process.host.network.lock();
        network.push_lag = Duration::ZERO;
        ends.extend([network.stalled_until, network.disconnected_until, network.refused_until]);
        ends.push(*process.host.frozen_until.lock());
    }
    for end in ends {
        sleep_until(end).await;
    }
}

/// Longer than anything goes on by itself: a fence, the generation of a writer that has died, a reader that waits.
pub(super) const REST: Duration = Duration::from_secs(40);
/// Long enough for connections to come back and for heartbeats to tell of each epoch.
pub(super) const SHORT_REST: Duration = Duration::from_secs(4);

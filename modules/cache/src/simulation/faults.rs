//! What goes wrong in a schedule.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::dice;
use super::process::Process;
use super::schedule::{Plan, Running};
use super::world::World;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// One process loses its connections, and gets none for some time.
    CutOff,
    ConnectionLost,
    /// Memory loses its connection for pushes: some may be lost.
    PushesLost,
    PushesPause,
    /// Nothing arrives for some time, then all of it.
    Stall,
    RedisHangs,
    RedisRestartsEmpty,
    RedisRestartsOld,
    Flushall,
    Evicted,
    DatabaseDown,
    Crash,
}

const FAULTS: [Fault; 12] = [
    Fault::CutOff,
    Fault::ConnectionLost,
    Fault::PushesLost,
    Fault::PushesPause,
    Fault::Stall,
    Fault::RedisHangs,
    Fault::RedisRestartsEmpty,
    Fault::RedisRestartsOld,
    Fault::Flushall,
    Fault::Evicted,
    Fault::DatabaseDown,
    Fault::Crash,
];

/// As many faults as planned, some time after each other, with snapshots in between.
pub(super) async fn strike(world: Arc<World>, running: Running, plan: Plan) {
    for _ in 0..plan.faults {
        sleep(dice::up_to(if dice::one_in(3) { 1_500 } else { 60 })).await;
        if dice::one_in(3) {
            world.server.lock().save_snapshot();
        }
        let fault = dice::pick(&FAULTS);
        let place = dice::below(plan.processes as u64) as usize;
        let process = running.process(place);
        world.note(|| format!("FAULT {fault:?} at {}", process.host.name()));
        befall(fault, &world, &process, &running).await;
        if matches!(fault, Fault::Crash) {
            process.host.die();
            sleep(dice::up_to(600)).await;
            running.replace(place).await;
        }
    }
}

async fn befall(fault: Fault, world: &Arc<World>, process: &Process, running: &Running) {
    let (host, now) = (&process.host, Instant::now());
    match fault {
        Fault::CutOff => {
            host.network.lock().refused_until = now + dice::up_to(1_500);
            host.cut(false);
            host.cut(true);
        }
        Fault::ConnectionLost => host.cut(false),
        Fault::PushesLost => host.cut(true),
        Fault::PushesPause => host.network.lock().deaf_until = now + dice::up_to(2_000),
        Fault::Stall => host.network.lock().stalled_until = now + dice::up_to(700),
        Fault::RedisHangs => world.server.lock().hangs_until = now + dice::up_to(700),
        Fault::RedisRestartsEmpty => restart(world, running, false).await,
        Fault::RedisRestartsOld => restart(world, running, true).await,
        Fault::Flushall => world.server.lock().flush(),
        Fault::Evicted => world.server.lock().evict(),
        Fault::DatabaseDown => world.database.lock().down_until = now + dice::up_to(400),
        Fault::Crash => {}
    }
}

/// Who was connected notices at once, or some time later.
async fn restart(world: &Arc<World>, running: &Running, from_snapshot: bool) {
    world.server.lock().stop();
    for process in running.processes() {
        let noticed = dice::delay();
        tokio::spawn(async move {
            sleep(noticed).await;
            process.host.cut(false);
            process.host.cut(true);
        });
    }
    sleep(if dice::one_in(2) { dice::up_to(20) } else { dice::up_to(800) }).await;
    world.server.lock().restart(from_snapshot);
}

/// All is well again.
pub(super) fn heal(world: &World, running: &Running) {
    dice::calm(true);
    let now = Instant::now();
    world.server.lock().hangs_until = now;
    world.database.lock().down_until = now;
    for process in running.processes() {
        let mut network = process.host.network.lock();
        (network.stalled_until, network.deaf_until, network.refused_until) = (now, now, now);
    }
}

/// Longer than anything goes on by itself: a fence, the generation of a writer that has died, a reader that waits.
pub(super) const REST: Duration = Duration::from_secs(40);
/// Long enough for connections to come back and for beats to tell of each epoch.
pub(super) const SHORT_REST: Duration = Duration::from_secs(4);

//! The promise, as invariants of every state.

use crate::instance::{lives, serves};
use crate::scenario::Scenario;
use crate::world::*;

/// No read that went its whole way, or waited for another one's, has returned what was there before.
pub(crate) fn reads_are_fresh(_: &Scenario, world: &World) -> bool {
    !world.stale
}

/// No instance would take from Redis now what was there before a write that has been acknowledged to it.
pub(crate) fn redis_is_fresh(scenario: &Scenario, world: &World) -> bool {
    (0..scenario.instances()).filter(|instance| lives(world, *instance)).all(|instance| {
        [Cell::Product, Cell::Page].into_iter().all(|cell| {
            let counts = |copy: &Copy| {
                let depends = scenario.depends(cell, copy.exists);
                let current = !depends || copy.generation == world.redis.generation.id;
                let epoch = copy.epoch == world.instances[instance].epoch;
                current && (epoch || !scenario.has(crate::guard::Guard::EpochCounts))
            };
            match &world.redis.entries[cell as usize] {
                Entry::Value(copy) if counts(copy) => copy.version >= world.instances[instance].floor[cell as usize],
                _ => true,
            }
        })
    })
}

/// No instance would answer now from memory with what was there before a write that it acknowledged itself, or that
/// another one acknowledged longer ago than the memory's lease lasts.
pub(crate) fn memory_is_fresh(scenario: &Scenario, world: &World) -> bool {
    world.instances.iter().take(scenario.instances()).all(|instance| {
        [Cell::Product, Cell::Page].into_iter().all(|cell| {
            let kept = instance.kept[cell as usize].filter(|_| serves(scenario, instance, cell));
            kept.is_none_or(|kept| kept.version >= instance.memory_floor[cell as usize])
        })
    })
}

/// That the search gets anywhere: all faults have happened, all writes that are left have been acknowledged, and a copy
/// of the newest value is served again.
pub(crate) fn recovers(_: &Scenario, world: &World) -> bool {
    let over = world.left == Faults::default() && world.writers.iter().all(|writer| writer.phase >= Writing::Done);
    let newest = |cell: usize| {
        let version = world.database.versions[cell];
        let counts = |copy: &Copy| copy.version == version && copy.epoch == world.instances[0].epoch;
        version > 0 && matches!(&world.redis.entries[cell], Entry::Value(copy) if counts(copy))
    };
    over && lives(world, 0) && (newest(0) || newest(1))
}

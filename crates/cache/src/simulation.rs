//! The engine in a simulated world: whole caches, one or two processes of them, on a simulated clock, network, Redis
//! and database. A seed says what happens when: every step anybody takes takes a time that the dice say, so that each
//! seed is another interleaving of misses, fills, refreshes, writes, crashes and losses, and the same seed always the
//! same one.
//!
//! - `HOTSHELF_SEED=7 cargo test -p hotshelf-cache --lib simulation -- --nocapture` replays one and prints its trace.
//! - `HOTSHELF_LONG=1` runs a million of them.
//! - `HOTSHELF_DEFECT=FillDoesNotCompare cargo test -p hotshelf-cache --lib each_defect -- --nocapture` looks for a
//!   seed that finds that one out.
//!
//! What holds in each: a read brings nothing that is older than the newest write that was acknowledged before it began,
//! but for the exceptions of `docs/consistency/promise.md`; and at rest, no tier holds anything older than the database
//! does.
//!
//! The simulated server is known to be like Redis by `contract`. What is not simulated: moka drops entries by the real
//! clock (it never gets to, and the entries' own ends are on the simulated one); keys of other types than strings; a
//! server that becomes a replica; a push that is lost without its connection.

mod contract;
mod database;
mod describe;
mod faults;
mod host;
mod process;
mod random;
mod schedule;
mod store;
mod wire;
mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// What a protocol that is not kept does. Each must be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    FillDoesNotCompare,
    FenceDoesNotStand,
    ReleaseSparesWhatStands,
    OvertakenWriterLeavesItsValue,
    GenerationsStay,
    GenerationsOfWritersAreRenewed,
    PushesGetLost,
    ServersAreAlike,
    UncoveredWritesKeepTheEpoch,
    SealsAreNotChecked,
    EndsAreToldOnce,
    LeasesOnRedisAreNotTold,
    LeasesOnMemoryAreNotTold,
}

/// With a seed from which it is not far to one that finds it out.
const DEFECTS: [(Defect, u64); 13] = [
    (Defect::FillDoesNotCompare, 1_650),
    (Defect::FenceDoesNotStand, 3_060),
    (Defect::ReleaseSparesWhatStands, 140),
    (Defect::OvertakenWriterLeavesItsValue, 3_980),
    (Defect::GenerationsStay, 0),
    (Defect::GenerationsOfWritersAreRenewed, 1_200),
    (Defect::PushesGetLost, 0),
    (Defect::ServersAreAlike, 4_230),
    (Defect::UncoveredWritesKeepTheEpoch, 200),
    (Defect::SealsAreNotChecked, 220),
    (Defect::EndsAreToldOnce, 3_520),
    (Defect::LeasesOnRedisAreNotTold, 2_320),
    (Defect::LeasesOnMemoryAreNotTold, 790),
];

/// The first of so many seeds, from `first`, whose schedule breaks the promise; all of them are run by all cores.
fn first_violation(first: u64, count: u64, defect: Option<Defect>) -> Option<u64> {
    let (next, found) = (AtomicU64::new(first), AtomicBool::new(false));
    let search = || {
        while !found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return None;
            }
            if schedule::run(seed, defect, false).violation.is_some() {
                found.store(true, Ordering::Relaxed);
                return Some(seed);
            }
        }
        None
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let searches: Vec<_> = (0..cores).map(|_| scope.spawn(search)).collect();
        searches.into_iter().filter_map(|search| search.join().unwrap()).min()
    })
}

/// Runs it again, for its trace.
fn replay(seed: u64, defect: Option<Defect>) {
    let outcome = schedule::run(seed, defect, true);
    outcome.trace.iter().for_each(|line| println!("{line}"));
    println!("seed {seed}: {}", outcome.violation.as_deref().unwrap_or("the promise is kept"));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_schedule_breaks_the_promise() {
    if let Some(seed) = number("HOTSHELF_SEED") {
        replay(seed, None);
        assert_eq!(schedule::run(seed, None, false).violation, None);
        return;
    }
    let long = std::env::var_os("HOTSHELF_LONG").is_some_and(|long| long != "0");
    let count = number("HOTSHELF_SCHEDULES").unwrap_or(if long { 1_000_000 } else { 3_000 });
    let begin = Instant::now();
    if let Some(seed) = first_violation(number("HOTSHELF_FIRST").unwrap_or(0), count, None) {
        replay(seed, None);
        panic!("the promise is broken: HOTSHELF_SEED={seed} replays it");
    }
    println!("{count} schedules in {:.1?}", begin.elapsed());
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..50 {
        let [one, other] = [(), ()].map(|()| schedule::run(seed, None, true).trace);
        assert!(one.len() > 20, "something happens");
        let difference = one.iter().zip(&other).find(|(one, other)| one != other);
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!(one.len(), other.len());
    }
}

#[test]
fn each_defect_is_found_out() {
    let only = std::env::var("HOTSHELF_DEFECT").ok();
    for (defect, first) in DEFECTS {
        if only.as_ref().is_some_and(|only| *only != format!("{defect:?}")) {
            continue;
        }
        let begin = Instant::now();
        let (first, count) =
            (number("HOTSHELF_FIRST").unwrap_or(first), number("HOTSHELF_SCHEDULES").unwrap_or(20_000));
        let found = first_violation(first, count, Some(defect));
        println!("{defect:?}: seed {found:?} after {:.1?}", begin.elapsed());
        assert!(found.is_some(), "{defect:?} was not found out");
    }
}

//! Each guard left out by itself: the search must find how the promise breaks then. The first five are the classic
//! faults.

use stateright::{Checker, HasDiscoveries, Model};

use crate::guard::Guard;
use crate::scenario::Change::Update;
use crate::scenario::Scenario;
use crate::scenarios::*;

/// Searches, the shortest ways first, until the promise is broken.
fn breaks(guard: Guard, promise: &'static str, scenario: Scenario) {
    let search = scenario.without(guard).checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = search.spawn_bfs().join();
    let broken = checker.discoveries().into_iter().filter(|(property, _)| *property != RECOVERS);
    let broken = broken.map(|(property, path)| (path.into_actions(), property));
    let Some((steps, broken)) = broken.min_by_key(|(steps, property)| (steps.len(), *property)) else {
        panic!("nothing goes wrong without {guard:?}, in {} states", checker.unique_state_count())
    };
    println!("without {guard:?}, \"{broken}\" breaks after {} steps: {steps:?}", steps.len());
    assert_eq!(broken, promise, "another one than expected");
}

macro_rules! without {
    ($($name:ident: $guard:ident, $promise:literal, $scenario:expr;)*) => {
        $(
            #[test]
            fn $name() {
                breaks(Guard::$guard, $promise, $scenario);
            }
        )*
    };
}

without! {
    // A stale set.
    fill_compares: FillCompares, "Redis is fresh", product(NONE);
    // A crash between commit and delete.
    fence_before_commit: FenceBeforeCommit, "Redis is fresh", product(CRASH);
    // An outage swallowed.
    outage_is_not_swallowed: OutageIsNotSwallowed, "Redis is fresh", product(CUT);
    // A restart with an old snapshot.
    restart_is_noticed: RestartIsNoticed, "Redis is fresh", alone(RESTART);
    // A memory that is not told.
    fence_is_pushed: FenceIsPushed, "memory is fresh", pushes(NONE);
    // The rest.
    epoch_in_transaction: EpochInTransaction, "Redis is fresh", product(CUT_AND_CRASH).readers([0]);
    release_is_confirmed: ReleaseIsConfirmed, "Redis is fresh", collection(LATE).readers([1]);
    epoch_from_database: EpochFromDatabase, "Redis is fresh", product(CUT_AND_CRASH).readers([0]);
    epoch_is_published: EpochIsPublished, "Redis is fresh", product(CUT).readers([0]);
    epoch_is_learned: EpochIsLearned, "Redis is fresh", product(CUT).readers([0]);
    epoch_counts: EpochCounts, "Redis is fresh", product(CUT);
    epoch_before_load: EpochBeforeLoad, "Redis is fresh", product(CUT).readers([0]);
    sealed_before_commit: SealedBeforeCommit, "Redis is fresh", product(CUT).readers([]);
    release_removes_whatever: ReleaseRemovesWhatever, "Redis is fresh", product(LOSS).readers([0]);
    release_compares: ReleaseCompares, "Redis is fresh", product(LOSS_AND_CRASH).readers([]);
    overtaken_fence_keeps_nothing: OvertakenFenceKeepsNothing, "Redis is fresh", product(LOSS);
    lookup_keeps_its_link: LookupKeepsItsLink, "reads are fresh", collection(RESTART).readers([0]).writers([0]);
    void_before_commit: VoidBeforeCommit, "Redis is fresh", collection(CRASH);
    void_after_commit: VoidAfterCommit, "Redis is fresh", collection(NONE);
    generation_ends: GenerationEnds, "Redis is fresh", collection(CRASH);
    readers_renew_their_own: ReadersRenewTheirOwn, "Redis is fresh", collection(CRASH);
    generations_are_new: GenerationsAreNew, "Redis is fresh", collection(CRASH);
    generation_before_load: GenerationBeforeLoad, "Redis is fresh", collection(NONE);
    negative_is_bound: NegativeIsBound, "Redis is fresh", collection(NONE);
    flight_is_stamped: FlightIsStamped, "reads are fresh", alone(NONE).invalidating();
    memory_is_stamped: MemoryIsStamped, "memory is fresh", alone(NONE).invalidating();
    own_memory_is_told: OwnMemoryIsTold, "memory is fresh", alone(NONE).invalidating();
    farthest_first: FarthestFirst, "memory is fresh", alone(LOSS).invalidating();
    memory_follows_redis: MemoryFollowsRedis, "memory is fresh", pushes(NONE).readers([1]);
    shared_memory_drops: SharedMemoryDrops, "memory is fresh", pushes(NONE).readers([]).writer(1, Update);
    memory_lease: MemoryLease, "memory is fresh", pushes(NONE);
    beat_is_pushed: BeatIsPushed, "memory is fresh", pushes(NONE);
    lease_from_sending: LeaseFromSending, "memory is fresh", pushes(NONE);
    gap_empties_memory: GapEmptiesMemory, "memory is fresh", pushes(GAP).readers([1]);
    gap_moves_stamps: GapMovesStamps, "memory is fresh", pushes(GAP).readers([1]);
    track_then_forget: TrackThenForget, "memory is fresh", pushes(GAP).readers([1]);
    lost_fence_is_pushed: LostFenceIsPushed, "memory is fresh", pushes(LOSS).readers([1]);
    new_epoch_empties_memory: NewEpochEmptiesMemory, "memory is fresh", pushes(CUT).readers([]);
    dependents_end: DependentsEnd, "memory is fresh", pushed_pages(CRASH).readers([1]);
}

//! What the protocol rests on, one by one. Each can be left out, and then something must go wrong.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Guard {
    /// A fill replaces only what the loader left or saw.
    FillCompares,
    /// A writer sets its fence before the commit.
    FenceBeforeCommit,
    /// A write that could not set its fence advances the epoch at all.
    OutageIsNotSwallowed,
    /// It advances the epoch in the same transaction, not in one of its own afterwards.
    EpochInTransaction,
    /// A release that could not be confirmed advances the epoch.
    ReleaseIsConfirmed,
    /// A new connection compares the server with the one that the database knows.
    RestartIsNoticed,
    /// A new connection takes the epoch from the database, not from Redis.
    EpochFromDatabase,
    /// A new epoch is made known in Redis.
    EpochIsPublished,
    /// An instance that hears of a newer epoch goes over to it.
    EpochIsLearned,
    /// A value of another epoch is a miss.
    EpochCounts,
    /// A loader reads the epoch before the load, not when it fills.
    EpochBeforeLoad,
    /// The epoch of a written-through value is the one from before the fence, not that of the release.
    SealedBeforeCommit,
    /// A release removes whatever stands in its fence's place.
    ReleaseRemovesWhatever,
    /// A release leaves another writer's fence alone.
    ReleaseCompares,
    /// A writer that was overtaken by one whose fence had been lost leaves nothing in Redis.
    OvertakenFenceKeepsNothing,
    /// A lookup of several commands begins and ends on one connection.
    LookupKeepsItsLink,
    /// A new generation before the commit.
    VoidBeforeCommit,
    /// A new generation after the commit.
    VoidAfterCommit,
    /// A writer's generation ends by itself.
    GenerationEnds,
    /// A reader keeps alive only what a reader has proposed.
    ReadersRenewTheirOwn,
    /// In the place of a generation that has ended comes one that never was.
    GenerationsAreNew,
    /// What a page or a "does not exist" is bound to is read before the load.
    GenerationBeforeLoad,
    /// "Does not exist" is bound to the generation.
    NegativeIsBound,
    /// A flight is joined only by those with the same stamp.
    FlightIsStamped,
    /// Memory takes only what was loaded under the current stamp.
    MemoryIsStamped,
    /// A write drops its own process' copy before it is acknowledged.
    OwnMemoryIsTold,
    /// And only after Redis is told, from which it could be copied again.
    FarthestFirst,
    /// With several instances, memory takes only what Redis has answered or taken.
    MemoryFollowsRedis,
    /// With several instances, a write drops the copy in memory and never replaces it.
    SharedMemoryDrops,
    /// Memory answers only under a lease.
    MemoryLease,
    /// The lease is renewed when the beat comes back as a push, not when its reply comes.
    BeatIsPushed,
    /// The lease counts from when the beat was sent, not from when it came back.
    LeaseFromSending,
    /// After a gap, memory is dropped.
    GapEmptiesMemory,
    /// And what is being loaded is not kept.
    GapMovesStamps,
    /// And only once the server tracks again.
    TrackThenForget,
    /// A fence is pushed.
    FenceIsPushed,
    /// A release whose fence had been lost is pushed.
    LostFenceIsPushed,
    /// With a new epoch, memory is dropped.
    NewEpochEmptiesMemory,
    /// Copies in memory that depend on a collection live no longer than a writer's generation.
    DependentsEnd,
}

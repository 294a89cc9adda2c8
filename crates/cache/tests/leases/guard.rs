//! What the protocol of leases and confirmations rests on, piece by piece.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Guard {
    /// Memory answers only under its lease.
    MemoryNeedsLease,
    /// A value in Redis answers only under the lease on what Redis holds.
    RedisNeedsLease,
    /// A beat stores the row, and reads the epoch after that.
    RowComesFirst,
    /// Before a lease is renewed, the process goes over to the epoch that the beat has found.
    AdoptedBeforeRenewal,
    /// A lease on memory begins when the beat comes back behind the pushes, not when the database has answered.
    RenewedByPush,
    /// A revoked lease is not renewed by who asked for it before.
    TermsEnd,
    /// A barrier is confirmed when what was pushed before it is applied, not when it arrives.
    ConfirmedWhenApplied,
    /// A writer asks after its release who may serve from memory, and waits for them.
    WaitsAfterRelease,
    /// It looks at the rows after the release, not before.
    LooksAfterRelease,
    /// A lease whose number was seen for long enough is over by then, whoever's clock is slow.
    LapseOutlastsLease,
    /// After the release, a writer makes sure that the others use the same server.
    ServerIsCompared,
    /// A write that only an epoch makes known waits until the others have gone over to it.
    WaitsForEpoch,
    /// An epoch is noted when the process has gone over to it, not before.
    NotedWhenAdopted,
    /// A new link waits until nobody serves under an older epoch.
    OpensWhenNoted,
    /// A process that gives up its row has given up its leases.
    WithdrawnWithLeases,
    /// The own memory is emptied of what is fenced before the commit.
    OwnMemoryIsFenced,
    /// A writer commits when everybody has heard of its fence.
    WaitsBeforeCommit,
    /// A process does not note an epoch while it has an uncommitted fence of an older one.
    NotedWhenCommitted,
    /// A write without Redis revokes the leases of all before it commits.
    RevokesBeforeCommit,
}

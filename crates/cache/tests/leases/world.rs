//! What one moment consists of: the database with its rows, two Redis servers, two instances, and a write of the first.

use crate::guard::Guard;

/// The instance that writes, and the other one.
pub(crate) const WRITING: usize = 0;
pub(crate) const OTHER: usize = 1;
/// Pushes that may be on their way to an instance.
pub(crate) const QUEUE: usize = 4;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) epoch: u8,
    /// The beats that asked for the leases; 0 for none.
    pub(crate) redis: u8,
    pub(crate) memory: u8,
    pub(crate) revokes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    /// Of the entry: 1 once the write is committed.
    pub(crate) version: u8,
    pub(crate) epoch: u8,
    pub(crate) server: u8,
    pub(crate) rows: [Option<Row>; 2],
}

/// What the key of the entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Absent,
    Lease(u8),
    Fence,
    Value { version: u8, epoch: u8, generation: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) key: Key,
    pub(crate) generation: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    Down,
    /// The epoch is settled in the database.
    Opening(u8),
    Up(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Push {
    Change,
    Barrier,
    Beat(u8),
}

/// A beat whose first half is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Beating {
    pub(crate) redis: bool,
    pub(crate) memory: bool,
    /// No lease was revoked since it began.
    pub(crate) in_term: bool,
}

/// A load, from its look at Redis on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Load {
    pub(crate) server: u8,
    /// What the fill is to find.
    pub(crate) expected: Key,
    pub(crate) epoch: u8,
    pub(crate) generation: u8,
    /// What Redis or the database has brought.
    pub(crate) found: Option<u8>,
    /// Redis has taken or brought it.
    pub(crate) stands: bool,
    /// Nothing was heard to have changed since it began.
    pub(crate) stamped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Instance {
    pub(crate) link: Link,
    pub(crate) hears: Option<u8>,
    pub(crate) pushes: [Option<Push>; QUEUE],
    pub(crate) epoch: u8,
    pub(crate) kept: Option<u8>,
    /// The number of its last beat.
    pub(crate) beat: u8,
    pub(crate) beating: Option<Beating>,
    /// A beat is on its way back; whether in the current term.
    pub(crate) returning: Option<bool>,
    /// The beats that gave the leases; 0 without one.
    pub(crate) redis_lease: u8,
    pub(crate) memory_lease: u8,
    /// Leases that this beat or one before it asked for are over, by the instance's clock.
    pub(crate) expired: u8,
    pub(crate) suspended: bool,
    pub(crate) load: Option<Load>,
    pub(crate) loads_left: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Writing {
    Idle,
    Fence,
    AskBefore,
    LookBefore,
    WaitBefore,
    Commit,
    Revoke,
    LookRevoked,
    WaitRevoked,
    CommitWithEpoch,
    LookEarly,
    Release,
    AskAfter,
    LookAfter,
    WaitAfter,
    Advance,
    LookForEpoch,
    WaitForEpoch,
    Acknowledged,
}

/// The leases of the other instance that are waited for; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Blocker {
    pub(crate) redis: u8,
    pub(crate) memory: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    pub(crate) phase: Writing,
    pub(crate) server: u8,
    /// As it was before the fence.
    pub(crate) epoch: u8,
    /// That of the commit, or opened after it.
    pub(crate) opened: u8,
    pub(crate) blocker: Blocker,
    pub(crate) confirmed: bool,
    pub(crate) revokes: bool,
    /// The other instance's row, as it was when the write looked too early.
    pub(crate) early: Option<Blocker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// A link is lost.
    pub(crate) cuts: u8,
    /// The connection of the pushes is lost.
    pub(crate) gaps: u8,
    /// Somebody is told that another server has taken over, while the old one goes on.
    pub(crate) switches: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) servers: [Server; 2],
    pub(crate) generations: u8,
    pub(crate) instances: [Instance; 2],
    pub(crate) writer: Writer,
    pub(crate) left: Faults,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The entry depends on a generation, and is not fenced.
    pub(crate) page: bool,
    /// How many beats each instance makes at most.
    pub(crate) beats: [u8; 2],
    /// How many loads.
    pub(crate) loads: [u8; 2],
    pub(crate) faults: Faults,
    pub(crate) without: Option<Guard>,
}

impl Scenario {
    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    /// Both instances are connected, have leases and the value in memory, and so has Redis.
    pub(crate) fn beginning(&self) -> World {
        let row = Row { epoch: 1, redis: 1, memory: 1, revokes: false };
        let instance = |number: usize| Instance {
            link: Link::Up(0),
            hears: Some(0),
            pushes: [None; QUEUE],
            epoch: 1,
            kept: Some(0),
            beat: 1,
            beating: None,
            returning: None,
            redis_lease: 1,
            memory_lease: 1,
            expired: 0,
            suspended: false,
            load: None,
            loads_left: self.loads[number],
        };
        let generation = u8::from(self.page);
        let value = Key::Value { version: 0, epoch: 1, generation };
        World {
            database: Database { version: 0, epoch: 1, server: 0, rows: [Some(row); 2] },
            servers: [Server { key: value, generation }, Server { key: Key::Absent, generation: 0 }],
            generations: generation,
            instances: [instance(WRITING), instance(OTHER)],
            writer: Writer {
                phase: Writing::Idle,
                server: 0,
                epoch: 0,
                opened: 0,
                blocker: Blocker::default(),
                confirmed: false,
                revokes: false,
                early: None,
            },
            left: self.faults,
        }
    }
}

impl World {
    /// A new generation, which never was.
    pub(crate) fn draw(&mut self) -> u8 {
        self.generations += 1;
        self.generations
    }

    /// Tells everybody who listens there. `false`: somebody's queue is full, which is beyond the bounds.
    pub(crate) fn push(&mut self, server: u8, to: Option<usize>, push: Push) -> bool {
        for (number, instance) in self.instances.iter_mut().enumerate() {
            if instance.hears != Some(server) || to.is_some_and(|to| to != number) {
                continue;
            }
            // Of one turn of Redis' event loop, the same marker twice is one.
            match instance.pushes.iter().position(Option::is_none) {
                Some(place) if place > 0 && instance.pushes[place - 1] == Some(push) => {}
                Some(place) => instance.pushes[place] = Some(push),
                None => return false,
            }
        }
        true
    }
}

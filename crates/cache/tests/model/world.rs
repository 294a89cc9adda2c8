//! What one moment of the world consists of: the database, Redis, the instances, and those who read and write.

use std::fmt;

/// The newest version of each cell that somebody may rely on.
pub(crate) type Floor = [u8; 2];

/// The one key and the one collection of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cell {
    Product,
    /// A page, which depends on the collection.
    Page,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Database {
    /// Grows with each commit that changes the cell.
    pub(crate) versions: Floor,
    pub(crate) exists: bool,
    pub(crate) epoch: u8,
    /// The run of Redis that was named last.
    pub(crate) server: u8,
}

/// A copy in Redis. `by` stands for its random stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Copy {
    pub(crate) by: u8,
    pub(crate) version: u8,
    pub(crate) exists: bool,
    pub(crate) epoch: u8,
    /// 0 when it depends on none.
    pub(crate) generation: u8,
}

/// What a key in Redis holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Entry {
    Absent,
    /// `awaited`: a reader of another instance waits for the fill.
    Lease {
        token: u8,
        run: u8,
        awaited: bool,
    },
    /// `overtaken`: a writer whose own fence had been lost has finished meanwhile.
    Fence {
        writer: u8,
        run: u8,
        overtaken: bool,
    },
    Value(Copy),
}

/// The generation of the collection in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Generation {
    /// 0: there is none.
    pub(crate) id: u8,
    /// Set by a writer: it ends when half a minute has passed. A reader's may end whenever it likes, and lives as long
    /// as it likes.
    pub(crate) of_writer: bool,
}

pub(crate) const NO_GENERATION: Generation = Generation { id: 0, of_writer: false };

/// What Redis remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Memory {
    pub(crate) entries: [Entry; 2],
    pub(crate) generation: Generation,
    pub(crate) epoch: u8,
}

/// A writer's command of which nobody knows whether Redis will carry it out, or has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Late {
    Nothing,
    Fence(u8),
    Void {
        generation: u8,
    },
    /// With what it was told to leave.
    Release {
        writer: u8,
        value: Option<Copy>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Link {
    Down,
    /// Connected to this run of the server, which nobody has vouched for.
    Opened(u8),
    /// The epoch is settled in the database.
    Vouched(u8),
    /// Requests use it.
    Up(u8),
}

/// The dedicated connection on which the pushes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tracking {
    On,
    Broken,
    /// Tracked again, and nothing forgotten yet.
    Resuming,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Push {
    Key,
    Generation,
    Beat,
    /// The receiver has lagged, and pushes are lost.
    Gap,
}

/// How many pushes wait at most until the oldest ones are lost.
pub(crate) const QUEUE: usize = 2;

/// A copy in a process' memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kept {
    pub(crate) version: u8,
    pub(crate) exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instance {
    pub(crate) link: Link,
    pub(crate) epoch: u8,
    /// Redis has told it of a newer epoch, which it asks the database about.
    pub(crate) learning: bool,
    pub(crate) kept: [Option<Kept>; 2],
    pub(crate) leased: bool,
    /// What had been acknowledged when the beat under way was sent.
    pub(crate) beat: Option<Floor>,
    pub(crate) tracking: Tracking,
    pub(crate) pushes: [Option<Push>; QUEUE],
    /// The promise: what reads of this instance have to show, from Redis or the database, and from memory.
    pub(crate) floor: Floor,
    pub(crate) memory_floor: Floor,
    /// Its commits that only an epoch makes known to others.
    pub(crate) debt: Floor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Claim {
    None,
    /// Its own, left on this run of the server.
    Lease(u8),
    Replace(Copy),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reading {
    Idle,
    /// Waits for the load of that reader.
    Joined(u8),
    Generation,
    LookUp,
    /// Has found "does not exist" and asks whether that still counts.
    Confirm(Copy),
    Load,
    /// Has found nothing in the database, and reads the generation to keep that under.
    Bind,
    Fill,
    /// Is about to keep it in memory.
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reader {
    pub(crate) phase: Reading,
    pub(crate) left: u8,
    /// What had been acknowledged when the read began.
    pub(crate) floor: u8,
    /// The run of Redis that its lookup began on.
    pub(crate) run: u8,
    pub(crate) claim: Claim,
    /// As they were before the load.
    pub(crate) epoch: u8,
    pub(crate) generation: u8,
    pub(crate) found: Option<Kept>,
    /// Its stamp still fits.
    pub(crate) stamped: bool,
    /// The read has been answered; what goes on is the refresh.
    pub(crate) answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Writing {
    Idle,
    Fence,
    VoidBefore,
    Commit,
    Release,
    VoidAfter,
    Settle,
    Forget,
    Acknowledge,
    Done,
    Acknowledged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Writer {
    pub(crate) phase: Writing,
    pub(crate) covered: bool,
    /// Release and generations have been confirmed.
    pub(crate) released: bool,
    /// Redis has kept the new value.
    pub(crate) stored: bool,
    /// As it was before the fence.
    pub(crate) epoch: u8,
    pub(crate) committed: Floor,
    /// Redis has lost nothing that bars what is loaded before the commit.
    pub(crate) barred: bool,
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Faults {
    /// A process is killed and started again.
    pub(crate) crashes: u8,
    /// Redis restarts, empty or with a snapshot.
    pub(crate) restarts: u8,
    /// An instance loses its connection.
    pub(crate) cuts: u8,
    /// A writer's command gets no answer, and is carried out later, or never.
    pub(crate) late: u8,
    /// A fence or a generation ends, or is evicted, before its time.
    pub(crate) losses: u8,
    /// The connection of the pushes breaks.
    pub(crate) gaps: u8,
    /// The life of every lease, fence and generation passes.
    pub(crate) pauses: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) run: u8,
    pub(crate) redis: Memory,
    pub(crate) snapshot: Option<Memory>,
    pub(crate) late: Late,
    pub(crate) instances: [Instance; 2],
    pub(crate) writers: [Writer; 2],
    pub(crate) readers: [Reader; 2],
    /// The last one that was drawn.
    pub(crate) generations: u8,
    pub(crate) left: Faults,
    /// Commits by processes that have died, of which no copy may be left when all lives have ended.
    pub(crate) orphaned: Floor,
    /// Debts that Redis knows the epoch of.
    pub(crate) published: Floor,
    /// A read has returned what was there before a write that had been acknowledged.
    pub(crate) stale: bool,
}

pub(crate) fn raise(floor: &mut Floor, to: Floor) {
    floor.iter_mut().zip(to).for_each(|(floor, to)| *floor = (*floor).max(to));
}

/// Whose stamp a copy bears: that of a reader's read, of a writer, or of the beginning.
pub(crate) const OTHER_READER: u8 = 8;
pub(crate) const WRITER: u8 = 64;
pub(crate) const INITIAL: u8 = 99;

impl Faults {
    pub(crate) const fn and(self, other: Faults) -> Faults {
        Faults {
            crashes: self.crashes + other.crashes,
            restarts: self.restarts + other.restarts,
            cuts: self.cuts + other.cuts,
            late: self.late + other.late,
            losses: self.losses + other.losses,
            gaps: self.gaps + other.gaps,
            pauses: self.pauses + other.pauses,
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            ("crash", self.crashes),
            ("restart", self.restarts),
            ("cut", self.cuts),
            ("lost answer", self.late),
            ("lost fence", self.losses),
            ("gap", self.gaps),
            ("half a minute", self.pauses),
        ];
        let some: Vec<_> = all.iter().filter(|(_, count)| *count > 0).map(|(name, _)| *name).collect();
        f.write_str(if some.is_empty() { "no faults" } else { "" })?;
        f.write_str(&some.join(" + "))
    }
}

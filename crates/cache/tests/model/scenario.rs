//! Who takes part, how far the faults may go, and which guard is left out.

use crate::guard::Guard;
use crate::normal::normalize;
use crate::world::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Changes the product, and no page.
    Update,
    /// The product begins to exist. It has no entry that could be fenced.
    Create,
    Delete,
}

impl Change {
    pub(crate) fn fences(self) -> bool {
        self != Change::Create
    }

    pub(crate) fn voids(self) -> bool {
        self != Change::Update
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Several instances share the database.
    pub(crate) shared: bool,
    pub(crate) memory: bool,
    pub(crate) write_through: bool,
    /// Reads may refresh what they have hit.
    pub(crate) refresh: bool,
    /// Each writes once: the instance, and what.
    pub(crate) writers: Vec<(usize, Change)>,
    /// The instance, the cell, how many reads.
    pub(crate) readers: Vec<(usize, Cell, u8)>,
    /// What is cached at first, if anything is.
    pub(crate) warm: Vec<Cell>,
    /// Whether the product exists at first.
    pub(crate) exists: bool,
    pub(crate) faults: Faults,
    /// Snapshots are taken at any moment, not only at the beginning.
    pub(crate) any_snapshot: bool,
    /// A server may restart between telling who it is and the look into the database.
    pub(crate) slow_connections: bool,
    /// The two instances do the same: it does not count which is which.
    pub(crate) symmetric: bool,
    pub(crate) without: Option<Guard>,
}

impl Scenario {
    pub(crate) fn without(mut self, guard: Guard) -> Self {
        self.without = Some(guard);
        self.symmetric = false;
        self
    }

    /// With some of the readers only.
    pub(crate) fn readers<const N: usize>(mut self, numbers: [usize; N]) -> Self {
        self.readers = numbers.map(|number| self.readers[number]).to_vec();
        self.symmetric = false;
        self
    }

    /// With some of the writers only.
    pub(crate) fn writers<const N: usize>(mut self, numbers: [usize; N]) -> Self {
        self.writers = numbers.map(|number| self.writers[number]).to_vec();
        self.symmetric = false;
        self
    }

    /// With another writer.
    pub(crate) fn writer(mut self, instance: usize, change: Change) -> Self {
        self.writers.push((instance, change));
        self
    }

    /// Writes leave nothing in place of the old value.
    pub(crate) fn invalidating(mut self) -> Self {
        self.write_through = false;
        self
    }

    /// Whether a guard is in its place.
    pub(crate) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    pub(crate) fn instances(&self) -> usize {
        if self.shared { 2 } else { 1 }
    }

    pub(crate) fn depends(&self, cell: Cell, exists: bool) -> bool {
        cell == Cell::Page || !exists && self.has(Guard::NegativeIsBound)
    }

    /// Everything cold, and everything warm.
    pub(crate) fn beginnings(&self) -> Vec<World> {
        let cold = self.cold();
        let mut warm = cold;
        for cell in &self.warm {
            let exists = *cell == Cell::Page || self.exists;
            let generation = if self.depends(*cell, exists) { 1 } else { 0 };
            let copy = Copy { by: INITIAL, version: 0, exists, epoch: 1, generation };
            warm.redis.entries[*cell as usize] = Entry::Value(copy);
            for instance in warm.instances.iter_mut().take(self.instances()).filter(|_| self.memory) {
                instance.kept[*cell as usize] = Some(Kept { version: 0, exists });
            }
        }
        let mut beginnings = vec![cold, warm];
        if self.faults.restarts > 0 && !self.any_snapshot {
            beginnings[1].snapshot = Some(warm.redis);
        }
        beginnings.iter_mut().for_each(|world| normalize(self, world));
        beginnings
    }

    fn cold(&self) -> World {
        let instance = Instance {
            link: Link::Up(1),
            epoch: 1,
            learning: false,
            kept: [None; 2],
            leased: self.shared && self.memory,
            beat: None,
            tracking: Tracking::On,
            pushes: [None; QUEUE],
            floor: [0; 2],
            memory_floor: [0; 2],
            debt: [0; 2],
        };
        let writer = Writer {
            phase: Writing::Done,
            covered: false,
            released: false,
            stored: false,
            epoch: 0,
            committed: [0; 2],
            barred: false,
        };
        let reader = Reader {
            phase: Reading::Idle,
            left: 0,
            floor: 0,
            run: 0,
            claim: Claim::None,
            epoch: 0,
            generation: 0,
            found: None,
            stamped: false,
            answered: false,
        };
        let mut world = World {
            database: Database { versions: [0; 2], exists: self.exists, epoch: 1, server: 1 },
            run: 1,
            redis: Memory { entries: [Entry::Absent; 2], generation: Generation { id: 1, of_writer: false }, epoch: 1 },
            snapshot: None,
            late: Late::Nothing,
            instances: [instance; 2],
            writers: [writer; 2],
            readers: [reader; 2],
            generations: 1,
            left: self.faults,
            orphaned: [0; 2],
            published: [0; 2],
            stale: false,
        };
        world.writers.iter_mut().take(self.writers.len()).for_each(|writer| writer.phase = Writing::Idle);
        world.readers.iter_mut().zip(&self.readers).for_each(|(reader, (_, _, reads))| reader.left = *reads);
        world
    }
}

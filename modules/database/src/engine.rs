//! What is the same for every database: one writer that commits in groups, readers in pools, gathered reads by id, and
//! whether all that works.

pub(crate) mod admission;
pub(crate) mod condition;
pub(crate) mod heartbeat;
pub(crate) mod operation;
pub(crate) mod point_reads;
pub(crate) mod readers;
pub(crate) mod writer;

//! What is SQLite's: one group-committing writer, readers in pools, gathered reads by id, and the statements.

pub(crate) mod accounts;
pub(crate) mod admission;
pub(crate) mod condition;
pub(crate) mod connect;
pub(crate) mod details;
pub(crate) mod epoch;
pub(crate) mod error;
pub(crate) mod heartbeat;
pub(crate) mod history;
pub(crate) mod identity;
pub(crate) mod listing;
pub(crate) mod lock;
pub(crate) mod operation;
pub(crate) mod organizations;
pub(crate) mod permissions;
pub(crate) mod point_reads;
pub(crate) mod read_counts;
pub(crate) mod reader;
pub(crate) mod readers;
pub(crate) mod rebuild;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod schemas;
pub(crate) mod search_index;
pub(crate) mod statement;
pub(crate) mod writer;

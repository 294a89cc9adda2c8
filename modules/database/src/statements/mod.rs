//! Statements that are written the same way on every database, in diesel's language.
//!
//! diesel's types name the database that a statement is for, and a function that is generic over databases would need a
//! page of bounds. So each adapter includes these files as a module of its own: `super` is the adapter, which brings the
//! type of the connection and the few words that differ.

mod api_keys;
mod audit;
mod columns;
mod details;
mod epoch;
mod invitations;
mod organizations;
mod proofs;
mod read_counts;
mod removals;
mod resets;
mod revocations;
mod schemas;
mod seal;
mod sessions;
mod users;

use super::{Connection, EARLIER_OF, LATER_OF, advance_once, count_products};

//! The rows of the processes that share the database.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use hotshelf_cache::{Epoch, Instance};

use super::connection::Connection;
use super::sql::statement;
use crate::error::SqlError;
use crate::rows::corrupt;

/// All rows in one text, for a look that brings them together with the epoch: one for each line.
macro_rules! rows_as_text {
    () => {
        "(SELECT coalesce(string_agg(concat_ws(' ', name, beat, i.epoch, redis, memory, revokes::int), chr(10)), '') \
          FROM instances AS i)"
    };
}
pub(super) use rows_as_text;

/// On the connection that stores rows: a row has to survive a restart of the server. What a standby lacks belongs to an
/// earlier history.
pub(super) const SETTINGS: &str = "SET synchronous_commit = local; SET default_transaction_read_only = off;";

pub(super) fn parse(rows: &str) -> Result<Vec<Instance>, SqlError> {
    rows.lines().map(|row| read(row).ok_or_else(|| corrupt("a row of `instances`"))).collect()
}

fn read(row: &str) -> Option<Instance> {
    let mut words = row.split(' ');
    let name = words.next()?.to_owned();
    let mut number = || words.next()?.parse::<i64>().ok().map(i64::cast_unsigned);
    let (beat, epoch, redis, memory, revokes) = (number()?, number()?, number()?, number()?, number()?);
    Some(Instance { name, beat, epoch: Epoch::new(epoch), redis, memory, revokes: revokes != 0 })
}

statement! {
    /// One that arrives late does not replace a newer one.
    Store { name: Text = String, beat: BigInt = i64, epoch: BigInt = i64, redis: BigInt = i64, memory: BigInt = i64,
        revokes: Bool = bool };
    "INSERT INTO instances AS i (name, beat, epoch, redis, memory, revokes) VALUES (?, ?, ?, ?, ?, ?) \
     ON CONFLICT (name) DO UPDATE SET beat = excluded.beat, epoch = excluded.epoch, redis = excluded.redis, \
         memory = excluded.memory, revokes = excluded.revokes \
     WHERE i.beat < excluded.beat"
}

pub(super) fn store(conn: &mut Connection, row: &Instance) -> Result<(), SqlError> {
    let [beat, epoch, redis, memory] = [row.beat, row.epoch.get(), row.redis, row.memory].map(u64::cast_signed);
    Store { name: row.name.clone(), beat, epoch, redis, memory, revokes: row.revokes }.execute(conn)?;
    Ok(())
}

statement! {
    Remove { name: Text = String, beat: BigInt = i64 };
    "DELETE FROM instances WHERE name = ? AND beat = ?"
}

pub(super) fn remove(conn: &mut Connection, name: &str, beat: u64) -> Result<(), SqlError> {
    Remove { name: name.to_owned(), beat: beat.cast_signed() }.execute(conn)?;
    Ok(())
}

statement! {
    Forget {};
    "DELETE FROM instances"
}

/// In place of all rows, which the database may lack, one of an instance with leases that nobody renews: whoever sees
/// it waits for as long as a lease may last. Inside the group that begins a history.
pub(super) fn forget(conn: &mut Connection, history: i64) -> Result<(), SqlError> {
    Forget {}.execute(conn)?;
    let name = format!("before-history-{:016x}", history.cast_unsigned());
    store(conn, &Instance { name, beat: 1, epoch: Epoch::new(0), redis: 1, memory: 1, revokes: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_text() {
        let one = Instance { name: "a1".to_owned(), beat: 7, epoch: Epoch::MAX, redis: 7, memory: 6, revokes: true };
        let other = Instance { name: "b2".to_owned(), beat: 1, ..Instance::default() };
        let text = format!("a1 7 {} 7 6 1\nb2 1 0 0 0 0", i64::MAX);
        assert_eq!(parse(&text).unwrap(), [one, other]);
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("a1 7").is_err());
    }
}

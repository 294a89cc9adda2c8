//! What a kind of database brings to the [`engine`](crate::engine): connections, and the knowledge whether they lead to
//! the database that they should.

use std::sync::Arc;

use hotshelf_cache::{Epoch, Instance, Sharers};
use hotshelf_domain::{History, StoreError};
use tokio_util::sync::CancellationToken;

use crate::engine::readers::Limit;
use crate::engine::writer::Group;
use crate::error::SqlError;
use crate::port::Tx;
use crate::statement::{Dialect, Row, Statement};

/// A database. All of its methods may block.
pub(crate) trait Backend: Send + Sync + 'static {
    /// The database of the service, for health reports and logs, such as `SQLite`.
    fn title(&self) -> String;

    /// By the names of OpenTelemetry (`db.system.name`).
    fn system(&self) -> &'static str;

    /// Where it is, without a password.
    fn location(&self) -> String;

    /// The timeline of the server, 0 for a file.
    fn timeline(&self) -> u32;

    /// Fails while nothing may be read and written. A look at memory.
    fn confirm(&self) -> Result<(), StoreError>;

    /// Opens the connection on which groups are written.
    fn open_writer(&self) -> Result<Box<dyn WriteConnection>, StoreError>;

    /// Opens one for rows by their keys.
    fn open_keyed(&self) -> Result<Box<dyn KeyedConnection>, StoreError>;

    /// Opens one for lists.
    fn open_lists(&self) -> Result<Box<dyn ListReader>, StoreError>;

    /// The history, and how many groups were committed in it, as far as is known in this process. A look at memory.
    fn progress(&self) -> (History, i64);

    /// Another history that this process has begun.
    fn adopt(&self, history: History);

    /// Cancelled when it is noticed that this is not the database any more that was opened, for as long as the process
    /// runs.
    fn replaced(&self) -> CancellationToken;

    /// Looks whether the database is still the one, and keeps the result. `true`: a group has to look, in turn with
    /// the other groups.
    fn heartbeat(&self) -> bool;

    /// Stores the row of an instance that shares the database, unless a newer row of it is there.
    fn store_instance(&self, row: &Instance) -> Result<(), StoreError>;

    /// Removes the row of an instance, if it is still the one of that beat.
    fn remove_instance(&self, name: &str, beat: u64) -> Result<(), StoreError>;

    /// At the end, when no other connection is open any more.
    fn close(&self) -> Result<(), StoreError>;
}

/// A connection on which groups are written.
pub(crate) trait WriteConnection: Send {
    /// Writes the group in one transaction and settles the outcome of each of its writes. `false`: the connection is
    /// not to be used again.
    fn write(&mut self, group: &mut Group) -> bool;

    /// Whether it has not ended since. A look at memory.
    fn is_usable(&self) -> bool {
        true
    }
}

/// A connection on which is read.
pub(crate) trait ReadConnection: Send {
    /// Fails when the connection does not lead to the database of now. Asked before each read and after it.
    fn confirm(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether it can be used again.
    fn is_usable(&self) -> bool {
        true
    }
}

/// One for rows by their keys.
pub(crate) trait KeyedConnection: ReadConnection {
    fn tx(&mut self) -> &mut dyn Tx;

    /// The epoch and the Redis server that it was reconciled with last. Looks first whether the database is still the
    /// one, and keeps the result, as [`Backend::heartbeat`].
    fn current_epoch(&mut self) -> Result<(Epoch, String), SqlError>;

    /// The same, with the rows of the instances that share the database.
    fn sharers(&mut self) -> Result<Sharers, SqlError>;
}

/// One for lists: its statements can be interrupted, as their work depends on what is asked for.
pub(crate) trait ListReader: ReadConnection {
    fn dialect(&self) -> Dialect;

    /// Hands over each row that the statement selects.
    fn each_row(
        &self,
        statement: &Statement,
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError>;

    /// Runs `read` once. The statement that is running when the limit is over is interrupted, and the connection can be
    /// used for the next read.
    fn run_within(&self, limit: &Limit, read: &mut dyn FnMut() -> Result<(), SqlError>) -> Result<(), SqlError>;

    /// Runs `read` once. All that it reads is of the same moment.
    fn at_one_moment(&self, read: &mut dyn FnMut() -> Result<(), SqlError>) -> Result<(), SqlError>;
}

impl dyn ListReader + '_ {
    /// A statement in the language of the database that begins so.
    pub(crate) fn statement(&self, sql: &'static str) -> Statement {
        Statement::new(self.dialect(), sql)
    }

    pub(crate) fn rows<T>(
        &self,
        statement: &Statement,
        mut read: impl FnMut(&dyn Row) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut rows = Vec::new();
        self.each_row(statement, &mut |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Reads until the limit at most.
    pub(crate) fn within<T>(
        &self,
        limit: &Limit,
        read: impl FnOnce(&dyn ListReader) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        once(read, |run| self.run_within(limit, &mut || run(self)))
    }

    /// All that `read` reads is of the same moment.
    pub(crate) fn moment<T>(&self, read: impl FnOnce(&dyn ListReader) -> Result<T, SqlError>) -> Result<T, SqlError> {
        once(read, |run| self.at_one_moment(&mut || run(self)))
    }
}

/// Lets a function that calls back without a result bring one.
fn once<T>(
    read: impl FnOnce(&dyn ListReader) -> Result<T, SqlError>,
    around: impl FnOnce(&mut dyn FnMut(&dyn ListReader) -> Result<(), SqlError>) -> Result<(), SqlError>,
) -> Result<T, SqlError> {
    let (mut read, mut answer) = (Some(read), None);
    around(&mut |conn| {
        answer = read.take().map(|read| read(conn)).transpose()?;
        Ok(())
    })?;
    Ok(answer.ok_or_else(|| StoreError::failed("a read was not run".to_owned()))?)
}

/// The database, and when it is not used any more.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) backend: Arc<dyn Backend>,
    /// Cancelled: what is under way is interrupted, and nothing more is begun.
    pub(crate) ending: CancellationToken,
}

//! A connection that diesel's statements run on. It blocks: each piece of work on a database is one closure on a blocking
//! thread, whatever the database is. It does not wait for ever: a server may hang, and a network may swallow everything.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{
    AnsiTransactionManager, CacheSize, ConnectionSealed, Instrumentation, LoadConnection, SimpleConnection,
    TransactionManager,
};
use diesel::expression::QueryMetadata;
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::query_builder::{Query, QueryBuilder, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error};
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::{AsyncConnection, AsyncConnectionCore, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use hotshelf_cache::Epoch;
use hotshelf_domain::StoreError;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::inserts::{self, Inserts};
use super::link::{Link, Notices};
use super::place::Place;

pub(crate) struct Connection {
    inner: AsyncPgConnection,
    transactions: AnsiTransactionManager,
    runtime: Handle,
    notices: Arc<Notices>,
    /// Cancelled when the connection has ended.
    ended: CancellationToken,
    /// Where it leads to.
    pub(super) place: Place,
    /// For a statement.
    patience: Duration,
    /// A statement has not been answered in time: its answer may still come, in place of another's.
    late: bool,
    /// Statements that may have changed something.
    written: u64,
    /// Whether a statement has failed: PostgreSQL undoes the whole transaction then.
    failed: bool,
    /// Whether the transaction has begun a history.
    pub(super) history_begun: bool,
    /// The epoch, if the transaction has advanced it.
    pub(super) advanced: Option<Epoch>,
    /// The number of the group that is under way, and of the last one that was committed here.
    pub(super) group: i64,
    pub(super) last_group: i64,
    /// Products that the transaction has still to insert.
    pub(super) inserts: Inserts,
    /// What the transaction has still to enter.
    pub(super) changes: Changes,
}

impl Connection {
    /// On a blocking thread.
    pub(super) fn new(link: Link, runtime: Handle) -> Result<Self, StoreError> {
        let Link { client, place, notices, ended, purpose } = link;
        let inner = runtime.block_on(async { timeout(purpose.patience(), AsyncPgConnection::try_from(client)).await });
        let inner = inner.map_err(|_| StoreError::failed(NO_ANSWER.to_owned()))?;
        let inner = inner.map_err(|error| StoreError::failed(error.to_string()))?;
        Ok(Connection {
            inner,
            transactions: AnsiTransactionManager::default(),
            runtime,
            notices,
            ended,
            place,
            patience: purpose.patience(),
            late: false,
            written: 0,
            failed: false,
            history_begun: false,
            advanced: None,
            group: 0,
            last_group: 0,
            inserts: Inserts::default(),
            changes: Changes::default(),
        })
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.late && !self.ended.is_cancelled()
    }

    /// Statements that may have changed something, since the connection was opened.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Begins a transaction in which nothing has happened yet.
    pub(super) fn begin(&mut self) -> QueryResult<()> {
        (self.failed, self.history_begun, self.changes, self.advanced) = (false, false, Changes::default(), None);
        self.inserts.undone();
        self.batch_execute("BEGIN")
    }

    pub(super) fn roll_back(&mut self) -> QueryResult<()> {
        self.changes = Changes::default();
        self.inserts.undone();
        self.batch_execute("ROLLBACK")
    }

    /// Commits, and waits so long for it. It is never interrupted: an interrupted wait for a synchronous replica would
    /// end with a commit that the replica may not have.
    ///
    /// # Errors
    /// Whatever goes wrong, the transaction may have been committed: some errors come after that.
    pub(super) fn commit(&mut self, patience: Duration) -> Result<(), String> {
        self.notices.take_warning();
        // Of a transaction in which a statement has failed, COMMIT is no error, but a rollback. SELECT fails there.
        let commit = SimpleAsyncConnection::batch_execute(&mut self.inner, "SELECT 1; COMMIT");
        match self.runtime.block_on(async { timeout(patience, commit).await }) {
            Err(_) => {
                self.late = true;
                Err("it takes too long".to_owned())
            }
            Ok(Err(error)) => Err(error.to_string()),
            // Committed here, and perhaps not on the synchronous replica, for whose answer it does not wait any more.
            Ok(Ok(())) if self.notices.take_warning() => Err("the server has warned".to_owned()),
            Ok(Ok(())) => {
                self.inserts.committed();
                self.last_group = self.group;
                Ok(())
            }
        }
    }

    /// Something will be written before the next statement.
    pub(super) fn will_write(&mut self) {
        self.written += 1;
    }

    /// Before a statement, which has to find what is there.
    fn insert_first(&mut self) -> QueryResult<()> {
        if self.inserts.is_empty() {
            return Ok(());
        }
        // Whose they are has counted them already.
        let written = self.written;
        let done = inserts::flush(self);
        self.written = written;
        done
    }
}

const NO_ANSWER: &str = "PostgreSQL does not answer";

/// Waits for an answer, so long at most.
fn answered<T>(
    runtime: &Handle,
    patience: Duration,
    late: &mut bool,
    work: impl Future<Output = QueryResult<T>>,
) -> QueryResult<T> {
    if *late {
        return Err(no_answer());
    }
    match runtime.block_on(async { timeout(patience, work).await }) {
        Ok(answer) => answer,
        Err(_) => {
            *late = true;
            Err(no_answer())
        }
    }
}

fn no_answer() -> Error {
    Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, Box::new(NO_ANSWER.to_owned()))
}

impl SimpleConnection for Connection {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.insert_first()?;
        let work = SimpleAsyncConnection::batch_execute(&mut self.inner, query);
        let done = answered(&self.runtime, self.patience, &mut self.late, work);
        self.failed |= done.is_err();
        done
    }
}

impl ConnectionSealed for Connection {}

impl diesel::Connection for Connection {
    type Backend = Pg;
    type TransactionManager = AnsiTransactionManager;

    fn establish(_: &str) -> ConnectionResult<Self> {
        Err(ConnectionError::InvalidConnectionUrl("connections are opened by the server's address".to_owned()))
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Pg> + QueryId,
    {
        self.insert_first()?;
        self.written += 1;
        let work = self.inner.execute_returning_count(source);
        let done = answered(&self.runtime, self.patience, &mut self.late, work);
        self.failed |= done.is_err();
        done
    }

    fn transaction_state(&mut self) -> &mut <AnsiTransactionManager as TransactionManager<Self>>::TransactionStateData {
        &mut self.transactions
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.inner.set_prepared_statement_cache_size(size);
    }
}

impl LoadConnection for Connection {
    type Cursor<'conn, 'query> = std::vec::IntoIter<QueryResult<Self::Row<'conn, 'query>>>;
    type Row<'conn, 'query> = <AsyncPgConnection as AsyncConnectionCore>::Row<'conn, 'query>;

    /// All rows at once: a statement may fail behind the first of them, and that must not go unnoticed.
    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> QueryResult<Self::Cursor<'conn, 'query>>
    where
        T: Query + QueryFragment<Pg> + QueryId + 'query,
        Pg: QueryMetadata<T::SqlType>,
    {
        self.insert_first()?;
        self.written += u64::from(may_write(&source));
        let loading = self.inner.load(source);
        let work = async { Ok(loading.await?.collect::<Vec<_>>().await) };
        let rows = answered(&self.runtime, self.patience, &mut self.late, work);
        self.failed |= rows.as_ref().map_or(true, |rows| rows.iter().any(QueryResult::is_err));
        Ok(rows?.into_iter())
    }
}

fn may_write<T: QueryFragment<Pg>>(source: &T) -> bool {
    let mut builder = PgQueryBuilder::default();
    source.to_sql(&mut builder, &Pg).is_err() || !builder.finish().starts_with("SELECT")
}

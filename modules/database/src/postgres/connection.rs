//! A connection that diesel's statements run on. It blocks: each piece of work on a database is one closure on a blocking
//! thread, whatever the database is.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{
    AnsiTransactionManager, CacheSize, ConnectionSealed, Instrumentation, LoadConnection, SimpleConnection,
    TransactionManager,
};
use diesel::expression::QueryMetadata;
use diesel::migration::{CREATE_MIGRATIONS_TABLE, MigrationConnection};
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::query_builder::{Query, QueryBuilder, QueryFragment, QueryId};
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use hotshelf_domain::StoreError;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::changes::Changes;
use super::link::{Link, Notices};
use super::place::Place;

type Inner = AsyncConnectionWrapper<AsyncPgConnection>;

pub(crate) struct Connection {
    inner: Inner,
    transactions: AnsiTransactionManager,
    runtime: Handle,
    notices: Arc<Notices>,
    /// Where it leads to.
    pub(super) place: Place,
    /// Statements that may have changed something.
    written: u64,
    /// Whether a statement has failed: PostgreSQL undoes the whole transaction then.
    failed: bool,
    /// What the transaction has still to enter.
    pub(super) changes: Changes,
}

/// How the commit has ended.
pub(super) enum Commit {
    Done,
    /// The server refused, and has undone the transaction.
    Refused(String),
    /// Nobody knows.
    InDoubt(String),
}

impl Connection {
    /// On a blocking thread.
    pub(super) fn new(link: Link, runtime: Handle) -> Result<Self, StoreError> {
        let Link { client, place, notices } = link;
        let inner = runtime.block_on(AsyncPgConnection::try_from(client));
        let inner = inner.map_err(|error| StoreError::failed(error.to_string()))?;
        Ok(Connection {
            inner: inner.into(),
            transactions: AnsiTransactionManager::default(),
            runtime,
            notices,
            place,
            written: 0,
            failed: false,
            changes: Changes::default(),
        })
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
        (self.failed, self.changes) = (false, Changes::default());
        self.batch_execute("BEGIN")
    }

    pub(super) fn roll_back(&mut self) -> QueryResult<()> {
        self.changes = Changes::default();
        self.batch_execute("ROLLBACK")
    }

    /// Commits, and waits so long for it. It is never interrupted: an interrupted wait for a synchronous replica would
    /// end with a commit that the replica may not have.
    pub(super) fn commit(&mut self, patience: Duration) -> Commit {
        self.notices.take_warning();
        // Of a transaction in which a statement has failed, COMMIT is no error, but a rollback. SELECT fails there.
        let commit = SimpleAsyncConnection::batch_execute(&mut *self.inner, "SELECT 1; COMMIT");
        match self.runtime.block_on(async { timeout(patience, commit).await }) {
            Err(_) => Commit::InDoubt("it takes too long".to_owned()),
            // Committed here, and perhaps not on the synchronous replica, whose answer somebody has cancelled.
            Ok(Ok(())) if self.notices.take_warning() => Commit::InDoubt("the server warned".to_owned()),
            Ok(Ok(())) => Commit::Done,
            Ok(Err(diesel::result::Error::DatabaseError(kind, said)))
                if !matches!(
                    kind,
                    diesel::result::DatabaseErrorKind::UnableToSendCommand
                        | diesel::result::DatabaseErrorKind::ClosedConnection
                ) && !ends_connection(said.message()) =>
            {
                Commit::Refused(said.message().to_owned())
            }
            Ok(Err(error)) => Commit::InDoubt(error.to_string()),
        }
    }

    fn note<T>(&mut self, result: &QueryResult<T>) {
        self.failed |= result.is_err();
    }
}

/// Whether the server says of a connection that it ends. It may have committed before.
fn ends_connection(message: &str) -> bool {
    message.contains("terminating connection")
}

impl SimpleConnection for Connection {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let done = SimpleConnection::batch_execute(&mut self.inner, query);
        self.note(&done);
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
        self.written += 1;
        let done = self.inner.execute_returning_count(source);
        self.note(&done);
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
    type Row<'conn, 'query> = <Inner as LoadConnection>::Row<'conn, 'query>;

    /// All rows at once: a statement may fail behind the first of them, and that must not go unnoticed.
    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> QueryResult<Self::Cursor<'conn, 'query>>
    where
        T: Query + QueryFragment<Pg> + QueryId + 'query,
        Pg: QueryMetadata<T::SqlType>,
    {
        self.written += u64::from(may_write(&source));
        let rows: QueryResult<Vec<_>> = self.inner.load(source).map(Iterator::collect);
        self.failed |= rows.as_ref().map_or(true, |rows: &Vec<_>| rows.iter().any(QueryResult::is_err));
        Ok(rows?.into_iter())
    }
}

fn may_write<T: QueryFragment<Pg>>(source: &T) -> bool {
    let mut builder = PgQueryBuilder::default();
    source.to_sql(&mut builder, &Pg).is_err() || !builder.finish().starts_with("SELECT")
}

impl MigrationConnection for Connection {
    fn setup(&mut self) -> QueryResult<usize> {
        self.batch_execute(CREATE_MIGRATIONS_TABLE).map(|()| 0)
    }
}

/// Waits for a future on a blocking thread, so long at most.
pub(super) fn wait<T>(
    runtime: &Handle,
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = || StoreError::failed("PostgreSQL does not answer".to_owned());
    runtime.block_on(async { timeout(limit, work).await }).unwrap_or_else(|_| Err(late()))
}
